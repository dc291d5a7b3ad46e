"""Copies in other shard sets: found, written down, and left out of training where a build is told to."""

import json

import numpy as np
import pytest
from PIL import Image
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.base import Row
from vemo.datasets.readers.generic.shards import ShardsConfig
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.evaluation.audit import AuditConfig, audit
from vemo.foundation import UserError

# name → (split, picture) in either set; b's are drawn like a's of the same number.
A = {
    "one": ("train", 1),
    "again": ("train", 1),
    "two": ("train", 2),
    "three": ("train", 3),
    "four": ("test", 4),
}
B = {"one": ("test", 1), "two": ("train", 2), "four": ("train", 4), "five": ("test", 5), "six": ("train", 6)}


def picture(number, noise=0):
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 200, (6, 6, 3)).repeat(8, 0).repeat(8, 1)
    return Image.fromarray((pixels + noise).astype(np.uint8))


def write(folder, name, images, noise=0):
    for image, (split, number) in images.items():
        place = folder / "images" / name / split / ("awe" if number % 2 else "fear") / f"{image}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(number, noise).save(place)
    reader = {"kind": "image_folder", "space": "mikels8", "dataset": name}
    build(BuildConfig(root=folder / "images" / name, out=folder / name, reader=reader, workers=0))
    return folder / name


def left(folder, **options):
    """What a build would keep."""
    rows = make_reader(ShardsConfig(elsewhere=True, **options), folder).rows()
    assert all(isinstance(row, Row) for row in rows)
    rows = make_reader(ShardsConfig(elsewhere=True, **options), folder).rows()
    return {row.id.rpartition("/")[2].removesuffix(".png") for row in rows if "failure" not in row.facts}


@pytest.fixture
def both(tmp_path):
    return write(tmp_path, "a", A), write(tmp_path, "b", B)


def audit_both(a, b):
    audit(AuditConfig(shards=a, against=(b,)))
    audit(AuditConfig(shards=b, against=(a,)))


def test_training_images_with_a_copy_in_another_set_are_left_out(both):
    audit_both(*both)
    # one and again are in b's test split; of two, in both training splits, a's comes first and stays.
    assert left(both[0], split="dedup") == {"two", "three", "four"}
    # four is in a's test split. b's own test split stays, though one is in a's training split.
    assert left(both[1], split="dedup") == {"one", "five", "six"}


def test_near_copies_are_left_out_when_asked(tmp_path):
    a, b = write(tmp_path, "a", A), write(tmp_path, "b", B, noise=9)
    audit_both(a, b)
    assert left(a, split="dedup") == set(A)
    assert left(a, split="dedup_near") == {"two", "three", "four"}


def test_what_is_built_says_why(both, tmp_path):
    audit_both(*both)
    reader = {"kind": "shards", "split": "dedup", "elsewhere": True}
    report = build(BuildConfig(root=both[0], out=tmp_path / "clean", reader=reader, workers=0))
    assert report.ok and report.failed == {"duplicate": 2}
    assert ShardSet(tmp_path / "clean").count("train") == 2
    told = (tmp_path / "clean" / "failures.jsonl").read_text()
    assert "has a copy in another set: b/test/awe/one.png (test)" in told


def test_lines_are_there_only_for_what_was_looked_at(both):
    audit(AuditConfig(shards=both[0]))
    with pytest.raises(UserError, match=r"run `vemo shards audit .* against=\[DIR, …\]` first"):
        left(both[0], split="dedup")
    with pytest.raises(UserError, match="goes with split=dedup or dedup_near, not own"):
        left(both[0])
    audit_both(*both)
    lines = [json.loads(line) for line in (both[0] / "audit" / "elsewhere.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"identical"} and len(lines) == 4
