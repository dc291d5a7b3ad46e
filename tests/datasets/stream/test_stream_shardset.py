"""Opening and reading shard sets, whole and damaged."""

import functools
import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from vemo.datasets.stream import ShardSet, shardset
from vemo.foundation import UserError


def test_reading_by_number(toy, image_bytes):
    shards = ShardSet(toy)
    assert shards.splits == ("train", "val") and shards.count("train") == 23 and shards.count("val") == 11
    for split in shards.splits:
        for number in range(shards.count(split)):
            record, image = shards.read(split, number)
            assert record["id"] == f"toy/{split}-{number}" and image == image_bytes(number)
            assert shards.record(split, number) == record
    assert shards.shard_of("train", 0) == "train-00000" and shards.shard_of("train", 22) == "train-00003"
    assert [record["n"] for record in shards.records("val")] == list(range(11))
    assert shards.manifest["dataset"] == "toy"


@pytest.mark.parametrize("number", [-1, 23])
def test_numbers_out_of_range(toy, number):
    with pytest.raises(IndexError, match="which has 23"):
        ShardSet(toy).read("train", number)


def test_unknown_splits_list_the_known_ones(toy):
    with pytest.raises(UserError, match="no split 'test'; it has train, val"):
        ShardSet(toy).count("test")


def test_missing_folder_and_foreign_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        ShardSet(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"not a shard set \(no manifest.json\)"):
        ShardSet(tmp_path)


def test_an_unfinished_build_says_how_to_go_on(toy):
    (toy / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"unfinished .* run `vemo shards build` again"):
        ShardSet(toy)


def test_damaged_manifest_and_other_format(toy):
    (toy / "manifest.json").write_text('{"format": 1, "spl')
    with pytest.raises(UserError, match=r"manifest.json: damaged"):
        ShardSet(toy)
    (toy / "manifest.json").write_text('{"format": 9, "splits": {}}')
    with pytest.raises(UserError, match="shard format 9, this version reads 1"):
        ShardSet(toy)


def test_a_lost_line_in_the_list(toy):
    lines = (toy / "shards.jsonl").read_text().splitlines()
    (toy / "shards.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match=r"counts 23 samples in split 'train', shards.jsonl 17"):
        ShardSet(toy)


def test_a_shard_named_to_lead_elsewhere(toy):
    text = (toy / "shards.jsonl").read_text()
    (toy / "shards.jsonl").write_text(text.replace('"val-00000"', '"../val-00000"'))
    with pytest.raises(UserError, match="not a plain file name"):
        ShardSet(toy)


@pytest.mark.parametrize("name", ["train-00002.tar", "train-00002.index.npy"])
def test_a_missing_file_is_named(toy, name):
    (toy / name).unlink()
    with pytest.raises(UserError, match=f"{name}: missing"):
        ShardSet(toy)


def test_a_tar_cut_in_half_is_named(toy):
    path = toy / "train-00001.tar"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(UserError, match=r"train-00001.tar: truncated: \d+ bytes, shards.jsonl says \d+"):
        ShardSet(toy)


def test_a_tar_cut_while_it_is_read(toy):
    shards = ShardSet(toy)
    os.truncate(toy / "val-00000.tar", 600)
    with pytest.raises(UserError, match=r"val-00000.tar: truncated while in use"):
        shards.read("val", 5)


def test_a_damaged_index_is_named(toy):
    path = toy / "val-00001.index.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    shards = ShardSet(toy)
    assert shards.read("val", 0)[0]["n"] == 0
    with pytest.raises(UserError, match=r"val-00001.index.npy: damaged"):
        shards.read("val", 6)


def test_an_index_that_points_beyond_its_shard(toy):
    path = toy / "val-00001.index.npy"
    index = np.load(path)
    index[0, 3] += 10**6
    np.save(path, index)
    lines = [json.loads(line) for line in (toy / "shards.jsonl").read_text().splitlines()]
    for line in lines:
        if line["name"] == "val-00001":
            line["index_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (toy / "shards.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match="does not fit its shard of 5 samples"):
        ShardSet(toy).read("val", 6)


def test_a_damaged_record_names_shard_and_sample(toy):
    path = toy / "val-00000.tar"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'{"id": "toy/val-2"', b'{"id"; "toy/val-2"'))
    shards = ShardSet(toy)
    with pytest.raises(UserError, match=r"val-00000.tar: damaged: the record of val sample 2"):
        shards.read("val", 2)


def test_a_fingerprint_follows_the_bytes(tmp_path, write_shards, image_bytes):
    plain = ShardSet(write_shards(tmp_path / "a", {"train": 5}))
    again = ShardSet(write_shards(tmp_path / "b", {"train": 5}))
    other = ShardSet(
        write_shards(tmp_path / "c", {"train": 5}, image=lambda s, n: ("jpg", image_bytes(n + 1)))
    )
    assert plain.fingerprint == again.fingerprint != other.fingerprint


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_number_of_open_files_is_bounded(tmp_path, write_shards, monkeypatch):
    monkeypatch.setattr(shardset, "_MAX_OPEN", 3)
    shards = ShardSet(write_shards(tmp_path / "many", {"train": 20}, per_shard=1))
    before = open_files()
    for _ in range(2):
        assert [shards.read("train", n)[0]["n"] for n in range(20)] == list(range(20))
        assert open_files() <= before + 3
    del shards
    assert open_files() == before


def test_threads_may_share_a_set_while_files_are_closed(tmp_path, write_shards, monkeypatch):
    monkeypatch.setattr(shardset, "_MAX_OPEN", 2)
    shards = ShardSet(write_shards(tmp_path / "many", {"train": 12}, per_shard=1))
    order = np.random.default_rng(0).integers(0, 12, 600).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert [record["n"] for record, _ in pool.map(lambda n: shards.read("train", n), order)] == order


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_may_share_a_set(toy, method):
    shards = ShardSet(toy)
    shards.read("train", 20)  # a descriptor is open when the processes start
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        results = list(pool.map(functools.partial(shards.read, "train"), range(23)))
    assert results == [shards.read("train", number) for number in range(23)]
