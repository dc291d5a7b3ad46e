"""The same samples from an object store, by way of fsspec."""

from itertools import islice

import pytest
from vemo.datasets.remote.places import open_place, write
from vemo.datasets.stream import EvaluationView, ShardSet, TrainStream, evaluation_batches
from vemo.datasets.stream.collate import collate, split_batch
from vemo.datasets.stream.remote import RemoteTrainStream, remote_evaluation_batches
from vemo.foundation.errors import UserError


def by_index(batches):
    samples = [sample for batch in batches for sample in split_batch(batch)]
    return [collate([sample]) for sample in sorted(samples, key=lambda sample: int(sample["index"]))]


@pytest.mark.parametrize(("store", "workers"), [("memory", 0), ("bucket", 0), ("bucket", 2)])
def test_an_epoch_holds_the_local_samples(toy, put, request, random_view, same, store, workers):
    url = f"{request.getfixturevalue(store)}/toy"
    put(toy, url)
    local = TrainStream(ShardSet(toy), "train", random_view, 23, seed=4)
    remote = RemoteTrainStream(url, "train", random_view, 23, seed=4, workers=workers)
    pairs = zip(by_index(islice(local.batches(0), 1)), by_index(islice(remote.batches(), 1)), strict=True)
    assert all(same(*pair) for pair in pairs)
    view = EvaluationView(8)
    seen = by_index(remote_evaluation_batches(url, "val", view, 4, workers=workers))
    there = by_index(evaluation_batches(ShardSet(toy), "val", view, 4))
    assert len(seen) == 11 and all(same(*pair) for pair in zip(seen, there, strict=True))


def test_what_is_not_there_and_what_is_damaged(toy, put, memory, random_view):
    put(toy, f"{memory}/toy")
    with pytest.raises(UserError, match=r"nothing/manifest.json: no such file there \(an unfinished build"):
        RemoteTrainStream(f"{memory}/nothing", "train", random_view, 6, seed=0)
    stream = RemoteTrainStream(f"{memory}/toy", "train", random_view, 23, seed=0)
    files, tar = open_place(f"{memory}/toy/train-00001.tar")
    content = files.cat_file(tar)
    for bad, message in (
        (content[:-600], r"train-00001.tar: truncated: \d+ bytes there, shards.jsonl says \d+"),
        (content[:-1] + b"x", r"train-00001.tar: damaged: its sha256"),
    ):
        write(f"{memory}/toy/train-00001.tar", bad)
        with pytest.raises(UserError, match=message):
            next(stream.batches())
    files.rm(tar)
    with pytest.raises(UserError, match=r"train-00001.tar: no such file there"):
        next(stream.batches())


def test_a_store_that_fails_for_a_moment(toy, put, memory, random_view, same, monkeypatch):
    """Every second block of a file, and every first look at it."""
    from fsspec.implementations.memory import MemoryFileSystem

    put(toy, f"{memory}/toy")
    asked = []

    def unsteady(self, path, start=None, end=None):
        asked.append(path)
        if path.endswith(".tar") and len(asked) % 2:
            raise TimeoutError("for a moment")
        return original(self, path, start, end)

    original = MemoryFileSystem.cat_file
    monkeypatch.setattr("vemo.datasets.remote.reading.BLOCK", 5000)
    monkeypatch.setattr("vemo.datasets.remote.reading.PAUSES", (0.0, 0.0))
    stream = RemoteTrainStream(f"{memory}/toy", "train", random_view, 23, seed=4)
    monkeypatch.setattr(MemoryFileSystem, "cat_file", unsteady)
    remote = by_index(islice(stream.batches(), 1))
    local = by_index(islice(TrainStream(ShardSet(toy), "train", random_view, 23, seed=4).batches(0), 1))
    assert len(asked) > 16 and all(same(*pair) for pair in zip(remote, local, strict=True))
