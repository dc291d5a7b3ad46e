"""Captioned tweets in MVSA's layout: drawn fixtures, then the real archive."""

import tarfile
from collections import Counter
from pathlib import Path

import pytest
import vemo
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.tweets import TweetsConfig, decode_text
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation.errors import UserError

ARCHIVE = Path(vemo.__file__).parent.parent / "shared" / "data" / "tweets.tar.gz"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "label").mkdir()
    for guid, colour, text in [
        ("10", "red", b"ten"),
        ("9", "blue", "neun für dich".encode()),
        ("2", "red", b"it\x92s two"),  # Windows-1252
        ("7", "green", None),
    ]:
        Image.new("RGB", (8, 8), colour).save(tmp_path / "data" / f"{guid}.jpg")
        if text is not None:
            (tmp_path / "data" / f"{guid}.txt").write_bytes(text + b"\n")
    (tmp_path / "label" / "train.txt").write_text("guid,tag\n10,positive\n2,negative\n7,null\n")
    return tmp_path


def test_samples(root):
    reader = make_reader(TweetsConfig(), root)
    rows = list(reader.rows())
    assert [row.id for row in rows] == ["2", "7", "9", "10"]  # numeric, not alphabetical
    assert {row.split for row in rows} == {None}
    assert rows[0].group == rows[3].group != rows[2].group  # identical files stay together
    records = [reader.read(row)[0].to_record() for row in rows]
    assert [record.get("labels") for record in records] == [
        {"polarity3": {"class": "negative"}},
        None,
        None,
        {"polarity3": {"class": "positive"}},
    ]
    assert [record.get("captions") for record in records] == [
        [{"text": "it’s two"}],
        None,
        [{"text": "neun für dich"}],
        [{"text": "ten"}],
    ]
    assert records[0]["source"]["group"] == records[0]["source"]["sha256"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("\ufeffhé\r\n".encode(), "hé"),
        (b"caf\xe9 \x93ok\x94", "café “ok”"),
        (b"\x81\xe9", "\x81é"),  # not even Windows-1252
        (b" \n", ""),
    ],
)
def test_text_of_unknown_encoding(data, text):
    assert decode_text(data) == text


def test_bad_rows_are_listed_and_fail_by_name(root):
    labels = root / "label" / "train.txt"
    labels.write_text(
        "guid,tag\n10,positiv\n2,negative\n2,neutral\n77,positive\n../up,neutral\n9,neutral\n9,neutral\n"
    )
    reader = make_reader(TweetsConfig(), root)
    outcomes = {}
    for row in reader.rows():
        try:
            outcomes[row.id] = reader.read(row)[0].to_record().get("labels")
        except SampleError as error:
            outcomes[row.id] = str(error)
    assert "guid 10: label space polarity3 has no 'positiv'" in outcomes.pop("10")
    assert outcomes.pop("2") == "bad_row: label/train.txt: guid 2 has tags ['negative', 'neutral']"
    assert outcomes.pop("77") == "missing_image: no file data/77.jpg"
    assert outcomes.pop("../up").startswith("path_escapes_root")
    assert outcomes == {"7": None, "9": {"polarity3": {"class": "neutral"}}}


def test_user_errors(root, tmp_path):
    with pytest.raises(UserError, match="columns guid,tag"):
        list(make_reader(TweetsConfig(labels="label/none.txt"), root).rows())
    (root / "label" / "train.txt").write_text("id;tag\n")
    with pytest.raises(UserError, match="first line must be guid,tag"):
        list(make_reader(TweetsConfig(), root).rows())
    with pytest.raises(UserError, match="no data, so this is no tweets folder; did you mean root="):
        nested = tmp_path / "nested"
        (nested / "tweets" / "data").mkdir(parents=True)
        make_reader(TweetsConfig(), nested)


@pytest.mark.real_data
@pytest.mark.slow
def test_the_real_archive(tmp_path):
    if not ARCHIVE.exists():
        pytest.skip(f"no {ARCHIVE.name} beside the checkout")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    reader = make_reader(TweetsConfig(), tmp_path / "tweets")
    rows = list(reader.rows())
    assert len(rows) == 4869
    records = [reader.read(row)[0].to_record() for row in rows]  # not one failure
    space = label_space("polarity3")
    counts = Counter(class_index(record, space) for record in records)
    assert counts == {None: 869, space.index("positive"): 2388, space.index("negative"): 1193, 1: 419}
    assert all(record["captions"][0]["text"] for record in records)
    groups = Counter(row.group for row in rows)
    assert sum(count > 1 for count in groups.values()) == 58
