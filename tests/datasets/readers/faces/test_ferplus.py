"""FER+: votes in the platform's order, original labels beside them, then the real archive."""

import csv
import io
import itertools
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import vemo
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.faces.ferplus import FerPlusConfig
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation.errors import UserError

ARCHIVE = Path(vemo.__file__).parent.parent / "shared" / "data" / "ferplus.tar.gz"
HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def write(root, lines, original=None):
    (root / "fer2013new.csv").write_text(HEADER + "".join(line + "\n" for line in lines))
    if original:
        header = "split,image,fer2013_label,kaggle_jpg,pixel_mae\n"
        (root / "fer2013_original_labels.csv").write_text(header + original)


def face(root, name, grey):
    (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), grey).save(root / "data" / name)


@pytest.fixture
def root(tmp_path):
    face(tmp_path, "FER2013Train/fer0000000.png", 10)
    face(tmp_path, "FER2013Valid/fer0028638.png", 10)  # the same pixels: FER2013's leak
    face(tmp_path, "FER2013Test/fer0032220.png", 30)
    write(
        tmp_path,
        [
            "Training,fer0000000.png,1,2,3,4,5,6,7,8,1,0",
            "PublicTest,fer0028638.png,0,0,0,5,0,0,0,0,5,0",
            "PrivateTest,fer0032220.png,0,0,0,0,0,0,0,0,0,10",
        ],
        "FER2013Train,fer0000000.png,angry,split/x.jpg,2.3\nFER2013Test,fer0032220.png,neutral,split/y.jpg,3\n",
    )
    return tmp_path


def test_votes_are_reordered_and_never_mixed(root):
    reader = make_reader(FerPlusConfig(), root)
    rows = list(reader.rows())
    assert [(row.id, row.split) for row in rows] == [
        ("fer0000000", "train"),
        ("fer0028638", "val"),
        ("fer0032220", "test"),
    ]
    records = [reader.read(row)[0].to_record() for row in rows]
    # fer8: neutral, happiness, sadness, surprise, fear, disgust, anger, contempt
    assert records[0]["labels"] == {"fer8": {"votes": [1, 2, 4, 3, 7, 6, 5, 8]}, "fer7": {"class": "anger"}}
    assert records[0]["attributes"] == {"votes_unknown": 1}
    assert "labels" not in records[1]  # five of ten could not tell
    assert records[2]["labels"] == {"fer7": {"class": "neutral"}}
    assert records[2]["attributes"] == {"votes_not_a_face": 10}


def test_identical_files_share_a_group_and_can_be_split_by_it(root):
    own = list(make_reader(FerPlusConfig(), root).rows())
    assert own[0].group == own[1].group != own[2].group
    assert [row.split for row in make_reader(FerPlusConfig(splits="by_group"), root).rows()] == [None] * 3


def test_original_labels_are_optional(root):
    rows = list(make_reader(FerPlusConfig(original_labels=False), root).rows())
    assert all("fer7" not in row.facts for row in rows)
    (root / "fer2013_original_labels.csv").unlink()
    assert all("fer7" not in row.facts for row in make_reader(FerPlusConfig(), root).rows())


def test_bad_rows_fail_by_name(root):
    write(
        root,
        [
            "Training,,0,0,0,0,0,0,0,0,0,0",
            "Training,fer0000000.png,1,2,3,4,5,6,7,8,1,0",
            "Training,fer0000000.png,1,2,3,4,5,6,7,8,1,0",
            "Training,fer0000009.png,1,2,3,4,5,6,7,8,1,0",
            "Holiday,fer0000001.png,1,2,3,4,5,6,7,8,1,0",
            "Training,fer0000002.png,1,two,3,4,5,6,7,8,1,0",
            "Training,fer0000003.png,1,2",
            "Training,../fer.png,1,2,3,4,5,6,7,8,1,0",
            "Training,../../../fer.png,1,2,3,4,5,6,7,8,1,0",
        ],
    )
    reader = make_reader(FerPlusConfig(), root)
    rows = list(reader.rows())
    outcomes = []
    for row in rows:
        try:
            outcomes.append(reader.read(row)[0].id)
        except SampleError as error:
            outcomes.append(str(error))
    reasons = [outcome.partition(":")[0] for outcome in outcomes]
    assert reasons == [
        "missing_image",
        "ferplus/fer0000000",
        "duplicate_id",
        "missing_image",
        "bad_row",
        "bad_row",
        "bad_row",
        "path_escapes_root",
        "duplicate_id",
    ]
    assert "line 2: no image name" in outcomes[0]
    assert "line 6: Usage is 'Holiday'" in outcomes[4]
    assert len({row.id for row in rows}) == len(rows)


def test_user_errors(root):
    (root / "fer2013new.csv").write_text("usage,name\n")
    with pytest.raises(UserError, match="no column Usage, Image name"):
        list(make_reader(FerPlusConfig(), root).rows())
    (root / "fer2013new.csv").unlink()
    with pytest.raises(UserError, match=r"no fer2013new\.csv.*github\.com/microsoft/FERPlus"):
        make_reader(FerPlusConfig(), root)


@pytest.fixture(scope="module")
def archive():
    if not ARCHIVE.exists():
        pytest.skip(f"no {ARCHIVE.name} beside the checkout")
    return ARCHIVE


@pytest.mark.real_data
def test_first_members_of_the_real_archive(archive, tmp_path):
    with tarfile.open(archive) as stream:
        names = []
        for member in itertools.islice((m for m in stream if m.name.endswith(".png")), 40):
            stream.extract(member, tmp_path, filter="data")
            names.append(Path(member.name).name)
            path, labels = tmp_path / member.name, "0,9,0,0,0,0,0,0,1,0"
            assert Image.open(io.BytesIO(path.read_bytes())).size == (48, 48)
    write(tmp_path / "ferplus", [f"Training,{name},{labels}" for name in names])
    reader = make_reader(FerPlusConfig(), tmp_path / "ferplus")
    samples = [reader.read(row)[0] for row in reader.rows()]
    assert len(samples) == 40
    assert all(sample.labels["fer8"].votes == [0, 9, 0, 0, 0, 0, 0, 0] for sample in samples)


@pytest.mark.real_data
@pytest.mark.slow
def test_the_whole_real_archive(archive, tmp_path):
    with tarfile.open(archive) as stream:
        stream.extractall(tmp_path, filter="data")
    root = tmp_path / "ferplus"
    reader = make_reader(FerPlusConfig(), root)
    listed, samples, failures, plurality = Counter(), Counter(), Counter(), Counter()
    splits_of, votes_of, other_votes = defaultdict(list), defaultdict(set), []
    per_split = {}
    for folder in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        with (root / "data" / folder / "label.csv").open(newline="") as stream:
            per_split |= {line[0]: tuple(int(vote) for vote in line[2:]) for line in csv.reader(stream)}
    fer7, fer8 = label_space("fer7"), label_space("fer8")
    for row in reader.rows():
        listed[row.split] += 1
        try:
            sample, _ = reader.read(row)
        except SampleError as error:
            failures[error.reason] += 1
            continue
        samples[sample.source.split] += 1
        splits_of[row.group].append(row.split)
        votes = tuple(row.facts["votes"].values())
        votes_of[row.group].add(votes)
        if votes != per_split[f"{row.id}.png"]:
            other_votes.append(row.group)
        record = sample.to_record()
        expression, original = class_index(record, fer8), class_index(record, fer7)
        if expression is not None and original is not None:
            plurality[fer8.names[expression] == fer7.names[original]] += 1
        samples["fer7"] += original is not None
    assert (samples["train"], samples["val"], samples["test"]) == (28_558, 3_579, 3_573)
    assert listed == reader.expected
    assert failures == {"missing_image": 173, "duplicate_id": 4}
    assert samples["fer7"] == 35_704
    assert sum(len(splits) > 1 for splits in splits_of.values()) == 1_513
    assert sum(len(set(splits)) > 1 for splits in splits_of.values()) == 556
    assert all(len(votes) == 1 for votes in votes_of.values())  # identical images, identical votes
    assert len(other_votes) == 1_601
    assert all(len(splits_of[group]) > 1 for group in other_votes)
    assert 0.60 < plurality[True] / plurality.total() < 0.68  # two label sets
