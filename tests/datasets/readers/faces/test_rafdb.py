"""RAF-DB: both subsets, which look alike, the photos with their boxes, voters' shares and demographics."""

import pytest
from PIL import Image
from reader_outcomes import outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.faces.rafdb import RafDbCompoundConfig, RafDbConfig
from vemo.datasets.taxonomy import label_space
from vemo.foundation.errors import UserError

# Labels 1, 2, … in the lists, as fer7 and compound11 call them.
BASIC = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
COMPOUND = [
    "happily surprised",
    "happily disgusted",
    "sadly fearful",
    "sadly angry",
    "sadly surprised",
    "sadly disgusted",
    "fearfully angry",
    "fearfully surprised",
    "angrily surprised",
    "angrily disgusted",
    "disgustedly surprised",
]


def write(root, lines, name="EmoLabel/list_patition_label.txt", newline="\n"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes("".join(line + newline for line in lines).encode())


def labels(found, space="fer7"):
    return {name: record["labels"][space]["class"] for name, record in found.items()}


@pytest.fixture
def basic(tmp_path, put):
    """root/basic with train_00001 … train_00006 of labels 1 … 6 and test_0001 of label 7."""
    top = tmp_path / "root" / "basic"
    names = [f"train_{number:05d}" for number in range(1, 7)] + ["test_0001"]
    for place, name in enumerate(names):
        put(top / "Image" / "aligned" / f"{name}_aligned.jpg", place)
    write(top, [f"{name}.jpg {place}" for place, name in enumerate(names, start=1)])
    return top


@pytest.mark.parametrize("below", [False, True])
def test_basic(basic, round_trip, below):
    root = basic.parent if below else basic
    records = round_trip(RafDbConfig(), root)
    names = [f"rafdb/train_{number:05d}" for number in range(1, 7)] + ["rafdb/test_0001"]
    assert labels(records) == dict(zip(names, BASIC))
    assert {name: r["source"]["split"] for name, r in records.items()} == {
        name: name.split("/")[1].split("_")[0] for name in names
    }
    assert not any({"attributes", "faces"} & record.keys() for record in records.values())
    assert make_reader(RafDbConfig(), root).expected == {"train": 12_271, "test": 3_068}


def test_the_list_with_its_name_mended_crlf_a_mark_and_trailing_blanks(basic, put):
    (basic / "EmoLabel" / "list_patition_label.txt").unlink()
    lines = ["\ufefftrain_00001.jpg 4 ", "  ", "test_0001.jpg\t7"]
    write(basic, lines, "EmoLabel/list_partition_label.txt", "\r\n")
    found = outcomes(RafDbConfig(), basic)
    assert labels({n: r for n, r in found.items() if isinstance(r, dict)}) == {
        "train_00001": "happiness",
        "test_0001": "neutral",
    }


def test_broken_lines_and_images_without_a_line_fail_by_name(basic):
    lines = [
        "train_00001.jpg 4",
        "train_00001.jpg 4",
        "train_00099.jpg 4",
        "train_00002.jpg 0",
        "train_00003.jpg 12",
        "train_00004.jpg happy",
        "train_00005.jpg",
        "val_00006.jpg 4",
    ]
    write(basic, lines)
    found = outcomes(RafDbConfig(), basic)
    assert isinstance(found.pop("train_00001"), dict)
    assert {name: said.partition(":")[0] for name, said in found.items()} == {
        "train_00001~2": "duplicate_id",
        "train_00099": "missing_image",
        "train_00002": "bad_row",
        "train_00003": "bad_row",
        "train_00004": "bad_row",
        "line7": "bad_row",
        "line8": "bad_row",
        "aligned/train_00005_aligned.jpg": "missing_annotation",
        "aligned/train_00006_aligned.jpg": "missing_annotation",
        "aligned/test_0001_aligned.jpg": "missing_annotation",
    }
    assert "line 5: label is '12', not a number from 1 to 7" in found["train_00003"]
    assert "line 8: expected train_ or test_<number>.jpg and a label, got val_00006.jpg 4" in found["line8"]


def test_compound(tmp_path, put, round_trip):
    top = tmp_path / "root" / "compound"
    for label in range(1, 12):
        put(top / "Image" / "aligned" / f"train_{label:04d}_aligned.jpg", label)
    write(top, [f"train_{label:04d}.jpg {label}" for label in range(1, 12)])
    records = round_trip(RafDbCompoundConfig(), tmp_path / "root")
    assert labels(records, "compound11") == {
        f"rafdb-compound/train_{label:04d}": name for label, name in enumerate(COMPOUND, start=1)
    }
    assert list(label_space("compound11").names) == COMPOUND
    assert make_reader(RafDbCompoundConfig(), top).expected == {}


def test_one_subset_is_never_read_as_the_other(basic, tmp_path):
    with pytest.raises(
        UserError, match=r"labels up to 7, so this is the other subset \(reader\.kind=rafdb\)"
    ):
        list(make_reader(RafDbCompoundConfig(), basic).rows())
    write(basic, ["train_00001.jpg 4", "train_00002.jpg 9"])
    with pytest.raises(UserError, match=r"labels up to 9, .* \(reader\.kind=rafdb_compound\)"):
        list(make_reader(RafDbConfig(), basic).rows())


def test_photos_come_with_the_faces_box(basic):
    for number in (1, 2, 3, 4):
        (basic / "Image" / "original").mkdir(exist_ok=True)
        Image.new("L", (96, 96), number).save(basic / "Image" / "original" / f"train_0000{number}.jpg")
    write(basic, ["1.5 2.5 50.25 60.75"], "boundingbox/train_00001_boundingbox.txt")
    write(basic, ["-3 10 120 90"], "Annotation/boundingbox/train_00002_boundingbox.txt")
    write(basic, ["1 2 3"], "boundingbox/train_00003_boundingbox.txt")
    found = outcomes(RafDbConfig(images="original"), basic)
    assert found["train_00001"]["faces"] == [{"box": [1.5, 2.5, 50.25, 60.75]}]
    assert found["train_00001"]["source"]["path"] == "Image/original/train_00001.jpg"
    assert found["train_00002"]["faces"] == [{"box": [0, 10, 96, 90]}]
    assert found["train_00003"].startswith("bad_annotation") and "got 1 2 3" in found["train_00003"]
    assert "faces" not in found["train_00004"]  # nobody says where it is


def test_voters_shares_follow_the_labels_names(basic, round_trip):
    # Of seven columns, that of the label has 0.7, the one before it 0.3.
    shares = {}
    for place, name in enumerate([*(f"train_{number:05d}" for number in range(1, 7)), "test_0001"]):
        cells = ["0"] * 7
        cells[place], cells[place - 1] = "0.7", "0.3"
        shares[name] = cells
    lines = [f"{name}.jpg {' '.join(cells)} " for name, cells in shares.items()]
    write(basic, lines, "distribution_basic.txt")
    records = round_trip(RafDbConfig(label="distribution"), basic)
    names = label_space("fer7").names
    for place, name in enumerate(shares):
        found = dict(zip(names, records[f"rafdb/{name}"]["labels"]["fer7"]["distribution"]))
        assert {key: value for key, value in found.items() if value} == {
            BASIC[place]: 0.7,
            BASIC[place - 1]: 0.3,
        }
    assert labels(outcomes(RafDbConfig(), basic))["test_0001"] == "neutral"  # the default is the one label


def test_shares_in_another_order_are_noticed_and_broken_ones_fail(basic):
    def one_hot(place):
        return " ".join("1" if place == column else "0" for column in range(7))

    names = [f"train_{number:05d}" for number in range(1, 7)]
    lines = [f"{name}.jpg {one_hot(6 - place)}" for place, name in enumerate(names)]
    write(basic, [*lines, f"test_0001.jpg {one_hot(0)}"], "distribution_basic.txt")
    with pytest.raises(
        UserError, match=r"largest share in 1 of 7 lines, so its columns are not Surprise, Fear"
    ):
        list(make_reader(RafDbConfig(label="distribution"), basic).rows())
    lines = [f"{name}.jpg {one_hot(place)}" for place, name in enumerate(names)]
    lines[1] = lines[1].removesuffix(" 0")
    lines[2] = f"{names[2]}.jpg 0 0 0.5 0 0 0 0"
    lines[3] = f"{names[3]}.jpg 0 0 0 x 0 0 0"
    write(basic, lines, "distribution_basic.txt")
    found = outcomes(RafDbConfig(label="distribution"), basic)
    assert [name for name, said in found.items() if isinstance(said, dict)] == [names[0], names[4], names[5]]
    assert "line 2: 6 shares, not 7" in found[names[1]]
    assert "sums to 0.5" in found[names[2]]
    assert "a share is 'x', not a number" in found[names[3]]
    assert found["test_0001"] == "missing_annotation: distribution_basic.txt does not name test_0001"


def manual(root, name, *lines):
    write(root, ["1.0\t2.0"] * 5 + list(lines), f"Annotation/manual/{name}_manu_attri.txt", "\r\n")


def test_demographics_only_where_asked_for(basic):
    manual(basic, "train_00001", "0", "0", "0")
    manual(basic, "train_00002", "1", "1", "4")
    manual(basic, "train_00003", "2", "2", "2")
    manual(basic, "train_00004", "3", "0", "0")
    manual(basic, "train_00005", "1", "0")
    assert not any("attributes" in record for record in outcomes(RafDbConfig(), basic).values())
    found = outcomes(RafDbConfig(demographics=True), basic)
    assert found["train_00001"]["attributes"] == {"gender": "male", "race": "caucasian", "age": "0-3"}
    assert found["train_00002"]["attributes"] == {
        "gender": "female",
        "race": "african-american",
        "age": "70+",
    }
    assert found["train_00003"]["attributes"] == {"gender": "unsure", "race": "asian", "age": "20-39"}
    assert "gender is '3', not a number from 0 to 2" in found["train_00004"]
    assert found["train_00005"].startswith("bad_annotation")
    assert found["train_00006"].startswith("missing_annotation: no file Annotation/manual/train_00006")


@pytest.mark.parametrize("above", ["DATASET", ""])
def test_the_numbered_folders_it_is_passed_on_in(tmp_path, put, round_trip, above):
    root = tmp_path / "set"
    for label in range(1, 8):
        put(root / above / "train" / str(label) / f"train_{label:05d}_aligned.jpg", label)
    put(root / above / "test" / "1" / "test_0001_aligned.jpg", 8)
    records = round_trip(RafDbConfig(), root)
    prefix = f"rafdb/{above}/".replace("//", "/")
    expected = {
        f"{prefix}train/{label}/train_{label:05d}_aligned.jpg": name
        for label, name in enumerate(BASIC, start=1)
    }
    assert labels(records) == expected | {f"{prefix}test/1/test_0001_aligned.jpg": "surprise"}
    assert {r["source"]["split"] for r in records.values()} == {"train", "test"}
    put(root / above / "test" / "8" / "x.jpg", 9)
    found = outcomes(RafDbConfig(), root)
    assert any(str(said).startswith("bad_annotation") and "label is '8'" in said for said in found.values())
    with pytest.raises(UserError, match=r"no Annotation/manual, for reader\.demographics=true"):
        make_reader(RafDbConfig(demographics=True), root)


def test_user_errors(tmp_path, basic, put):
    put(tmp_path / "empty" / "train" / "angry" / "1.jpg")  # FER2013's folders, not RAF-DB's
    with pytest.raises(
        UserError, match=r"no basic/EmoLabel/list_patition_label\.txt or .*no rafdb folder.*whdeng"
    ):
        make_reader(RafDbConfig(), tmp_path / "empty")
    with pytest.raises(UserError, match=r"no rafdb-compound folder"):
        make_reader(RafDbCompoundConfig(), tmp_path / "empty")
    for settings, problem in (
        ({"images": "original"}, r"no Image/original, for reader\.images=original"),
        ({"demographics": True}, r"no Annotation/manual, for reader\.demographics=true"),
        ({"label": "distribution"}, r"no distribution_basic\.txt, for reader\.label=distribution"),
    ):
        with pytest.raises(UserError, match=problem):
            make_reader(RafDbConfig(**settings), basic)
