"""MVSA as given out: image and text judged apart, by one annotator or by three."""

import pytest
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.mvsa import MvsaConfig
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation.errors import UserError

SINGLE = "ID\ttext,image"
MULTIPLE = "ID\ttext,image\ttext,image\ttext,image"


@pytest.fixture
def write(tmp_path, put):
    def lay_out(lines, header=SINGLE, end="\n"):
        text = "".join(f"{line}{end}" for line in [header, *lines])
        (tmp_path / "labelResultAll.txt").write_bytes(text.encode())
        (tmp_path / "data").mkdir(exist_ok=True)
        for number, words in ((1, b"RT @someone: caf\xe9\n"), (2, b"two"), (10, None)):
            put(tmp_path / f"data/{number}.jpg", number)
            if words is not None:
                (tmp_path / f"data/{number}.txt").write_bytes(words)
        return tmp_path

    return lay_out


def outcomes(root, **keys):
    return outcomes_of(make_reader(MvsaConfig(**keys), root))


def test_single(write, round_trip):
    root = write(["1\tpositive,neutral", "2\tNegative , negative \t"], header="\ufeff" + SINGLE, end="\r\n")
    records = round_trip(MvsaConfig(), root)
    assert set(records) == {"mvsa-single/1", "mvsa-single/2", "mvsa-single/10"}
    first = records["mvsa-single/1"]
    assert first["labels"] == {"polarity3": {"class": "neutral"}}  # of the image
    assert first["attributes"] == {"text_labels": ["positive"]}
    assert first["annotations"] == [{"labels": {"polarity3": {"class": "neutral"}}}]
    assert first["captions"] == [{"text": "RT @someone: café"}]
    assert records["mvsa-single/2"]["labels"] == {"polarity3": {"class": "negative"}}
    last = records["mvsa-single/10"]  # an image without a line is kept, without a label
    assert not {"labels", "annotations", "attributes", "captions"} & set(last)


def test_multiple(write, round_trip):
    root = write(
        [
            "1\tpositive,neutral\tpositive,positive\tnegative,positive",
            "2\tneutral,negative\tpositive,neutral\tnegative,positive",
        ],
        header=MULTIPLE,
    )
    records = round_trip(MvsaConfig(), root)
    first = records["mvsa-multiple/1"]
    assert first["labels"] == {"polarity3": {"votes": [0, 1, 2]}}  # negative, neutral, positive
    assert first["attributes"] == {"text_labels": ["positive", "positive", "negative"]}
    assert [answer["labels"]["polarity3"]["class"] for answer in first["annotations"]] == [
        "neutral",
        "positive",
        "positive",
    ]
    assert records["mvsa-multiple/2"]["labels"] == {"polarity3": {"votes": [1, 1, 1]}}
    assert class_index(records["mvsa-multiple/2"], label_space("polarity3")) is None


@pytest.mark.parametrize(
    ("header", "pairs", "joined"),
    [
        (SINGLE, "positive,positive", "positive"),
        (SINGLE, "positive,neutral", "positive"),
        (SINGLE, "neutral,negative", "negative"),
        (SINGLE, "neutral,neutral", "neutral"),
        (SINGLE, "positive,negative", None),
        (MULTIPLE, "positive,neutral\tpositive,neutral\tnegative,positive", "positive"),
        (MULTIPLE, "neutral,negative\tneutral,negative\tneutral,negative", "negative"),
        (MULTIPLE, "positive,neutral\tneutral,neutral\tnegative,neutral", None),  # the text has no majority
        (MULTIPLE, "positive,negative\tpositive,negative\tneutral,neutral", None),
    ],
)
def test_image_and_text_joined(write, header, pairs, joined):
    root = write([f"1\t{pairs}"], header=header)
    expected = {"polarity3": {"class": joined}} if joined else None
    assert outcomes(root, label="pair")["1"].get("labels") == expected


def test_bad_lines_fail_by_name(write):
    root = write(
        [
            "1\tpositive,neutral",
            "1\tpositive,neutral",
            "2\tpositive,neutral",
            "2\tpositive,negative",
            "10\tpositive",
            "11\tpositive,glad",
            "12\tpositive,neutral\tpositive,neutral",
            "13\tpositive,neutral",
            "../up\tpositive,neutral",
            "",
        ]
    )
    found = outcomes(root)
    assert found.pop("1")["labels"] == {"polarity3": {"class": "neutral"}}  # said twice, the same
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "2": "bad_row",
        "10": "bad_row",
        "11": "bad_row",
        "12": "bad_row",
        "13": "missing_image",
        "../up": "path_escapes_root",
    }
    assert "line 5: other labels for 2 than before" in found["2"]
    assert "line 7: label space polarity3 has no 'glad'" in found["11"]
    assert "line 6: expected text,image by each of 1 annotators, got ['positive']" in found["10"]
    assert "line 8: expected text,image by each of 1 annotators, got" in found["12"]


def test_user_errors(write, tmp_path):
    with pytest.raises(UserError, match="no data, so this is no mvsa folder"):
        make_reader(MvsaConfig(), tmp_path)
    root = write([], header="guid,tag")
    with pytest.raises(UserError, match=r"labelResultAll\.txt: the first line must be ID and text,image"):
        make_reader(MvsaConfig(), root)
    (root / "labelResultAll.txt").write_bytes(b"")
    with pytest.raises(UserError, match=r"got \[\]"):
        make_reader(MvsaConfig(), root)
    (root / "labelResultAll.txt").unlink()
    with pytest.raises(UserError, match=r"no labelResultAll\.txt, so this is no mvsa folder.*mcrlab"):
        make_reader(MvsaConfig(), root)
