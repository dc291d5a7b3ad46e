"""CK+48 and SFEW: class folders whose file names say which subject or film they are from."""

import pytest
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.faces.face_folders import FaceFoldersConfig
from vemo.foundation.errors import UserError

CK_48 = ["anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"]
SFEW = ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
FER = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


def classes(records, space):
    return [record["labels"][space]["class"] for _, record in sorted(records.items())]


@pytest.mark.parametrize("above", ["CK+48", ""])
def test_ckplus48_keeps_subjects_together(tmp_path, put, round_trip, above):
    root = tmp_path / "set"
    for place, name in enumerate(CK_48):
        put(root / above / name / f"S{10 + place % 2:03d}_00{place}_00000017.png", place)
    records = round_trip(FaceFoldersConfig(kind="ckplus48"), root)
    expected = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
    assert classes(records, "fer8") == expected
    groups = {name: record["source"]["group"] for name, record in records.items()}
    assert groups["ckplus48/anger/S010_000_00000017.png"] == groups["ckplus48/disgust/S010_002_00000017.png"]
    assert set(groups.values()) == {"S010", "S011"}
    assert not any("split" in record["source"] for record in records.values())


LAYOUTS = [
    ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new/Val_Aligned_Faces"),
    ("Train_Aligned_Faces", "Val_Aligned_Faces"),
    ("Train", "Val"),
]


@pytest.mark.parametrize(("train", "val"), LAYOUTS)
def test_sfew_with_its_split_and_films(tmp_path, put, round_trip, train, val):
    root = tmp_path / "set"
    for place, name in enumerate(SFEW):
        put(root / train / name / f"Airheads_00051924{place}_00000005.png", place)
        put(root / val / name / f"21_Grams_00051924{place}_00000005.png", place + 7)
    put(root / "Test" / "Test_Aligned_Faces" / "00001.png", 20)
    records = round_trip(FaceFoldersConfig(kind="sfew"), root)
    by_split = {
        split: {name: r for name, r in records.items() if r["source"]["split"] == split}
        for split in ("train", "val")
    }
    assert len(records) == 14 and all(classes(found, "fer7") == FER for found in by_split.values())
    assert {r["source"]["group"] for r in by_split["train"].values()} == {"Airheads"}
    assert {r["source"]["group"] for r in by_split["val"].values()} == {"21_Grams"}


def test_a_file_whose_name_tells_no_group_fails(tmp_path, put):
    put(tmp_path / "anger" / "S010_004_00000017.png")
    put(tmp_path / "anger" / "image (2).png", 1)
    reader = make_reader(FaceFoldersConfig(kind="ckplus48"), tmp_path)
    outcomes = {}
    for row in reader.rows():
        try:
            outcomes[row.id] = reader.read(row)[0].source.group
        except SampleError as error:
            outcomes[row.id] = str(error)
    assert outcomes["anger/S010_004_00000017.png"] == "S010"
    detail = "anger/image (2).png: expected a name such as S010_004_00000017.png, which tells the group"
    assert outcomes["anger/image (2).png"] == f"bad_annotation: {detail}"


def test_groups_of_a_side_file_come_first(tmp_path, put):
    put(tmp_path / "anger" / "S010_004_00000017.png")
    put(tmp_path / "anger" / "image.png", 1)
    (tmp_path / "groups.csv").write_text("path,group\nanger/image.png,S010\n")
    reader = make_reader(FaceFoldersConfig(kind="ckplus48", groups="groups.csv"), tmp_path)
    assert {row.group for row in reader.rows()} == {"S010"}
    assert not any("failure" in row.facts for row in reader.rows())


def test_other_folders_are_told_apart(tmp_path, put):
    put(tmp_path / "awe" / "1.png")
    with pytest.raises(UserError, match=r"folders awe, none of them a class of fer8.*no ckplus48 folder"):
        make_reader(FaceFoldersConfig(kind="ckplus48"), tmp_path)
    with pytest.raises(UserError, match=r"no sfew folder.*AFEW"):
        make_reader(FaceFoldersConfig(kind="sfew"), tmp_path)
