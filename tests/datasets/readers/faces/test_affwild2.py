"""Aff-Wild2 and C-EXPR-DB: a line a frame, marks for none, one group a video, a split for each challenge."""

import pytest
from reader_outcomes import outcomes
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.faces.affwild2 import AffWild2Config, CExprDbConfig, video_group
from vemo.datasets.taxonomy import label_map
from vemo.foundation.errors import UserError

CLASSES = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
NUMBERED = ["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other"]
COMPOUND = (
    "Fearfully_Surprised,Happily_Surprised,Sadly_Surprised,Disgustedly_Surprised,Angrily_Surprised,"
    "Sadly_Fearful,Sadly_Angry"
)
COMPOUND_NUMBERED = [
    "fearfully surprised",
    "happily surprised",
    "sadly surprised",
    "disgustedly surprised",
    "angrily surprised",
    "sadly fearful",
    "sadly angry",
]
AUS = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"


def write(path, lines, newline="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + newline for line in lines).encode())


@pytest.fixture
def frames(put):
    """frames(root, video, count): as many frames of a video, none like another."""
    drawn = iter(range(1000))

    def draw(root, video, count, folder="cropped_aligned"):
        for frame in range(1, count + 1):
            put(root / folder / video / f"{frame:05d}.jpg", next(drawn))

    return draw


def classes(found, space="abaw8"):
    return {name: record["labels"][space]["class"] for name, record in found.items()}


def test_expressions(tmp_path, frames, round_trip):
    root = tmp_path / "set"
    top = root / "6th ABAW Annotations" / "EXPR_Recognition_Challenge"
    write(top / "Train_Set" / "video1.txt", [CLASSES, "-1", *map(str, range(8))], "\r\n")
    write(top / "Validation_Set" / "10-60-1280x720_right.txt", [CLASSES, "4", "-1", "0", "", ""])
    write(top / "Train_Set" / "12-24-1920x1080_left.txt", [CLASSES, "6"])
    (top / "Train_Set" / ".DS_Store").write_bytes(b"x")
    (top / "Train_Set" / "._video1.txt").write_bytes(b"x")
    frames(root, "video1", 9)
    frames(root, "10-60-1280x720_right", 5)  # two frames more than lines
    frames(root, "12-24-1920x1080_left", 1, "cropped_aligned_new_50_vids")
    records = round_trip(AffWild2Config(), root)
    expected = {f"affwild2/video1/{place + 2:05d}": name for place, name in enumerate(NUMBERED)}
    assert classes(records) == expected | {
        "affwild2/10-60-1280x720_right/00001": "happiness",
        "affwild2/10-60-1280x720_right/00003": "neutral",
        "affwild2/12-24-1920x1080_left/00001": "surprise",
    }
    sources = {name.split("/")[1]: record["source"] for name, record in records.items()}
    assert {video: (s["split"], s["group"]) for video, s in sources.items()} == {
        "video1": ("train", "video1"),
        "10-60-1280x720_right": ("val", "10-60-1280x720"),
        "12-24-1920x1080_left": ("train", "12-24-1920x1080"),
    }
    path = "cropped_aligned_new_50_vids/12-24-1920x1080_left/00001.jpg"
    assert sources["12-24-1920x1080_left"]["path"] == path


def test_early_editions_lack_other_and_the_header_rules(tmp_path, frames):
    top = tmp_path / "EXPR_Classification_Challenge" / "Training_Set"
    write(top / "a.txt", ["Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise", "6", "7"])
    write(top / "b.txt", ["Surprise, Neutral", "0", "1"])
    for video in "ab":
        frames(tmp_path, video, 2)
    found = outcomes(AffWild2Config(), tmp_path)
    assert found.pop("a/00002").startswith(
        "bad_row: Training_Set/a.txt line 3: the class is '7', not -1 or from"
    )
    assert classes(found) == {"a/00001": "surprise", "b/00001": "surprise", "b/00002": "neutral"}


def test_valence_and_arousal(tmp_path, frames, round_trip):
    root = tmp_path / "set"
    lines = ["valence,arousal", "-0.5,0.25", "-5,-5", "-5,0.1", "1,-1", "0.0,0.000"]
    write(root / "VA_Estimation_Challenge" / "Validation_Set" / "video1.txt", lines)
    frames(root, "video1", 5)
    records = round_trip(AffWild2Config(task="valence_arousal"), root)
    assert {name: record["vad"] for name, record in records.items()} == {
        "affwild2/video1/00001": {"valence": -0.5, "arousal": 0.25},
        "affwild2/video1/00004": {"valence": 1, "arousal": -1},
        "affwild2/video1/00005": {"valence": 0, "arousal": 0},
    }
    assert not any("labels" in record for record in records.values())


def test_multi_task_files_know_both_or_one(tmp_path, frames, round_trip):
    root = tmp_path / "set"
    header = f"image,valence,arousal,expression,{AUS}"
    none = ",-1" * 12
    write(
        root / "MTL_Challenge" / "training_set_annotations.txt",
        [
            header,
            f"video1/00001.jpg,0.5,-0.5,6{none}",
            f"video1/00002.jpg,-5,-5,7{none}",
            f"video1/00003.jpg,0.1,0.2,-1{none}",
            f"video1/00004.jpg,-5,-5,-1,1{',0' * 11}",  # action units alone
        ],
    )
    write(
        root / "MTL_Challenge" / "validation_set_annotations.txt", [header, f"v_left/00030.jpg,0,0,1{none}"]
    )
    frames(root, "video1", 4)
    frames(root, "v_left", 30)
    records = round_trip(AffWild2Config(task="multi_task"), root)
    known = {n: (r["source"]["split"], r.get("labels"), r.get("vad")) for n, r in records.items()}
    assert known == {
        "affwild2/video1/00001": (
            "train",
            {"abaw8": {"class": "surprise"}},
            {"valence": 0.5, "arousal": -0.5},
        ),
        "affwild2/video1/00002": ("train", {"abaw8": {"class": "other"}}, None),
        "affwild2/video1/00003": ("train", None, {"valence": 0.1, "arousal": 0.2}),
        "affwild2/v_left/00030": ("val", {"abaw8": {"class": "anger"}}, {"valence": 0, "arousal": 0}),
    }
    (root / "MTL_Challenge" / "training_set_annotations.txt").rename(root / "training_set_annotations_22.txt")
    (root / "MTL_Challenge" / "validation_set_annotations.txt").unlink()
    (root / "MTL_Challenge").rmdir()
    assert len(outcomes(AffWild2Config(task="multi_task"), root)) == 3


def test_broken_lines_and_frames_that_are_not_there_fail_by_name(tmp_path, frames):
    top = tmp_path / "EXPR_Recognition_Challenge" / "Train_Set"
    write(top / "a.txt", [CLASSES, "0", "8", "0,1", "happy", "1.5", "nan", "-2", "3"])
    write(top / "gone.txt", [CLASSES, "1"])
    frames(tmp_path, "a", 7)
    found = outcomes(AffWild2Config(), tmp_path)
    assert isinstance(found.pop("a/00001"), dict)
    assert {name: said.partition(":")[0] for name, said in found.items()} == {
        **dict.fromkeys((f"a/{frame:05d}" for frame in range(2, 8)), "bad_row"),
        "a/00008": "missing_image",
        "gone/00001": "missing_image",
    }
    assert "Train_Set/a.txt line 3: the class is '8', not -1 or from 0 to 7" in found["a/00002"]
    assert "the class is '0,1'" in found["a/00003"]
    lines = [
        "image,valence,arousal,expression",
        "a/00001.jpg,2,0,1",
        "a/00002.jpg,0,0",
        "a/x.jpg,0,0,1",
        "00003.jpg,0,0,1",
        "../../a/00004.jpg,0,0,1",
    ]
    write(tmp_path / "training_set_annotations.txt", lines)
    found = outcomes(AffWild2Config(task="multi_task"), tmp_path)
    assert [said.partition(":")[0] for said in found.values()] == [*["bad_row"] * 4, "path_escapes_root"]
    assert "valence is 2, neither from -1 to 1 nor -5" in found["a/00001"]
    assert "3 cells, too few" in found["a/00002"]
    where = "training_set_annotations.txt line 4"
    assert found[where] == f"bad_row: {where}: expected <video>/00001.jpg first, got 'a/x.jpg'"


def test_every_thirtieth_frame(tmp_path, frames):
    top = tmp_path / "EXPR_Recognition_Challenge" / "Train_Set"
    write(top / "a.txt", [CLASSES, *["1"] * 61])
    write(top / "b.txt", [CLASSES, "-1", *["1"] * 31])
    frames(tmp_path, "a", 61)
    frames(tmp_path, "b", 31)
    found = outcomes(AffWild2Config(every=30), tmp_path)
    assert list(found) == ["a/00001", "a/00031", "a/00061", "b/00031"]
    assert all(isinstance(record, dict) for record in found.values())


def test_each_challenge_has_its_own_split(tmp_path, frames):
    write(tmp_path / "EXPR_Recognition_Challenge" / "Train_Set" / "a.txt", [CLASSES, "1"])
    write(tmp_path / "VA_Estimation_Challenge" / "Validation_Set" / "a.txt", ["valence,arousal", "0,0"])
    frames(tmp_path, "a", 1)
    (expression,) = make_reader(AffWild2Config(), tmp_path).rows()
    (value,) = make_reader(AffWild2Config(task="valence_arousal"), tmp_path).rows()
    assert (expression.id, expression.split, value.id, value.split) == ("a/00001", "train", "a/00001", "val")


def test_people_of_one_recording_are_one_group():
    assert video_group("6-30-1920x1080_left") == video_group("6-30-1920x1080_right") == "6-30-1920x1080"
    assert video_group("video59_right_2") == "video59_right_2"
    assert video_group("video5") == "video5"


def test_affwild2_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no cropped_aligned or .*no affwild2 folder.*Ask for Aff-Wild2"):
        make_reader(AffWild2Config(), tmp_path)
    (tmp_path / "cropped_aligned").mkdir()
    with pytest.raises(UserError, match=r"no EXPR_Recognition_Challenge; name its folder in reader\.annot"):
        make_reader(AffWild2Config(), tmp_path)
    for edition in ("3rd", "6th"):
        write(tmp_path / edition / "EXPR_Recognition_Challenge" / "Train_Set" / "a.txt", ["valence,arousal"])
    with pytest.raises(
        UserError, match=r"3rd/EXPR_\w+, 6th/EXPR_\w+; name one folder in reader\.annotations"
    ):
        make_reader(AffWild2Config(), tmp_path)
    reader = make_reader(AffWild2Config(annotations="3rd/EXPR_Recognition_Challenge"), tmp_path)
    with pytest.raises(UserError, match=r"Train_Set/a\.txt: label space abaw8 has no 'valence'"):
        list(reader.rows())
    with pytest.raises(UserError, match=r"4th; name one folder in reader\.annotations"):
        make_reader(AffWild2Config(annotations="4th"), tmp_path)
    for task, problem in (("valence_arousal", "valence, arousal"), ("multi_task", "valence, arousal, expr")):
        write(tmp_path / "wrong" / "a.txt", [CLASSES, "1"])
        write(tmp_path / "wrong" / "training_set_annotations.txt", [CLASSES, "1"])
        reader = make_reader(AffWild2Config(task=task, annotations="wrong"), tmp_path)
        with pytest.raises(UserError, match=rf"wrong/\w+\.txt: no column {problem}"):
            list(reader.rows())


def test_c_expr_db_as_the_challenge_gives_it_out(tmp_path, frames, round_trip):
    root = tmp_path / "set"
    frames(root, "1", 4)
    frames(root, "2_left", 1)
    records = round_trip(CExprDbConfig(), root)
    names = ["1/00001", "1/00002", "1/00003", "1/00004", "2_left/00001"]
    assert set(records) == {f"c-expr-db/{name}" for name in names}
    assert {r["source"]["split"] for r in records.values()} == {"test"}
    assert {r["source"]["group"] for r in records.values()} == {"1", "2"}
    assert not any("labels" in record for record in records.values())
    assert list(outcomes(CExprDbConfig(every=3), root)) == ["1/00001", "1/00004", "2_left/00001"]


def test_c_expr_db_with_a_file_like_the_predictions(tmp_path, frames, round_trip):
    root = tmp_path / "set"
    frames(root, "1", 8)
    lines = [f"1/{place + 1:05d}.jpg,{place}" for place in range(7)]
    write(root / "labels.txt", [f"image_location,{COMPOUND}", *lines, "1/00008.jpg,-1"])
    records = round_trip(CExprDbConfig(annotations="labels.txt"), root)
    assert classes(records, "compound7") == {
        f"c-expr-db/1/{place + 1:05d}": name for place, name in enumerate(COMPOUND_NUMBERED)
    }
    assert not any("split" in record["source"] for record in records.values())


def test_c_expr_db_with_a_folder_like_aff_wild2s(tmp_path, frames):
    frames(tmp_path, "1", 2)
    frames(tmp_path, "2", 1)
    header = COMPOUND.replace("_", " ")
    write(tmp_path / "labels" / "Train_Set" / "1.txt", [header, "6", "-1"])
    write(tmp_path / "labels" / "Validation_Set" / "2.txt", [header, "1"])
    found = outcomes(CExprDbConfig(annotations="labels"), tmp_path)
    assert classes(found, "compound7") == {"1/00001": "sadly angry", "2/00001": "happily surprised"}
    assert [record["source"]["split"] for record in found.values()] == ["train", "val"]
    (tmp_path / "labels" / "Train_Set" / "1.txt").rename(tmp_path / "labels" / "1.txt")
    (tmp_path / "labels" / "Validation_Set" / "2.txt").unlink()
    for name in ("Train_Set", "Validation_Set"):
        (tmp_path / "labels" / name).rmdir()
    (row,) = make_reader(CExprDbConfig(annotations="labels"), tmp_path).rows()
    assert (row.id, row.split) == ("1/00001", None)


def test_c_expr_db_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no c-expr-db folder.*Ask for C-EXPR-DB"):
        make_reader(CExprDbConfig(), tmp_path)
    (tmp_path / "cropped_aligned").mkdir()
    with pytest.raises(UserError, match=r"labels\.txt: no such file or folder \(reader\.annotations\)"):
        make_reader(CExprDbConfig(annotations="labels.txt"), tmp_path)
    write(tmp_path / "labels.txt", [COMPOUND, "1/00001.jpg,0"])
    with pytest.raises(UserError, match=r"labels\.txt: the first line must begin with image_location"):
        list(make_reader(CExprDbConfig(annotations="labels.txt"), tmp_path).rows())


def test_compounds_map_to_each_other_and_to_polarity():
    seven, eleven = label_map("compound7", "compound11"), label_map("compound11", "compound7")
    for name in COMPOUND_NUMBERED:
        assert eleven.apply(seven.apply({"class": name})) == {"class": name}
    assert eleven.apply({"class": "happily disgusted"}) is None
    polarity = label_map("compound11", "polarity2")
    assert polarity.apply({"class": "happily surprised"}) == {"class": "positive"}
    assert polarity.apply({"class": "sadly surprised"}) == {"class": "negative"}
    assert polarity.row("happily disgusted").alternatives == ("negative",)
    assert label_map("abaw8", "fer8").apply({"class": "other"}) is None
