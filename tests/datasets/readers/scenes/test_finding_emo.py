"""FindingEmo: one person's judgement of each image, by links that may be dead."""

import pytest
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.finding_emo import FindingEmoConfig
from vemo.datasets.taxonomy import label_map, label_space
from vemo.foundation.errors import UserError

HEADER = "index,user,image_path,tags,age,valence,arousal,emotion,dec_factors,ambiguity,datetime"


def write(root, lines, header=HEADER, name="annotations_single.ann"):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes("".join(f"{line}\r\n" for line in [header, *lines]).encode())


def line(path, valence="0", arousal="3", emotion="Joy", factors="Undefined", tags="Undefined", user="u1"):
    known = f'"{tags}","Youth,Young Adults",{valence},{arousal},{emotion},"{factors}",2'
    return f"0,{user},{path},{known},2023-09-01 00:00:00.000000"


def outcomes(root, **keys):
    return outcomes_of(make_reader(FindingEmoConfig(**keys), root))


def test_samples(tmp_path, put, round_trip):
    write(
        tmp_path,
        [
            line("/Run_1/Happy adults café/a b.jpg", -3, 6, "Terror", "BodyLanguage,Context", "Text,NA"),
            line("/Run_2/Sad kids/c.png", 1.5, 0, "Interest", user=""),
            line("/Run_2/Sad kids/d.jpg", "", "", "Pensiveness"),
        ],
        header="\ufeff" + HEADER,
    )
    put(tmp_path / "images/Run_1/Happy adults cafe\u0301/a b.jpg")  # as macOS spells it
    put(tmp_path / "images/Run_2/Sad kids/c.png", 1)
    put(tmp_path / "Run_2/Sad kids/d.jpg", 2)  # downloaded beside the table
    records = round_trip(FindingEmoConfig(), tmp_path)
    first = records["finding-emo/Run_1/Happy adults café/a b.jpg"]
    judged = {
        "labels": {"plutchik": {"class": "terror"}},
        "vad": {"valence": -1, "arousal": 1},  # -3 … 3 and 0 … 6
    }
    assert {key: first[key] for key in judged} == judged
    assert first["annotations"] == [{"annotator": "u1", **judged}]
    assert first["attributes"] == {
        "ambiguity": 2,
        "deciding_factors": ["BodyLanguage", "Context"],
        "tags": ["Text"],
    }  # and no age
    second = records["finding-emo/Run_2/Sad kids/c.png"]
    assert second["vad"] == {"valence": 0.5, "arousal": -1}
    assert "annotations" not in second and second["attributes"] == {"ambiguity": 2}
    third = records["finding-emo/Run_2/Sad kids/d.jpg"]
    assert third["labels"] == {"plutchik": {"class": "pensiveness"}} and "vad" not in third
    assert third["source"]["path"] == "Run_2/Sad kids/d.jpg"


def test_what_is_broken_fails_by_name(tmp_path, put):
    names = ("word", "four", "seven", "nobody", "twice")
    for name in names:
        put(tmp_path / f"images/Run_1/{name}.jpg")
    write(
        tmp_path,
        [
            line("Run_1/word.jpg", emotion="Glee"),
            line("Run_1/four.jpg", valence=4),
            line("Run_1/seven.jpg", arousal=7),
            line("Run_1/nobody.jpg", "", "", ""),
            line("Run_1/dead.jpg"),
            line("Run_1/twice.jpg"),
            line("Run_1/twice.jpg", user="u2"),
            line("../../up.jpg"),
            line(""),
            "0,u1,Run_1/short.jpg",
        ],
    )
    found = outcomes(tmp_path)
    assert found.pop("Run_1/twice.jpg")["labels"] == {"plutchik": {"class": "joy"}}
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "Run_1/word.jpg": "bad_annotation",
        "Run_1/four.jpg": "bad_annotation",
        "Run_1/seven.jpg": "bad_annotation",
        "Run_1/nobody.jpg": "missing_annotation",
        "Run_1/dead.jpg": "missing_image",
        "Run_1/twice.jpg~2": "duplicate_id",
        "../../up.jpg": "path_escapes_root",
        "line10": "bad_row",
        "line11": "bad_row",
    }
    assert "line 2: label space plutchik has no 'Glee'" in found["Run_1/word.jpg"]
    assert "valence is 4, outside the scale -3 to 3" in found["Run_1/four.jpg"]
    assert "arousal is 7, outside the scale 0 to 6" in found["Run_1/seven.jpg"]


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no annotations_single\.ann or data/annotations_single\.ann, so"):
        make_reader(FindingEmoConfig(), tmp_path)
    write(tmp_path, [], header="index,image_path,valence", name="data/annotations_single.ann")
    with pytest.raises(UserError, match="no column arousal, emotion; there are index, image_path, valence"):
        list(make_reader(FindingEmoConfig(), tmp_path).rows())


def test_the_wheel_folds_to_its_eight():
    wheel, eight = label_space("plutchik"), label_space("plutchik8")
    assert len(wheel) == 24 and [wheel.names[place] for place in range(1, 24, 3)] == list(eight.names)
    table = label_map("plutchik", "plutchik8")
    for place, name in enumerate(wheel.names):
        assert table.row(name).to == eight.names[place // 3]
    assert table.row("boredom").kind == "lossy" and table.row("rage").kind == "exact"
    assert label_map("plutchik", "ekman6").row("boredom").kind == "dropped"  # no disgust outside the wheel
