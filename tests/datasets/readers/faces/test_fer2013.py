"""FER2013: three CSV forms that say the same, the folder form, and PNG files that are the same everywhere."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from reader_outcomes import outcomes_of
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.faces.fer2013 import Fer2013Config, grey_png
from vemo.foundation.errors import UserError

# The number in the column emotion, and fer7's word for it.
NUMBERED = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
USAGES = ["Training", "PublicTest", "PrivateTest"]
SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


def face(number):
    """[48, 48] uint8, another for every number."""
    return np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)


def numbers(number):
    return " ".join(map(str, face(number).ravel()))


def fer2013(root, faces):
    lines = [f"{emotion},{numbers(image)},{usage}" for emotion, image, usage in faces]
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))


def outcomes(root, **settings):
    return outcomes_of(make_reader(Fer2013Config(**settings), root))


def pixels_of(root):
    reader = make_reader(Fer2013Config(), root)
    return [np.asarray(Image.open(io.BytesIO(reader.read(row)[1]))) for row in reader.rows()]


def labels_of(found):
    return {name: (r["source"].get("split"), r["labels"]["fer7"]["class"]) for name, r in found.items()}


FACES = [(place, place, USAGES[place % 3]) for place in range(7)]
EXPECTED = {f"{place:05d}": (SPLITS[USAGES[place % 3]], NUMBERED[place]) for place in range(7)}


def test_fer2013_csv(tmp_path, round_trip):
    root = tmp_path / "set"
    root.mkdir()
    fer2013(root, FACES)
    records = round_trip(Fer2013Config(), root)
    assert labels_of(records) == {f"fer2013/{name}": known for name, known in EXPECTED.items()}
    assert records["fer2013/00003"]["source"]["path"] == "fer2013.csv#3"
    assert (records["fer2013/00003"]["width"], records["fer2013/00003"]["height"]) == (48, 48)
    for place, pixels in enumerate(pixels_of(root)):
        assert np.array_equal(pixels, face(place))


def test_icml_face_data_csv_has_blanks_in_its_names_and_another_order(tmp_path):
    lines = [f"{emotion}, {usage}, {numbers(image)}" for emotion, image, usage in FACES]
    text = "\r\n".join(["emotion, Usage, pixels", *lines, "", ""])
    (tmp_path / "icml_face_data.csv").write_bytes(("\ufeff" + text).encode())
    found = outcomes(tmp_path)
    assert labels_of(found) == EXPECTED
    assert all(np.array_equal(pixels, face(place)) for place, pixels in enumerate(pixels_of(tmp_path)))
    (tmp_path / "fer2013").mkdir()
    fer2013(tmp_path / "fer2013", FACES)  # the other form, one folder down, gives the same images
    assert {name: r["source"]["sha256"] for name, r in outcomes(tmp_path).items()} == {
        name: r["source"]["sha256"] for name, r in found.items()
    }
    assert outcomes(tmp_path)["00000"]["source"]["path"] == "fer2013/fer2013.csv#0"


def test_the_competitions_two_files_of_which_one_has_no_labels(tmp_path):
    (tmp_path / "train.csv").write_text(f'emotion,pixels\n3,"{numbers(1)}"\n6,"{numbers(2)}"\n')
    (tmp_path / "test.csv").write_text(f"pixels\n{numbers(3)}\n")
    found = outcomes(tmp_path)
    assert labels_of({name: found[name] for name in ("train/00000", "train/00001")}) == {
        "train/00000": ("train", "happiness"),
        "train/00001": ("train", "neutral"),
    }
    assert found["test/00000"]["source"]["split"] == "test"
    assert "labels" not in found["test/00000"]
    assert make_reader(Fer2013Config(), tmp_path).expected == {}


def test_folders_go_by_name_and_file_names_tell_the_test_sets_apart(tmp_path, put, round_trip):
    root = tmp_path / "set"
    folders = [
        "angry",
        "disgust",
        "fear",
        "happy",
        "neutral",
        "sad",
        "surprise",
    ]  # neutral is 4 here, 6 there
    for place, name in enumerate(folders):
        put(root / "train" / name / f"Training_{place}.jpg", place)
    put(root / "test" / "sad" / "PublicTest_1.jpg", 7)
    put(root / "test" / "sad" / "PrivateTest_2.JPG", 8)
    put(root / "test" / "sad" / "im0.png", 9)
    put(root / "notes" / "sad" / "im1.png", 10)
    found = labels_of(round_trip(Fer2013Config(), root))
    assert [found[f"fer2013/train/{n}/Training_{p}.jpg"][1] for p, n in enumerate(folders)] == [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
    ]
    assert {name: split for name, (split, _) in found.items() if "/test/" in name} == {
        "fer2013/test/sad/PublicTest_1.jpg": "val",
        "fer2013/test/sad/PrivateTest_2.JPG": "test",
        "fer2013/test/sad/im0.png": "test",
    }
    assert len(found) == 10


def test_a_folder_that_is_no_expression_and_an_image_in_none_fail(tmp_path, put):
    put(tmp_path / "train" / "furious" / "1.jpg")
    put(tmp_path / "train" / "2.jpg")
    found = outcomes(tmp_path)
    assert found["train/furious/1.jpg"].startswith("bad_annotation: train/furious/1.jpg: label space fer7")
    assert found["train/2.jpg"].startswith("bad_annotation: train/2.jpg")


def test_identical_images_share_a_group_and_can_be_split_by_it(tmp_path, put):
    fer2013(tmp_path, [(0, 1, "Training"), (0, 2, "Training"), (4, 1, "PrivateTest")])
    first, other, copy = make_reader(Fer2013Config(), tmp_path).rows()
    assert first.group == copy.group != other.group
    assert (first.split, copy.split) == ("train", "test")
    reader = make_reader(Fer2013Config(splits="by_group"), tmp_path)
    assert [row.split for row in reader.rows()] == [None] * 3
    assert reader.expected == {}
    assert make_reader(Fer2013Config(), tmp_path).expected == {"train": 28_709, "val": 3_589, "test": 3_589}
    (tmp_path / "fer2013.csv").unlink()
    for place, name in enumerate(("train/sad/1.jpg", "test/sad/2.jpg", "test/sad/3.jpg")):
        put(tmp_path / name, place // 2)
    copy, other, first = make_reader(Fer2013Config(), tmp_path).rows()
    assert first.group == copy.group != other.group


def test_png_files_are_the_same_bytes_everywhere():
    pixels = bytes(range(6))
    png = grey_png(pixels, 3)
    assert np.asarray(Image.open(io.BytesIO(png))).tolist() == [[0, 1, 2], [3, 4, 5]]
    # Pinned: whoever changes these bytes changes every shard set that was ever built from a CSV file.
    assert (
        hashlib.sha256(png).hexdigest() == "d1afdb4668aa1ff7e00680a0ef675e19d2ac93d8e70e8bc6d1cde3b46574810f"
    )
    assert Image.open(io.BytesIO(grey_png(bytes(48 * 48), 48))).mode == "L"


def test_broken_lines_fail_by_name_and_keep_their_place(tmp_path):
    good = numbers(1)
    lines = [
        f"0,{good},Training",
        f"7,{good},Training",
        f"happy,{good},Training",
        f"-1,{good},Training",
        f"0,{good},Holiday",
        f"0,{good}",
        f"0,{good.rpartition(' ')[0]},Training",
        f"0,{good} 0,Training",
        f"0,256{good[good.index(' ') :]},Training",
        f"0,-1{good[good.index(' ') :]},Training",
        f"0,x{good[good.index(' ') :]},Training",
        "0,,Training",
        ",,",
        "",
        f"6,{good},PrivateTest",
        f"0,{'1 ' * 140_000},Training",
    ]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]))
    found = outcomes(tmp_path)
    reasons = {name: said if isinstance(said, str) else "" for name, said in found.items()}
    assert [name for name, said in reasons.items() if not said] == ["00000", "00013"]
    assert all(said.startswith("bad_row: fer2013.csv line ") for said in reasons.values() if said)
    assert "line 3: emotion is '7', not a number from 0 to 6" in reasons["00001"]
    assert "line 4: emotion is 'happy'" in reasons["00002"]
    assert "emotion is '-1'" in reasons["00003"]
    assert "Usage is 'Holiday', not one of Training, PublicTest, PrivateTest" in reasons["00004"]
    assert "Usage is None" in reasons["00005"]
    assert "2303 pixels, not 2304" in reasons["00006"]
    assert "2305 pixels, not 2304" in reasons["00007"]
    for place in ("00008", "00009", "00010"):
        assert "pixels are no numbers from 0 to 255" in reasons[place]
    assert "0 pixels, not 2304" in reasons["00011"]
    assert "line 14" in reasons["00012"]
    assert "line 17" in reasons["00014"]


def test_a_file_that_changed_since_it_was_listed_is_noticed(tmp_path):
    fer2013(tmp_path, [(0, 1, "Training"), (1, 2, "Training")])
    reader = make_reader(Fer2013Config(), tmp_path)
    rows = list(reader.rows())
    fer2013(tmp_path, [(0, 3, "Training"), (1, 2, "Training")])
    with pytest.raises(SampleError, match=r"unreadable: fer2013\.csv#0: the file has changed"):
        reader.read(rows[0])


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no fer2013\.csv or .*so this is no fer2013 folder.*Kaggle"):
        make_reader(Fer2013Config(), tmp_path)
    for text in ("", "emotion,pixels\n", "0,1 2 3,Training\n"):
        (tmp_path / "fer2013.csv").write_text(text)
        with pytest.raises(UserError, match=r"must name the columns emotion, pixels, Usage, got.*Kaggle"):
            list(make_reader(Fer2013Config(), tmp_path).rows())
