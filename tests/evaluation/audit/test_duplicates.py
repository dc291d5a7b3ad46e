"""Copies that were planted are found, and nothing else is taken for one."""

import numpy as np
import torch
from vemo.datasets.stream import ShardSet
from vemo.evaluation.audit.duplicates import (
    Pair,
    clusters,
    copy_clusters,
    duplicate_pairs,
    near_pairs,
    summary,
)
from vemo.evaluation.audit.scan import Scan, scan


def planted(truth, copy):
    kinds = ("exact_duplicates", "near_duplicates", "leaks")
    entries = [entry for kind in kinds for entry in truth["planted"][kind] if entry["copy"] == copy]
    return {frozenset((entry["image"], entry["original"])) for entry in entries}


def test_planted_copies_are_found_and_no_others(flawed):
    shards, truth = flawed
    seen = scan(ShardSet(shards))
    pairs = duplicate_pairs(seen)
    paths = [record["source"]["path"] for record in seen.records]
    found = {
        kind: {frozenset((paths[p.first], paths[p.second])) for p in pairs if p.kind == kind}
        for kind in ("file", "near")
    }
    exact, near = planted(truth, "exact"), planted(truth, "near")
    assert len(exact) >= 8 and len(near) >= 8
    assert found["file"] == exact
    assert not found["near"] - near  # precision
    assert len(found["near"]) >= 0.9 * len(near)  # recall
    across = summary(seen, pairs)["identical"]["groups across splits"]
    assert across == sum(entry["copy"] == "exact" for entry in truth["planted"]["leaks"])


def test_two_sets_are_compared_with_each_other(flawed):
    seen = scan(ShardSet(flawed[0]))
    itself = duplicate_pairs(seen, seen)
    assert {(p.first, p.second) for p in itself if p.kind == "file"} >= {
        (0, 0),
        (len(seen) - 1, len(seen) - 1),
    } - {(p.second, p.second) for p in duplicate_pairs(seen)}


def test_flat_pictures_are_not_each_others_copies():
    flat = torch.full((3, 3, 16, 16), 90, dtype=torch.uint8)
    flat[1] += 3
    assert near_pairs(flat) == []
    noise = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    assert [pair[:2] for pair in near_pairs(torch.cat([flat, noise, noise]))] == [(3, 4)]


def test_brightness_does_not_matter():
    picture = torch.randint(20, 200, (1, 3, 16, 16), dtype=torch.uint8)
    brighter = (picture.float() * 1.2 + 5).to(torch.uint8)
    assert near_pairs(picture, brighter)[0][:2] == (0, 0)


def test_pairs_join_into_clusters():
    pairs = [Pair(0, 3, 1.0, "file"), Pair(3, 5, 0.95, "near"), Pair(1, 2, 1.0, "pixels")]
    assert clusters(7, pairs) == [[0, 3, 5], [1, 2]]


def test_people_of_one_image_are_copies_only_with_those_of_another():
    """Then all of them, so that dedup leaves none behind."""
    files = ["a", "a", "b", "b", "c"]  # c is a copy of b
    records = [{"source": {"path": name, "sha256": "b" if name == "c" else name}} for name in files]
    pairs = [Pair(0, 1, 1.0, "file"), Pair(2, 3, 1.0, "file"), Pair(2, 4, 1.0, "file")]
    nothing = torch.zeros(5, 3, 16, 16, dtype=torch.uint8)
    light = np.zeros(5, np.float32)
    splits = ["train"] * 4 + ["test"]
    seen = Scan(records, splits, list(range(5)), nothing, ["x"] * 5, light, light)
    assert copy_clusters(seen, pairs) == [[2, 3, 4]]
