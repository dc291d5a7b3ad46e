"""EMOTIC from MATLAB structs and from CSV files: people, their labels, and who gave them."""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.emotic import EmoticConfig
from vemo.foundation.errors import UserError

NAN = float("nan")
HEADER = "Index,Folder,Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age"


def structs(records):
    """A MATLAB struct array, 1 x N."""
    names = list(records[0]) if records else []
    array = np.zeros((1, len(records)), dtype=[(name, object) for name in names])
    for place, record in enumerate(records):
        array[0, place] = tuple(record[name] for name in names)
    return array


def cells(words):
    return np.array([words], dtype=object) if words else np.zeros((0, 0), dtype=object)


def axes(valence, arousal, dominance):
    return structs([{"valence": valence, "arousal": arousal, "dominance": dominance}])


def one_answer(box, categories, vad, gender="Male", age="Adult"):
    """A person of train."""
    return {
        "body_bbox": np.array([box], dtype=np.float64),
        "annotations_categories": structs([{"categories": cells(categories)}]),
        "annotations_continuous": axes(*vad),
        "gender": gender,
        "age": age,
    }


def several_answers(box, categories, combined, vads, mean, gender="Female", age="Kid"):
    """A person of val or test."""
    numbers = [{"valence": v, "arousal": a, "dominance": d} for v, a, d in vads]
    return {
        "body_bbox": np.array([box], dtype=np.float64),
        "annotations_categories": structs([{"categories": cells(words)} for words in categories]),
        "combined_categories": cells(combined),
        "annotations_continuous": structs(numbers),
        "combined_continuous": axes(*mean),
        "gender": gender,
        "age": age,
    }


class Folder:
    """Writes a tiny EMOTIC: images, then Annotations.mat."""

    def __init__(self, root, put):
        self.root, self.put = root, put
        self.images = {"train": [], "val": [], "test": []}

    def add(self, split, name, people, number=0, size=None):
        folder, _, file = name.rpartition("/")
        width, height = Image.open(io.BytesIO(self.put(self.root / "emotic" / name, number))).size
        columns, rows = size or (width, height)
        self.images[split].append(
            {
                "filename": file,
                "folder": folder,
                "image_size": structs([{"n_col": columns, "n_row": rows}]),
                "original_database": structs([{"name": folder.partition("/")[0], "info": "none"}]),
                "person": structs(people),
            }
        )
        return width, height

    def write(self, place="Annotations.mat"):
        scipy_io = pytest.importorskip("scipy.io", reason="scipy (extra readers) writes the fixture")
        (self.root / place).parent.mkdir(exist_ok=True)
        tables = {split: structs(images) for split, images in self.images.items() if images}
        scipy_io.savemat(self.root / place, tables)

    def outcomes(self, **keys):
        reader, found = make_reader(EmoticConfig(**keys), self.root), {}
        for row in reader.rows():
            try:
                found[row.id] = reader.read(row)[0].to_record()
            except SampleError as error:
                found[row.id] = str(error)
        return found


@pytest.fixture
def folder(tmp_path, put):
    return Folder(tmp_path, put)


def write_csv(root, split, lines, header=HEADER):
    root.mkdir(exist_ok=True)
    # As mat2py.py leaves it on Windows: a blank line after every line.
    text = "".join(f"{line}\r\n\r\n" for line in [header, *lines])
    (root / f"{split}.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())


def test_one_sample_an_image_with_its_people(folder, round_trip):
    width, height = folder.add(
        "train",
        "mscoco/images/COCO_train2014_000000288841.jpg",
        [
            one_answer([-1, 8, 2000, 60.5], ["Sympathy", "Doubt/Confusion", "Happiness"], (1, 5.5, 10)),
            one_answer([3, 4, 20, 30], ["Peace"], (NAN, 4, NAN), "Female", "Teenager"),
        ],
    )
    folder.add(
        "val",
        "emodb_small/images/007eear5kx5qhbzewz.jpg",
        [
            several_answers(
                [5, 6, 50, 60],
                [["Peace"], ["Happiness", "Pleasure"]],
                ["Peace", "Happiness", "Pleasure"],
                [(8, 4, 10), (6, NAN, 4)],
                (7, 4, 7),
            )
        ],
        1,
    )
    folder.add("test", "ade20k/images/a.jpg", [one_answer([0, 0, 9, 9], ["Fear"], (2, 9, 1))], 2)
    folder.write()
    records = round_trip(EmoticConfig(), folder.root)
    first = records["emotic/mscoco/images/COCO_train2014_000000288841.jpg"]
    assert first["source"]["split"] == "train"
    assert first["source"]["path"] == "emotic/mscoco/images/COCO_train2014_000000288841.jpg"
    assert "labels" not in first
    assert first["persons"] == [
        {
            "box": [0, 8, width, 60.5],  # clipped to the image
            "labels": {"emotic26": {"classes": ["doubt/confusion", "happiness", "sympathy"]}},
            "vad": {"valence": -1, "arousal": 0, "dominance": 1},  # 1 … 10
        },
        {  # NaN is left out
            "box": [3, 4, 20, 30],
            "labels": {"emotic26": {"classes": ["peace"]}},
            "vad": {"arousal": pytest.approx(-1 / 3)},
        },
    ]
    assert height > 60.5
    (person,) = records["emotic/emodb_small/images/007eear5kx5qhbzewz.jpg"]["persons"]
    assert person["labels"] == {"emotic26": {"classes": ["happiness", "peace", "pleasure"]}}
    assert person["vad"] == pytest.approx({"valence": 1 / 3, "arousal": -1 / 3, "dominance": 1 / 3})
    assert person["annotations"] == [
        {"labels": {"emotic26": {"classes": ["peace"]}}},
        {"labels": {"emotic26": {"classes": ["happiness", "pleasure"]}}},
        {"vad": pytest.approx({"valence": 5 / 9, "arousal": -1 / 3, "dominance": 1})},
        {"vad": pytest.approx({"valence": 1 / 9, "dominance": -1 / 3})},
    ]


def test_age_and_gender_only_when_asked(folder):
    folder.add("train", "mscoco/images/a.jpg", [one_answer([1, 1, 9, 9], ["Peace"], (5, 5, 5))])
    folder.write("Annotations/Annotations.mat")  # as Tandon-A/emotic lays it out
    (person,) = folder.outcomes()["mscoco/images/a.jpg"]["persons"]
    assert "attributes" not in person
    (person,) = folder.outcomes(demographics=True)["mscoco/images/a.jpg"]["persons"]
    assert person["attributes"] == {"age": "adult", "gender": "male"}


def test_what_is_broken_fails_by_name(folder):
    peace = one_answer([1, 1, 9, 9], ["Peace"], (5, 5, 5))
    folder.add("train", "mscoco/images/gone.jpg", [peace])
    folder.add("train", "mscoco/images/small.jpg", [peace], size=(640, 480))
    folder.add(
        "train", "mscoco/images/outside.jpg", [peace, one_answer([500, 1, 600, 9], ["Fear"], (5, 5, 5))]
    )
    folder.add("train", "mscoco/images/glee.jpg", [peace, one_answer([1, 1, 9, 9], ["Glee"], (5, 5, 5))])
    folder.add("train", "mscoco/images/eleven.jpg", [one_answer([1, 1, 9, 9], ["Peace"], (5, 11, 5))])
    folder.add("train", "mscoco/images/three.jpg", [one_answer([1, 1, 9], ["Peace"], (5, 5, 5))])
    folder.add("train", "framesdb/images/frame_0cs63q843g5bdvq5.jpg", [peace])
    folder.add("train", "../../up.jpg", [peace])
    folder.add("train", "mscoco/images/half.jpg", [peace, one_answer([2, 2, 9, 9], [], (5, 5, 5))])
    nobody = several_answers([1, 1, 9, 9], [[], []], [], [(8, 6, 7)], (8, 6, 7))
    folder.add("test", "emodb_small/images/12ctuwhai2qxczp2wf.jpg", [nobody])
    folder.add("test", "mscoco/images/half.jpg", [peace])
    folder.write()
    (folder.root / "emotic/mscoco/images/gone.jpg").unlink()
    (folder.root / "emotic/framesdb/images/frame_0cs63q843g5bdvq5.jpg").write_bytes(b"\xff\xd8\xff damaged")
    found = folder.outcomes()
    reasons = {name: outcome.partition(":")[0] for name, outcome in found.items() if isinstance(outcome, str)}
    assert reasons == {
        "mscoco/images/gone.jpg": "missing_image",
        "mscoco/images/small.jpg": "bad_annotation",
        "mscoco/images/outside.jpg": "bad_annotation",
        "mscoco/images/glee.jpg": "bad_annotation",
        "mscoco/images/eleven.jpg": "bad_annotation",
        "mscoco/images/three.jpg": "bad_annotation",
        "framesdb/images/frame_0cs63q843g5bdvq5.jpg": "undecodable_image",
        "../../up.jpg": "path_escapes_root",
        "emodb_small/images/12ctuwhai2qxczp2wf.jpg": "missing_annotation",
        "mscoco/images/half.jpg~2": "duplicate_id",  # in train and in test
    }
    assert "its boxes were drawn on 640 x 480" in found["mscoco/images/small.jpg"]
    assert "nothing of the box [500.0, 1.0, 600.0, 9.0] lies in" in found["mscoco/images/outside.jpg"]
    assert "Annotations.mat train(4).person(2): label space emotic26" in found["mscoco/images/glee.jpg"]
    assert "arousal is 11, not from 1 to 10" in found["mscoco/images/eleven.jpg"]
    one, other = found["mscoco/images/half.jpg"]["persons"]
    assert "labels" in one and "labels" not in other and other["vad"]["valence"]
    assert folder.outcomes(wrong_size="keep")["mscoco/images/small.jpg"]["persons"][0]["box"] == [1, 1, 9, 9]


def test_from_csv_files(tmp_path, put, round_trip):
    width, height = Image.open(io.BytesIO(put(tmp_path / "emotic/mscoco/images/a.jpg"))).size
    put(tmp_path / "emotic/framesdb/images/b.jpg", 5)
    name = f'mscoco/images,a.jpg,"[{height}, {width}]"'  # either order: public code disagrees
    write_csv(
        tmp_path / "emotic_pre",
        "train",
        [
            f'0,{name},"[-4, 2, 30, 40]","[\'Fear\', \'Anger\']","[1.0, nan, 10.0]",Male,Adult',
            f'1,{name},"[5, 2, 500, 40]","[\'Peace\']","[5.5, 5.5, 5.5]",Female,Kid ',
        ],
    )
    other = Image.open(tmp_path / "emotic/framesdb/images/b.jpg").size
    write_csv(
        tmp_path / "emotic_pre",
        "test",
        [f'0,framesdb/images,b.jpg,"{list(other)}","[1, 2, 3, 4]","[\'Pain\']","[2, 2, 2]",Male,Adult'],
    )
    records = round_trip(EmoticConfig(demographics=True), tmp_path)
    assert set(records) == {"emotic/mscoco/images/a.jpg", "emotic/framesdb/images/b.jpg"}
    assert records["emotic/mscoco/images/a.jpg"]["persons"] == [
        {
            "box": [0, 2, 30, 40],
            "labels": {"emotic26": {"classes": ["anger", "fear"]}},
            "vad": {"valence": -1, "dominance": 1},
            "attributes": {"age": "adult", "gender": "male"},
        },
        {
            "box": [5, 2, width, 40],
            "labels": {"emotic26": {"classes": ["peace"]}},
            "vad": {"valence": 0, "arousal": 0, "dominance": 0},
            "attributes": {"age": "kid", "gender": "female"},
        },
    ]
    assert records["emotic/framesdb/images/b.jpg"]["source"]["split"] == "test"


@pytest.mark.parametrize(
    ("box", "labels", "vad", "message"),
    [
        ("[1, 2, 3]", "['Fear']", "[5, 5, 5]", "a box has four sides"),
        ("[1, 2, 3, 4]", "Fear", "[5, 5, 5]", r"train\.csv line 3: expected a list, got Fear"),
        ("[1, 2, 3, 4]", "['Fear']", "[5, 5]", r"expected valence, arousal, dominance, got \[5, 5\]"),
        ("[1, 2, 3, 4]", "['Fear']", "__import__('os')", "expected a list, got __import__"),
        ("[1, 2, 3, 4]", "[]", "[5, 5, 5]", "nobody in mscoco/images/a.jpg has a category"),
        ("[1, 2, 3, 4]", "['Fear']", '[5, 5, 5]","', "10 cells, the first line has 9"),
    ],
)
def test_broken_csv_lines_fail_by_name(tmp_path, put, box, labels, vad, message):
    put(tmp_path / "emotic/mscoco/images/a.jpg")
    line = f'0,mscoco/images,a.jpg,"[9, 9]","{box}","{labels}","{vad}",Male,Adult'
    write_csv(tmp_path, "train", [line])
    reader = make_reader(EmoticConfig(wrong_size="keep"), tmp_path)
    (row,) = reader.rows()
    with pytest.raises(SampleError, match=message):
        reader.read(row)


def test_a_line_that_breaks_loses_no_person_without_a_word(tmp_path, put):
    size = list(Image.open(io.BytesIO(put(tmp_path / "mscoco/images/a.jpg"))).size)
    good = f'0,mscoco/images,a.jpg,"{size}","[1, 2, 3, 4]","[\'Fear\']","[5, 5, 5]",Male,Adult'
    write_csv(tmp_path, "train", [good, good.replace("'Fear'", "'Feer'")])
    reader = make_reader(EmoticConfig(), tmp_path)  # root is the folder emotic itself
    (row,) = reader.rows()
    with pytest.raises(
        SampleError, match=r"bad_annotation: train\.csv line 5: .*no 'Feer' \(did you mean fear"
    ):
        reader.read(row)


def test_whole_folders_can_be_wrong(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no Annotations\.mat or train\.csv.*no emotic folder.*sunai"):
        make_reader(EmoticConfig(), tmp_path)
    with pytest.raises(UserError, match=r"no mine\.mat, so"):
        make_reader(EmoticConfig(annotations="mine.mat"), tmp_path)
    write_csv(tmp_path, "train", [], header="Index,Folder,Filename")
    with pytest.raises(UserError, match="no column Image Size, BBox, Categorical_Labels, Continuous_Labels"):
        list(make_reader(EmoticConfig(), tmp_path).rows())
    (tmp_path / "Annotations.mat").write_bytes(b"damaged")
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UserError, match=r"MATLAB files need scipy: pip install 'vemo\[readers\]'"):
        list(make_reader(EmoticConfig(), tmp_path).rows())


def test_a_damaged_or_foreign_mat_file_is_one_clear_line(tmp_path):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy (extra readers) reads MATLAB files")
    (tmp_path / "Annotations.mat").write_bytes(b"damaged" * 100)
    with pytest.raises(UserError, match=r"Annotations\.mat: no MATLAB file that scipy reads"):
        list(make_reader(EmoticConfig(), tmp_path).rows())
    scipy_io.savemat(tmp_path / "Annotations.mat", {"Annotations": 1})
    with pytest.raises(UserError, match="no variable train, val or test; there are Annotations"):
        list(make_reader(EmoticConfig(), tmp_path).rows())
