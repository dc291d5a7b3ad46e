"""Sidecars from a web server, beside the shards that are read from there."""

import contextlib
import functools
import http.server
import threading
from itertools import islice

import pytest
from vemo.datasets.stream import ShardSet, StreamConfig, TrainStream, open_batches
from vemo.datasets.stream.collate import split_batch
from vemo.datasets.stream.remote import RemoteTrainStream, remote_evaluation_batches
from vemo.foundation import UserError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(folder):
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def url(pictures, write_said, write_vectors):
    write_said(pictures)
    write_vectors(pictures)
    with serving(pictures) as url:
        yield url


class SaidView:
    def __call__(self, image_loader, record, seed):
        return {"said": record.get("said", -1), "first": int(record["vectors"][0, 0]), "id": record["id"]}


NAMES = ("said", "vectors")


def samples(batches):
    found = [sample for batch in batches for sample in split_batch(batch)]
    rows = ({key: getattr(value, "tolist", lambda v=value: v)() for key, value in s.items()} for s in found)
    return sorted(rows, key=lambda row: row["index"])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_columns_as_from_disk(pictures, url, workers):
    local = TrainStream(ShardSet(pictures, sidecars=NAMES), "train", SaidView(), 14, 0)
    config = StreamConfig(shards=url, sidecars=NAMES, workers=workers)
    remote = open_batches(config, SaidView(), global_batch=14, seed=0)
    assert samples(islice(remote.batches(0), 1)) == samples(islice(local.batches(0), 1))
    evaluated = samples(remote_evaluation_batches(url, "test", SaidView(), 3, sidecars=NAMES))
    assert [row["first"] for row in evaluated] == [int(row["id"][-6:-4]) for row in evaluated]


def test_the_fingerprint_is_that_of_the_local_set(pictures, url):
    remote = RemoteTrainStream(url, "train", SaidView(), 14, 0, sidecars=NAMES)
    assert remote.fingerprint == ShardSet(pictures, sidecars=NAMES).fingerprint


def test_damage_is_named(pictures, url):
    path = pictures / "sidecars" / "said" / "train-00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"said", b"sald", 1))
    stream = RemoteTrainStream(url, "train", SaidView(), 14, 0, sidecars=NAMES)
    with pytest.raises(
        UserError, match=f"{url}/sidecars/said: train-00001.jsonl is damaged .* said DIR loud=true"
    ):
        next(stream.batches(0))


def test_what_is_not_there_or_does_not_fit(pictures, url, write_said):
    with pytest.raises(UserError, match=r"sidecars/heard/sidecar.json: the server says 404"):
        RemoteTrainStream(url, "train", SaidView(), 14, 0, sidecars=["heard"])
    with pytest.raises(UserError, match="cannot name a sidecar"):
        RemoteTrainStream(url, "train", SaidView(), 14, 0, sidecars=["../x"])
    write_said(pictures, name="edited", edits="0" * 64)
    with pytest.raises(UserError, match="was made from other edits"):
        RemoteTrainStream(url, "train", SaidView(), 14, 0, sidecars=["edited"])
