"""Tables with a line for each person, and HECO as public code reads it."""

import io

import pytest
from PIL import Image
from reader_outcomes import outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.generic.person_table import PersonTableConfig
from vemo.datasets.readers.scenes.heco import HecoConfig
from vemo.foundation.errors import UserError

HEADER = "Image,xmin,ymin,xmax,ymax,Category,Valence,Arousal,Dominance"
TABLE = "Labels/HECO_Labels.csv"


def write(root, lines, header=HEADER, table=TABLE, end="\n"):
    (root / table).parent.mkdir(exist_ok=True)
    (root / table).write_bytes("".join(f"{line}{end}" for line in [header, *lines]).encode())


def test_heco(tmp_path, put, round_trip):
    _, height = Image.open(io.BytesIO(put(tmp_path / "Images/b 1.jpg"))).size
    put(tmp_path / "Images/a.JPG", 1)
    write(
        tmp_path,
        [
            f"b 1.jpg,-3,4,20,{height + 9},Happiness,10,5.5,1",
            "a.jpg,1,2,30,40,Surprise,,3.25,",
            "b 1.jpg,8,9,20,30, peace ,5.5,5.5,5.5",
        ],
        header="\ufeff" + HEADER,
        end="\r\n",
    )
    records = round_trip(HecoConfig(), tmp_path)
    assert set(records) == {"heco/b 1.jpg", "heco/a.jpg"}
    assert records["heco/b 1.jpg"]["persons"] == [
        {
            "box": [0, 4, 20, height],  # clipped
            "labels": {"heco8": {"class": "happiness"}},
            "vad": {"valence": 1, "arousal": 0, "dominance": -1},
        },
        {
            "box": [8, 9, 20, 30],
            "labels": {"heco8": {"class": "peace"}},
            "vad": {"valence": 0, "arousal": 0, "dominance": 0},
        },
    ]
    (person,) = records["heco/a.jpg"]["persons"]
    assert person["vad"] == {"arousal": -0.5}  # empty cells are unknown
    assert records["heco/a.jpg"]["source"]["path"] == "Images/a.JPG"
    assert "labels" not in records["heco/a.jpg"] and "vad" not in records["heco/a.jpg"]


def test_identical_files_share_a_group(tmp_path, put):
    for name, number in (("a.jpg", 0), ("b.jpg", 0), ("c.jpg", 1)):
        put(tmp_path / "Images" / name, number)
    write(tmp_path, [f"{name},1,2,30,40,Fear,1,1,1" for name in ("a.jpg", "b.jpg", "c.jpg")])
    groups = [row.group for row in make_reader(HecoConfig(), tmp_path).rows()]
    assert groups[0] == groups[1] != groups[2]


def test_what_is_broken_fails_by_name(tmp_path, put):
    names = ("word", "eleven", "outside", "flat", "box", "good")
    for name in names:
        put(tmp_path / f"Images/{name}.jpg")
    write(
        tmp_path,
        [
            "good.jpg,1,2,30,40,Fear,1,1,1",
            "good.jpg,1,2,30,40,Fear,1,1",
            "word.jpg,1,2,30,40,Fear,1,1,1",
            "word.jpg,1,2,30,40,Glee,1,1,1",
            "eleven.jpg,1,2,30,40,Fear,1,0,1",
            "outside.jpg,500,2,600,40,Fear,1,1,1",
            "flat.jpg,30,2,30,40,Fear,1,1,1",
            "box.jpg,,,,,Fear,1,1,1",
            "gone.jpg,1,2,30,40,Fear,1,1,1",
            "../up.jpg,1,2,30,40,Fear,1,1,1",
            ",1,2,30,40,Fear,1,1,1",
        ],
    )
    found = outcomes(HecoConfig(), tmp_path)
    assert len(found["good.jpg"]["persons"]) == 1
    found = {name: outcome for name, outcome in found.items() if isinstance(outcome, str)}
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "Labels/HECO_Labels-3": "bad_row",  # the other person of good.jpg is not lost without a word
        "Labels/HECO_Labels-12": "missing_image",
        "word.jpg": "bad_annotation",
        "eleven.jpg": "bad_annotation",
        "outside.jpg": "bad_annotation",
        "flat.jpg": "bad_annotation",
        "box.jpg": "bad_annotation",
        "gone.jpg": "missing_image",
        "../up.jpg": "path_escapes_root",
    }
    assert "HECO_Labels.csv line 5: label space heco8 has no 'Glee'" in found["word.jpg"]
    assert "arousal is 0, outside the scale 1 to 10" in found["eleven.jpg"]
    assert "lies outside the image" in found["outside.jpg"]
    assert "x1 < x2" in found["flat.jpg"]
    assert "a line is one person, this one has 0 boxes" in found["box.jpg"]


def test_any_table(tmp_path, put, round_trip):
    put(tmp_path / "a.png")
    put(tmp_path / "b.png", 1)
    header = "file;box;tags;kind"
    write(tmp_path, ["a;[1, 2, 20, 30];joy|fear;film", "a;[2, 2, 9, 9];;"], header, "one.csv")
    write(tmp_path, ["b;[3, 4, 5, 6];anger;"], header, "two.csv")
    config = PersonTableConfig.model_validate(
        {
            "dataset": "mine",
            "table": {"train": "one.csv", "test": "two.csv"},
            "suffix": ".png",
            "delimiter": ";",
            "columns": {
                "path": "file",
                "persons": {"box": "box", "format": "xywh"},
                "labels": {"ekman6": {"classes": "tags", "separator": "|"}},
                "attributes": {"kind": "kind"},
            },
        }
    )
    records = round_trip(config, tmp_path)
    assert records["mine/a.png"]["persons"] == [
        {
            "box": [1, 2, 21, 32],
            "labels": {"ekman6": {"classes": ["joy", "fear"]}},
            "attributes": {"kind": "film"},
        },
        {"box": [2, 2, 11, 11]},
    ]
    assert records["mine/b.png"]["source"]["split"] == "test"


def test_whole_tables_can_be_wrong(tmp_path):
    with pytest.raises(UserError, match=r"no file Labels/HECO_Labels\.csv .*heco2022"):
        make_reader(HecoConfig(), tmp_path)
    write(tmp_path, [], header=HEADER.replace("Category", "Emotion"))
    with pytest.raises(
        UserError, match=r"columns\.labels\.heco8\.class: no column 'Category'.* there are Image"
    ):
        make_reader(HecoConfig(), tmp_path)
    columns = {"path": "Image", "captions": [{"text": "Emotion"}], "id": "Image"}
    with pytest.raises(UserError, match=r"columns\.persons: say in which columns the person's box stands"):
        make_reader(PersonTableConfig.model_validate({"table": TABLE, "columns": columns}), tmp_path)
    columns["persons"] = {"box": ["xmin", "ymin", "xmax", "ymax"]}
    with pytest.raises(UserError, match="id, captions: has no place where a line is a person"):
        make_reader(PersonTableConfig.model_validate({"table": TABLE, "columns": columns}), tmp_path)
