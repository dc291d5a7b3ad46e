"""A shard set as a source: what went in comes out again, and damage has a name."""

import json

import pytest
from PIL import Image
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.generic.image_folder import ImageFolderConfig
from vemo.datasets.readers.generic.shards import ShardsConfig
from vemo.datasets.shards import BuildConfig, build
from vemo.foundation.errors import UserError


@pytest.fixture
def source(tmp_path):
    for split, label in [("train", "negative"), ("train", "positive"), ("test", "positive")]:
        folder = tmp_path / "source" / split / label
        folder.mkdir(parents=True)
        for number in range(3):
            colour = (40 * number, len(split), len(label))
            Image.new("RGB", (12, 8), colour).save(folder / f"{number}.png")
    return make_reader(
        ImageFolderConfig(space="polarity2", dataset="mine", licence="CC0"), tmp_path / "source"
    )


@pytest.fixture
def archive(source, tmp_path):
    config = {
        "root": source.root,
        "out": tmp_path / "archive",
        "reader": source.config,
        "samples_per_shard": 2,
    }
    build(BuildConfig(**config, workers=0))
    return tmp_path / "archive"


def test_everything_comes_back(source, archive):
    reader = make_reader(ShardsConfig(), archive)
    assert (reader.dataset, reader.licence, reader.spaces) == ("mine", "CC0", ("polarity2",))
    assert reader.expected == {"train": 6, "test": 3}
    before = {}
    for row in source.rows():
        sample, image = source.read(row)
        before[sample.id] = (sample.model_copy(update={"width": 12, "height": 8}), image)
    rows = list(reader.rows())
    assert rows == list(reader.rows())
    assert {f"mine/{row.id}" for row in rows} == set(before)
    for row in rows:
        sample, image = reader.read(row)
        assert (sample, image) == before[sample.id]
        assert row.split == sample.source.split


def test_training_shards_from_archive_shards(archive, tmp_path):
    out = tmp_path / "training"
    build(BuildConfig(root=archive, out=out, reader=ShardsConfig(), short_side=4, workers=0))
    reader = make_reader(ShardsConfig(), out)
    samples = [reader.read(row)[0] for row in reader.rows()]
    assert len(samples) == 9
    assert {(sample.width, sample.height) for sample in samples} == {(6, 4)}
    assert {sample.source.dataset for sample in samples} == {"mine"}


def test_edits_travel_along(archive):
    reader = make_reader(ShardsConfig(), archive)
    edited = next(row for row in reader.rows() if row.id == "train/positive/1.png")
    edit = {
        "set": {"labels.polarity2.class": "negative"},
        "by": "ann",
        "when": "2025-01-01",
        "why": "a frown",
    }
    (archive / "overrides.jsonl").write_text(json.dumps({"id": f"mine/{edited.id}", **edit}) + "\n")
    sample, _ = make_reader(ShardsConfig(), archive).read(edited)
    assert sample.labels["polarity2"].class_ == "negative"
    assert sample.overrides == [edit]


def test_an_edit_to_a_label_that_does_not_exist_fails_its_sample(archive):
    row = next(make_reader(ShardsConfig(), archive).rows())
    edit = {"id": f"mine/{row.id}", "set": {"labels.polarity2.class": "meh"}, "by": "ann"}
    (archive / "overrides.jsonl").write_text(json.dumps(edit) + "\n")
    with pytest.raises(SampleError, match=r"bad_annotation: .*polarity2 has no class 'meh'"):
        make_reader(ShardsConfig(), archive).read(row)


def test_a_shard_cut_while_in_use_is_unreadable(archive):
    reader = make_reader(ShardsConfig(), archive)
    rows = list(reader.rows())
    tar = archive / "train-00000.tar"
    tar.write_bytes(tar.read_bytes()[:100])
    with pytest.raises(SampleError, match=r"unreadable: .*train-00000"):
        reader.read(rows[0])


def test_a_folder_without_manifest_is_a_user_error(archive, tmp_path):
    (archive / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json"):
        make_reader(ShardsConfig(), archive)


def audited(archive, *clusters):
    """Write what `vemo shards audit` would: (kind, [(id, split), …]) each."""
    (archive / "audit").mkdir()
    lines = [
        {"kind": kind, "samples": [{"id": name, "split": split} for name, split in samples]}
        for kind, samples in clusters
    ]
    (archive / "audit" / "duplicates.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_dedup_leaves_out_what_a_later_split_holds_and_groups_the_rest(archive, tmp_path):
    leak = [("mine/train/positive/0.png", "train"), ("mine/test/positive/0.png", "test")]
    within = [("mine/train/negative/1.png", "train"), ("mine/train/negative/2.png", "train")]
    near = [("mine/train/positive/1.png", "train"), ("mine/test/positive/1.png", "test")]
    audited(archive, ("identical", leak), ("identical", within), ("near", leak), ("near", near))
    rows = {row.id: row for row in make_reader(ShardsConfig(split="dedup"), archive).rows()}
    assert rows["train/positive/0.png"].facts["failure"][0] == "duplicate"
    assert "mine/test/positive/0.png (test)" in rows["train/positive/0.png"].facts["failure"][1]
    assert rows["train/negative/1.png"].group == rows["train/negative/2.png"].group is not None
    assert "failure" not in rows["train/positive/1.png"].facts
    near_rows = {row.id: row for row in make_reader(ShardsConfig(split="dedup_near"), archive).rows()}
    assert [row.id for row in near_rows.values() if "failure" in row.facts] == [
        "train/positive/0.png",
        "train/positive/1.png",
    ]
    config = {"root": archive, "out": tmp_path / "clean", "reader": {"kind": "shards", "split": "dedup"}}
    report = build(BuildConfig(**config, workers=0))
    assert report.ok  # what was asked for is no fault, however much it is
    assert report.failed == {"duplicate": 1} and report.packed == 8
    assert not any("more than one split" in text for text in report.warnings)


def test_dedup_without_an_audit_says_what_to_do(archive):
    with pytest.raises(UserError, match=r"reader\.split=dedup needs `vemo shards audit` first"):
        make_reader(ShardsConfig(split="dedup"), archive)
