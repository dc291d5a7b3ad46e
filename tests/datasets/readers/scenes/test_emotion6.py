"""Emotion6 of Peng et al. 2015: a distribution by column names, valence and arousal, the search word."""

import pytest
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.emotion6 import COLUMNS, Emotion6Config
from vemo.datasets.taxonomy import label_map
from vemo.foundation.errors import UserError

HEADER = "\t".join(
    ["[image_filename]", "[valence]", "[arousal]"]
    + [f"[prob. {e}]" for e in ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")]
)
GOOD = "disgust/1.jpg\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0"


def write(root, lines, header=HEADER, end="\n"):
    (root / "ground_truth.txt").write_bytes("".join(line + end for line in [header, *lines]).encode())


def outcomes(root):
    reader, found = make_reader(Emotion6Config(), root), {}
    for row in reader.rows():
        try:
            found[row.id] = reader.read(row)[0]
        except SampleError as error:
            found[row.id] = str(error)
    return found


def test_distribution_valence_arousal_and_class(tmp_path, put, round_trip):
    write(
        tmp_path, [GOOD, "joy/10.jpg\t9\t1\t0\t0\t0\t.5\t0\t0\t.5", "fear/2.jpg\t5\t9\t0\t0\t1\t0\t0\t0\t0"]
    )
    for number, name in enumerate(["disgust/1.jpg", "joy/10.jpg", "fear/2.jpg"]):
        put(tmp_path / "images" / name, number)
    records = round_trip(Emotion6Config(), tmp_path)
    assert set(records) == {"emotion6/disgust/1.jpg", "emotion6/joy/10.jpg", "emotion6/fear/2.jpg"}
    first = records["emotion6/disgust/1.jpg"]
    # anger, disgust, fear, joy, sadness, surprise, neutral
    assert first["labels"] == {
        "ekman7": {"distribution": [0.133333, 0.7, 0, 0.0666667, 0.1, 0, 0]},
        "ekman6": {"class": "disgust"},
    }
    assert first["vad"] == pytest.approx({"valence": -0.625, "arousal": -0.3})
    assert records["emotion6/joy/10.jpg"]["vad"] == {"valence": 1, "arousal": -1}
    assert records["emotion6/fear/2.jpg"]["vad"] == {"valence": 0, "arousal": 1}
    six = label_map("ekman7", "ekman6").apply(records["emotion6/joy/10.jpg"]["labels"]["ekman7"])
    assert six == {"distribution": [0, 0, 0, 1, 0, 0]}  # half said neutral


def test_columns_are_found_by_name(tmp_path, put):
    turned = [HEADER.split("\t")[place] for place in (9, 3, 4, 5, 6, 7, 8, 2, 1, 0)]
    write(tmp_path, ["0.75\t0.25\t0\t0\t0\t0\t0\t9\t1\tanger/1.jpg"], header="\t".join(turned))
    put(tmp_path / "images" / "anger" / "1.jpg")
    sample = outcomes(tmp_path)["anger/1.jpg"]
    assert sample.labels["ekman7"].distribution == [0.25, 0, 0, 0, 0, 0, 0.75]
    assert (sample.vad.valence, sample.vad.arousal) == (-1, 1)
    assert COLUMNS[3:] == ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


def test_byte_order_mark_line_ends_and_blanks(tmp_path, put):
    write(tmp_path, [GOOD + "  \t", "", " \t "], header="\ufeff" + HEADER, end="\r\n")
    put(tmp_path / "images" / "disgust" / "1.jpg")
    assert list(outcomes(tmp_path)) == ["disgust/1.jpg"]
    assert outcomes(tmp_path)["disgust/1.jpg"].labels["ekman6"].class_ == "disgust"


def test_bad_rows_fail_by_name_and_nothing_is_lost(tmp_path, put):
    numbers = "\t5\t5\t0\t0\t0\t1\t0\t0\t0"
    write(
        tmp_path,
        [
            GOOD,
            GOOD,
            "joy/1.jpg" + numbers,
            "glee/1.jpg" + numbers,
            "joy/2.jpg\t5\t5\t0\t0",
            "joy/3.jpg\tnan\t5\t0\t0\t0\t1\t0\t0\t0",
            "joy/4.jpg\t9.5\t5\t0\t0\t0\t1\t0\t0\t0",
            "joy/5.jpg\t5\t5\t0\t0\t0\tnan\t0\t0\t0",
            "joy/6.jpg\t5\t5\t0\t0\t0\t.5\t0\t0\t0",
            "joy/../../../7.jpg" + numbers,
            "joy/8.jpg\tfive\t5\t0\t0\t0\t1\t0\t0\t0",
            numbers,
        ],
    )
    put(tmp_path / "images" / "disgust" / "1.jpg")
    put(tmp_path / "images" / "joy" / "6.jpg", 1)
    put(tmp_path / "images" / "joy" / "99.jpg", 2)
    found = {name: str(outcome).partition(":")[0] for name, outcome in outcomes(tmp_path).items()}
    assert found.pop("disgust/1.jpg").startswith("id='emotion6/disgust/1.jpg'")
    assert found == {
        "disgust/1.jpg~2": "duplicate_id",
        "joy/1.jpg": "missing_image",
        "glee/1.jpg": "bad_row",
        "joy/2.jpg": "bad_row",
        "joy/3.jpg": "bad_annotation",
        "joy/4.jpg": "bad_annotation",
        "joy/5.jpg": "bad_annotation",
        "joy/6.jpg": "bad_annotation",
        "joy/../../../7.jpg": "path_escapes_root",
        "joy/8.jpg": "bad_row",
        "line13": "bad_row",
        "joy/99.jpg": "missing_annotation",
    }
    assert "sums to 0.5" in outcomes(tmp_path)["joy/6.jpg"]
    assert "line 7: valence nan, arousal 5.0 are not from 1 to 9" in outcomes(tmp_path)["joy/3.jpg"]


def test_identical_files_share_a_group(tmp_path, put):
    write(tmp_path, [GOOD, GOOD.replace("disgust/1", "anger/2"), GOOD.replace("disgust/1", "joy/3")])
    for number, name in ((0, "disgust/1.jpg"), (0, "anger/2.jpg"), (1, "joy/3.jpg")):
        put(tmp_path / "images" / name, number)
    groups = [row.group for row in make_reader(Emotion6Config(), tmp_path).rows()]
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize("above", ["images", ""])
def test_emotion_6_of_panda_is_recognised(tmp_path, put, above):
    for name in ("anger", "fear", "joy", "Love", "sadness", "surprise"):
        put(tmp_path / above / name / "1.jpg")
    with pytest.raises(UserError, match=r"love: this is Emotion-6 of Panda.*kind=panda_emotion6"):
        make_reader(Emotion6Config(), tmp_path)


def test_without_the_table_or_with_another(tmp_path, put):
    put(tmp_path / "images" / "anger" / "1.jpg")
    with pytest.raises(UserError, match=r"no ground_truth\.txt, so this is no emotion6 folder.*Cornell"):
        make_reader(Emotion6Config(), tmp_path)
    write(tmp_path, [GOOD], header="[image_filename]\t[valence]\t[prob. anger]")
    with pytest.raises(
        UserError, match="no column arousal, disgust, fear, joy, sadness, surprise, neutral in"
    ):
        list(make_reader(Emotion6Config(), tmp_path).rows())
    (tmp_path / "ground_truth.txt").write_bytes(b"")
    with pytest.raises(UserError, match="no column image_filename, valence"):
        list(make_reader(Emotion6Config(), tmp_path).rows())
