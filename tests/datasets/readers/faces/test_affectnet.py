"""AffectNet: the original tables, the .npy release and Kaggle's folders."""

import numpy as np
import pytest
from PIL import Image
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.faces.affectnet import AffectNetConfig
from vemo.foundation.errors import UserError

HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
# The number in the column expression, and fer8's word for it.
NUMBERED = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
POINTS = [(float(place), 90.0 - place) for place in range(68)]
LANDMARKS = ";".join(f"{x:.2f};{y:.2f}" for x, y in POINTS)


def line(name, expression, valence="0.5", arousal="-0.25", box="10,20,40,50", landmarks=LANDMARKS):
    return f"{name},{box},{landmarks},{expression},{valence},{arousal}"


def table(root, name, lines, header=HEADER, newline="\n"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(newline.join([*([header] if header else []), *lines, ""]).encode())


def photo(path, grey=0):
    """96 × 96 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (96, 96), grey).save(path)


def outcomes(root, **settings):
    return outcomes_of(make_reader(AffectNetConfig(**settings), root))


def classes(found):
    return {name: record["labels"]["fer8"]["class"] for name, record in found.items()}


def test_tables_with_and_without_a_header(tmp_path, round_trip):
    root = tmp_path / "set"
    names = [f"{place}/ab{place}.jpg" for place in range(8)]
    for place, name in enumerate(names):
        photo(root / "Manually_Annotated_Images" / name, place)
    photo(root / "Manually_Annotated_Images" / "9/val.JPG", 9)
    table(root, "training.csv", [line(name, place) for place, name in enumerate(names)], newline="\r\n")
    table(root, "validation.csv", [line("9/val.jpg", 6, "-1", "1")], header="")
    records = round_trip(AffectNetConfig(), root)
    expected = {f"affectnet/{name}": NUMBERED[place] for place, name in enumerate(names)}
    assert classes(records) == expected | {"affectnet/9/val.jpg": "anger"}
    assert records["affectnet/9/val.jpg"]["source"]["split"] == "val"
    assert records["affectnet/9/val.jpg"]["source"]["path"] == "Manually_Annotated_Images/9/val.JPG"
    assert records["affectnet/9/val.jpg"]["vad"] == {"valence": -1, "arousal": 1}
    record = records["affectnet/3/ab3.jpg"]
    assert record["source"]["split"] == "train"
    assert record["vad"] == {"valence": 0.5, "arousal": -0.25}
    # Points 36-41 and 42-47 are the eyes, 30 the nose, 48 and 54 the mouth's corners; the person's right is
    # first.
    assert record["faces"] == [
        {
            "box": [10, 20, 50, 70],
            "landmarks": [[38.5, 51.5], [44.5, 45.5], [30, 60], [48, 42], [54, 36]],
        }
    ]
    assert make_reader(AffectNetConfig(), root).expected == {"train": 287_651, "val": 4_000}


def test_images_without_an_expression_are_listed_where_asked_for(tmp_path, put):
    others = {8: "none", 9: "uncertain", 10: "no face"}
    put(tmp_path / "Manually_Annotated_Images" / "1/a.jpg")
    for number in others:
        put(tmp_path / "Manually_Annotated_Images" / f"1/{number}.jpg", number)
    lines = [
        line("1/a.jpg", 1),
        line("1/8.jpg", 8, "0.1", "0.2"),
        line("1/9.jpg", 9, "-2", "-2"),
        line("1/10.jpg", 10, "-2", "-2", box="NULL,NULL,NULL,NULL", landmarks="NULL"),
    ]
    table(tmp_path, "Manually_Annotated_file_lists/training.csv", lines)
    assert list(outcomes(tmp_path)) == ["1/a.jpg"]
    found = outcomes(tmp_path, unlabelled=True)
    assert {number: found[f"1/{number}.jpg"]["attributes"]["expression"] for number in others} == others
    assert not any("labels" in found[f"1/{number}.jpg"] for number in others)
    assert found["1/8.jpg"]["vad"] == {"valence": 0.1, "arousal": 0.2}
    assert "vad" not in found["1/9.jpg"]
    assert make_reader(AffectNetConfig(unlabelled=True), tmp_path).expected == {}


def test_boxes_beyond_the_photo_are_clipped_and_points_may_be_missing(tmp_path):
    for name in ("a", "b"):
        photo(tmp_path / "Manually_Annotated_Images" / f"1/{name}.jpg")
    table(
        tmp_path,
        "training.csv",
        [
            line("1/a.jpg", 1, "-2", "0.5", box="-5,60,60,90", landmarks=""),
            line("1/b.jpg", 1, box="96,0,5,5"),
        ],
    )
    found = outcomes(tmp_path)
    assert found["1/a.jpg"]["faces"] == [{"box": [0, 60, 55, 96]}]
    assert found["1/a.jpg"]["vad"] == {"arousal": 0.5}
    assert "nothing of the box [96.0, 0.0, 101.0, 5.0] lies in 96 × 96 pixels" in found["1/b.jpg"]


def test_broken_lines_fail_by_name(tmp_path, put):
    put(tmp_path / "Manually_Annotated_Images" / "1/a.jpg")
    lines = [
        line("1/a.jpg", 1),
        line("1/a.jpg", 1),
        line("1/gone.jpg", 1),
        line("1/b.jpg", 1, box="-1,-1,-1,-1"),
        line("1/c.jpg", 1, box="NULL,NULL,NULL,NULL"),
        line("1/d.jpg", 11),
        line("1/e.jpg", "happy"),
        line("1/f.jpg", 1, "nan"),
        line("1/g.jpg", 1, "1.5"),
        line("1/h.jpg", 1, landmarks="1;2;3"),
        "1/i.jpg,1,2,3",
        ",1,2,3,4,,1,0,0",
        "",
        line("../../b.jpg", 1),
    ]
    table(tmp_path, "training.csv", lines)
    found = outcomes(tmp_path)
    assert isinstance(found.pop("1/a.jpg"), dict)
    assert {name: said.partition(":")[0] for name, said in found.items()} == {
        "1/a.jpg~2": "duplicate_id",
        "1/gone.jpg": "missing_image",
        **dict.fromkeys((f"1/{letter}.jpg" for letter in "bcdefghi"), "bad_row"),
        "training.csv line 13": "bad_row",
        "../../b.jpg": "path_escapes_root",
    }
    assert "line 5: no face box: it is -1 × -1" in found["1/b.jpg"]
    assert "face_x is 'NULL', not a number" in found["1/c.jpg"]
    assert "expression is 11, not a whole number from 0 to 10" in found["1/d.jpg"]
    assert "valence is 1.5, neither from -1 to 1 nor -2" in found["1/g.jpg"]
    assert "3 numbers, not 136" in found["1/h.jpg"]
    assert "or 4 cells, not 9" in found["1/i.jpg"]


def test_the_automatic_part_is_another_dataset(tmp_path, put):
    put(tmp_path / "Automatically_Annotated_Images" / "1/a.jpg")
    put(tmp_path / "Manually_Annotated_Images" / "1/b.jpg", 1)
    name = "Automatically_annotated_file_list/automatically_annotated.csv"
    table(tmp_path, name, [line("1/a.jpg", 7)])
    table(tmp_path, "training.csv", [line("1/b.jpg", 0)])
    found = outcomes(tmp_path, part="automatic")
    assert classes(found) == {"1/a.jpg": "contempt"}
    assert found["1/a.jpg"]["id"] == "affectnet-automatic/1/a.jpg"
    assert make_reader(AffectNetConfig(part="automatic"), tmp_path).expected == {}
    assert classes(outcomes(tmp_path)) == {"1/b.jpg": "neutral"}


def test_images_elsewhere(tmp_path, put):
    put(tmp_path / "crops" / "1/b.jpg", 1)
    table(tmp_path, "training.csv", [line("1/b.jpg", 0)])
    assert outcomes(tmp_path)["1/b.jpg"] == "missing_image: no file 1/b.jpg"
    assert classes(outcomes(tmp_path, images="crops")) == {"1/b.jpg": "neutral"}


def answer(root, folder, number, **values):
    for key, value in values.items():
        path = root / folder / "annotations" / f"{number}_{key}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, value)


def test_the_npy_release(tmp_path, put, round_trip):
    root = tmp_path / "set"
    for place in range(8):
        put(root / "train_set" / "images" / f"{place}.jpg", place)
        answer(root, "train_set", place, exp=np.array(str(place)), val=np.array("-0.5"), aro=np.array("0.25"))
    put(root / "val_set" / "images" / "0.jpg", 8)  # ids begin anew in the other set
    answer(root, "val_set", 0, exp=np.array(3), val=np.array(-2.0), aro=np.array([-2]), lnd=np.zeros(136))
    records = round_trip(AffectNetConfig(), root)
    expected = {f"affectnet/train/{place}": NUMBERED[place] for place in range(8)}
    assert classes(records) == expected | {"affectnet/val/0": "surprise"}
    assert records["affectnet/train/7"]["vad"] == {"valence": -0.5, "arousal": 0.25}
    assert "vad" not in records["affectnet/val/0"]
    assert not any("faces" in record for record in records.values())
    assert make_reader(AffectNetConfig(), root).expected == {}


def test_broken_npy_files_fail_and_nothing_is_lost(tmp_path, put):
    good = {"exp": np.array("1"), "val": np.array("0"), "aro": np.array("0")}
    broken = {
        "1": {"exp": np.array("8.5")},
        "2": {"exp": np.array(["1", "2"])},
        "3": {"val": np.array("nan")},
        "4": {"aro": np.array(-3)},
        "5": {"exp": np.array({"pickled": 1}, dtype=object)},
    }
    for number, values in broken.items():
        put(tmp_path / "train_set" / "images" / f"{number}.jpg", int(number))
        answer(tmp_path, "train_set", number, **{**good, **values})
    put(tmp_path / "train_set" / "images" / "6.jpg", 6)  # without annotations
    answer(tmp_path, "train_set", "7", **good)  # without an image
    put(tmp_path / "train_set" / "images" / "8.jpg", 8)
    answer(tmp_path, "train_set", "8", **good)
    (tmp_path / "train_set" / "annotations" / "8_exp.npy").write_bytes(b"")
    found = outcomes(tmp_path)
    assert {name: said.partition(":")[0] for name, said in found.items()} == {
        **dict.fromkeys((f"train/{number}" for number in "123458"), "bad_annotation"),
        "train/6": "missing_annotation",
        "train/7": "missing_image",
    }
    assert "expression is 8.5" in found["train/1"]
    assert "allow_pickle=False" in found["train/5"]


def test_kaggle_numbers_from_one_and_not_by_the_alphabet(tmp_path, put, round_trip):
    root = tmp_path / "set"
    for place in range(8):
        put(root / "train_class" / f"class{place + 1:03d}" / "image0.jpg", place)
        put(root / "val_class" / f"class{place + 1:03d}" / "image0.jpg", place + 8)
    records = round_trip(AffectNetConfig(), root)
    assert classes(records) == {
        f"affectnet/{folder}/class{place + 1:03d}/image0.jpg": NUMBERED[place]
        for folder in ("train_class", "val_class")
        for place in range(8)
    }
    assert {r["source"]["split"] for r in records.values()} == {"train", "val"}
    assert make_reader(AffectNetConfig(), root).expected == {"train": 37_553, "val": 4_000}
    put(root / "val_class" / "class009" / "image1.jpg")
    assert outcomes(root)["val_class/class009/image1.jpg"].startswith("bad_annotation: val_class/class009")


def test_where_several_forms_lie_together_the_config_chooses(tmp_path, put):
    table(tmp_path, "training.csv", [])
    put(tmp_path / "train_class" / "class004" / "a.jpg")
    assert outcomes(tmp_path) == {}
    assert classes(outcomes(tmp_path, form="kaggle")) == {"train_class/class004/a.jpg": "surprise"}


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no training\.csv or .*val_class, so this is no affectnet folder"):
        make_reader(AffectNetConfig(), tmp_path)
    with pytest.raises(UserError, match=r"no train_set or val_set, so this is.*Ask for AffectNet"):
        make_reader(AffectNetConfig(form="npy"), tmp_path)
    (tmp_path / "val_class").mkdir()  # this was labelled by people
    with pytest.raises(UserError, match=r"no automatically_annotated\.csv, so this is no affectnet folder"):
        make_reader(AffectNetConfig(part="automatic"), tmp_path)
    table(tmp_path, "training.csv", [], header="path,expression,valence,arousal")
    with pytest.raises(UserError, match=r"no column subDirectory_filePath, face_x.* there are path, expr"):
        list(make_reader(AffectNetConfig(), tmp_path).rows())
    table(tmp_path, "training.csv", [line("1/a.jpg", 1), '"' + "1/b.jpg," * 20_000])
    with pytest.raises(UserError, match=r"training\.csv after line 2: .*quotation mark never closed"):
        list(make_reader(AffectNetConfig(), tmp_path).rows())
