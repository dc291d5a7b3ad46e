"""Hugging Face datasets, saved or by name, with the real package, which the extra vemo[readers] brings."""

import pickle
import sys
import types

import pytest
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.generic.hf_datasets import HfDatasetsConfig
from vemo.foundation.errors import UserError

LABELS = {"labels": {"ekman6": {"class": "label"}}}


def config(columns=LABELS, **keys):
    return HfDatasetsConfig.model_validate({"columns": columns, **keys})


@pytest.fixture(scope="module")
def package():
    return pytest.importorskip("datasets", reason="needs the package datasets (the extra vemo[readers])")


@pytest.fixture
def save(package, pictures, tmp_path):
    """save(split=…, numbers): write pictures with those numbers as they come from many a hub."""

    def table(numbers, **more):
        features = package.Features(
            {
                "image": package.Image(),
                "label": package.ClassLabel(names=["happy", "sad", "angry"]),  # in its own order
                "tags": package.Sequence(package.ClassLabel(names=["peace", "pain"])),
                "about": {"who": package.Value("string")},
            }
        )
        rows = {
            "image": [{"bytes": pictures[n], "path": f"{n}.jpg"} for n in numbers],
            "label": [n % 3 if n < 9 else -1 for n in numbers],
            "tags": [[1, 0][: n % 3] for n in numbers],
            "about": [{"who": f"painter {n % 2}"} for n in numbers],
        }
        return package.Dataset.from_dict(rows, features=features)

    def write(**splits):
        tables = {split: table(numbers) for split, numbers in splits.items()}
        saved = package.DatasetDict(tables) if splits.keys() != {"alone"} else tables["alone"]
        saved.save_to_disk(tmp_path / "saved")

    return write


COLUMNS = {
    "labels": {"ekman6": {"class": "label"}, "emotic26": {"classes": "tags"}},
    "group": "about.who",
    "attributes": {"who": "about.who"},
}


def test_splits_names_and_untouched_images(save, tmp_path, pictures, round_trip):
    save(train=range(6), validation=[6, 7], test=[8, 9])
    records = round_trip(config(COLUMNS, folder="saved", dataset="mine"), tmp_path)
    first = records["mine/train-1"]
    assert first["labels"] == {"ekman6": {"class": "sadness"}, "emotic26": {"classes": ["pain"]}}
    assert first["attributes"] == {"who": "painter 1"}
    assert first["source"]["group"] == "painter 1"
    assert records["mine/validation-0"]["source"]["split"] == "val"
    assert records["mine/train-0"]["labels"] == {"ekman6": {"class": "joy"}}  # an empty list of tags
    assert "ekman6" not in records["mine/test-1"].get("labels", {})  # -1: nobody labelled it
    reader = pickle.loads(pickle.dumps(make_reader(config(folder="saved"), tmp_path)))
    assert [reader.read(row)[1] for row in reader.rows()] == pictures[:10]


def test_one_table_without_splits(save, tmp_path):
    save(alone=range(3))
    reader = make_reader(config({**LABELS, "id": "image.path"}), tmp_path / "saved")
    assert [(row.id, row.split) for row in reader.rows()] == [
        ("0.jpg", None),
        ("1.jpg", None),
        ("2.jpg", None),
    ]
    bare = make_reader(config({"image": "image"}), tmp_path / "saved")
    assert [row.id for row in bare.rows()] == ["0", "1", "2"]
    assert list(bare.rows()) == list(bare.rows())


def test_by_name(package, save, tmp_path, pictures):
    save(alone=range(3))
    (tmp_path / "by-name").mkdir()
    package.load_from_disk(tmp_path / "saved").to_parquet(tmp_path / "by-name" / "train-00000.parquet")
    (tmp_path / "cache").mkdir()
    # A folder of Parquet files stands in for a name on the hub: the package loads both by the same call.
    reader = make_reader(config(name=str(tmp_path / "by-name")), tmp_path / "cache")
    rows = list(reader.rows())
    assert [(row.id, row.split) for row in rows] == [
        ("train-0", "train"),
        ("train-1", "train"),
        ("train-2", "train"),
    ]
    sample, image = reader.read(rows[2])
    assert (sample.labels["ekman6"].class_, image) == ("anger", pictures[2])
    assert any((tmp_path / "cache").iterdir())


def test_images_that_are_not_in_the_table(package, tmp_path, put, monkeypatch):
    image = put(tmp_path / "inside.jpg")
    paths = [str(tmp_path / "inside.jpg"), str(tmp_path / "gone.jpg"), "/etc/hostname", None]
    table = package.Dataset.from_dict({"image": paths}, features=package.Features({"image": package.Image()}))
    # save_to_disk would put the images into the table; what load_dataset fetches may keep them beside it.
    monkeypatch.setattr(package, "load_from_disk", lambda folder: table)
    reader = make_reader(config({}), tmp_path)
    rows = list(reader.rows())
    assert reader.read(rows[0])[1] == image
    for row, reason in zip(rows[1:], ("missing_image", "path_escapes_root", "missing_image")):
        with pytest.raises(SampleError, match=reason):
            reader.read(row)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"labels": {"ekman6": {"class": "lable"}}},
            r"no column 'lable' \(did you mean label\?\); there are image,",
        ),
        ({"path": "image.path"}, "holds its images; give image or nothing"),
        ({"attributes": {"who": "about.whom"}}, r"no column 'about\.whom' \(did you mean about\.who\?\)"),
    ],
)
def test_user_errors_are_one_line(save, tmp_path, columns, message):
    save(alone=range(2))
    with pytest.raises(UserError, match=message) as caught:
        make_reader(config(columns), tmp_path / "saved")
    assert "\n" not in str(caught.value)


def test_which_of_two_image_columns(package, tmp_path, pictures):
    features = package.Features({"a": package.Image(), "b": package.Image()})
    table = package.Dataset.from_dict(
        {"a": [{"bytes": pictures[0]}], "b": [{"bytes": pictures[1]}]}, features=features
    )
    table.save_to_disk(tmp_path / "saved")
    with pytest.raises(
        UserError, match=r"say which column holds the images; there are a \(Image\), b \(Image\)"
    ):
        make_reader(config({}), tmp_path / "saved")
    reader = make_reader(config({"image": "b"}), tmp_path / "saved")
    (row,) = reader.rows()
    assert reader.read(row)[1] == pictures[1]


def test_a_folder_that_save_to_disk_did_not_write(package, tmp_path):
    with pytest.raises(UserError, match=r"cannot be loaded: .*Write a datasets\.Dataset with save_to_disk"):
        make_reader(config(), tmp_path)


def test_a_table_that_is_cut_off(save, tmp_path):
    save(alone=range(6))
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:3000])
    with pytest.raises(UserError, match="cannot be loaded"):
        make_reader(config(), tmp_path / "saved")


@pytest.mark.parametrize("module", [None, types.ModuleType("datasets")])
def test_without_the_package(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, "datasets", module)
    with pytest.raises(UserError, match=r"needs the package datasets .*pip install 'vemo\[readers\]'"):
        make_reader(config(), tmp_path)
