"""The same samples from a web server: verified while they stream."""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest
from vemo.datasets.stream import (
    EvaluationView,
    ShardSet,
    StreamConfig,
    TrainStream,
    evaluation_batches,
    open_batches,
)
from vemo.datasets.stream.collate import collate, split_batch
from vemo.datasets.stream.remote import RemoteTrainStream, remote_evaluation_batches
from vemo.foundation import UserError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(folder, handler=Quiet):
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def url(toy):
    with serving(toy) as url:
        yield url


def take(stream, count, start=0):
    batches = stream.batches(start)
    taken = list(islice(batches, count))
    batches.close()
    return taken


def by_index(batches):
    """What each sample came out as, without regard to order."""
    samples = [sample for batch in batches for sample in split_batch(batch)]
    return [collate([sample]) for sample in sorted(samples, key=lambda sample: int(sample["index"]))]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_epoch_holds_the_local_samples(toy, url, random_view, same, workers):
    """Also with the same seeds, so that crops are the same bit for bit."""
    local = take(TrainStream(ShardSet(toy), "train", random_view, 23, seed=4), 2)
    remote = take(RemoteTrainStream(url, "train", random_view, 23, seed=4, workers=workers), 2)
    for epoch in (0, 1):
        pairs = list(zip(by_index([local[epoch]]), by_index([remote[epoch]])))
        assert len(pairs) == 23 and all(same(*pair) for pair in pairs)
    assert remote[0]["index"].tolist() != remote[1]["index"].tolist()


def test_shards_are_dealt_out_anew_in_every_epoch(url, random_view):
    stream = RemoteTrainStream(url, "train", random_view, 8, seed=0, world=2, rank=1)
    epochs = [take(stream, 2, start=epoch * stream.samples_per_epoch) for epoch in range(6)]
    seen = {frozenset(i // 6 for batch in epoch for i in batch["index"].tolist()) for epoch in epochs}
    assert len(seen) > 1  # not the same shards in every epoch


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_resuming_equals_never_stopping(url, random_view, same, workers, steps):
    stream = RemoteTrainStream(url, "train", random_view, 4, seed=7, workers=workers, shuffle=5)
    whole = take(stream, 7)
    resumed = take(stream, 7 - steps, start=steps * 4)
    assert all(same(*pair) for pair in zip(whole[steps:], resumed, strict=True))


def test_ranks_do_the_same_number_of_batches_and_share_no_sample(url, random_view):
    ranks = [
        take(RemoteTrainStream(url, "train", random_view, 6, seed=1, rank=rank, world=2, accumulation=3), 9)
        for rank in (0, 1)
    ]
    assert all(len(batch["index"]) == 1 for batches in ranks for batch in batches)
    seen = [{int(batch["index"]) for batch in batches} for batches in ranks]
    assert not seen[0] & seen[1]


def test_a_rank_that_runs_short_starts_again(tmp_path, write_shards, random_view):
    """Shards of 6 and 1 samples, two ranks, three batches: the rank with one sample repeats it."""
    folder = write_shards(tmp_path / "uneven", {"train": 7})
    with serving(folder) as url:
        ranks = [
            take(RemoteTrainStream(url, "train", random_view, 2, seed=0, rank=rank, world=2), 3)
            for rank in (0, 1)
        ]
    counts = sorted(len({int(batch["index"]) for batch in batches}) for batches in ranks)
    assert counts == [1, 3]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_every_sample_once(toy, url, same, world, workers):
    view = EvaluationView(8)
    ranks = [remote_evaluation_batches(url, "train", view, 4, rank, world, workers) for rank in range(world)]
    remote = by_index([batch for batches in ranks for batch in batches])
    local = by_index(evaluation_batches(ShardSet(toy), "train", view, 4))
    assert len(remote) == 23 and all(same(*pair) for pair in zip(remote, local))


def test_fewer_shards_than_workers_is_refused_with_the_numbers(url, random_view):
    with pytest.raises(UserError, match="has 4 shards, fewer than 2 ranks × 3 workers = 6"):
        RemoteTrainStream(url, "train", random_view, 6, seed=0, world=2, workers=3)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("part", ["header", "data", "padding"])
def test_a_shard_that_was_cut_on_the_server_is_an_error(toy, url, random_view, workers, part):
    """webdataset alone ends such a shard without a word when the cut falls between two members."""
    path = toy / "train-00002.tar"
    index = json_index(toy, "train-00002")
    length = {"header": index[3, 0] - 100, "data": index[3, 0] + 100, "padding": path.stat().st_size - 600}[
        part
    ]
    os.truncate(path, int(length))
    stream = RemoteTrainStream(url, "train", random_view, 23, seed=0, workers=workers)
    with pytest.raises(
        UserError, match=r"train-00002.tar: truncated: \d+ bytes there, shards.jsonl says"
    ) as caught:
        take(stream, 1)
    assert "\n" not in str(caught.value)


def json_index(folder, name):
    import numpy as np

    return np.load(folder / f"{name}.index.npy")


def test_a_changed_byte_is_an_error(toy, url, random_view):
    path = toy / "train-00001.tar"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in the padding, where no parser looks
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00001.tar: damaged: its sha256"):
        take(RemoteTrainStream(url, "train", random_view, 23, seed=0), 1)


def test_a_tar_that_ends_early_inside_is_an_error(toy, url, random_view):
    """Right length, right hash, but the archive ends after two samples."""
    import hashlib

    path = toy / "train-00003.tar"
    content = bytearray(path.read_bytes())
    at = int(json_index(toy, "train-00003")[2, 0]) - 512
    content[at : at + 1024] = bytes(1024)
    path.write_bytes(content)
    lines = [json.loads(line) for line in (toy / "shards.jsonl").read_text().splitlines()]
    for line in lines:
        if line["name"] == "train-00003":
            line["sha256"] = hashlib.sha256(content).hexdigest()
    (toy / "shards.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=r"train-00003.tar: damaged: it holds 2 samples, shards.jsonl says 5"):
        take(RemoteTrainStream(url, "train", random_view, 23, seed=0), 1)


class Flaky(Quiet):
    """Breaks every connection after 5,000 bytes of a shard's body; knows ranges if told so."""

    ranges = False
    broken = 0

    def do_GET(self):
        if not self.path.endswith(".tar"):
            return super().do_GET()
        content = Path(self.translate_path(self.path)).read_bytes()
        start = 0
        if self.ranges and (wanted := self.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        first = not self.headers.get("Range")
        self.wfile.write(content[start : start + 5000] if first else content[start:])
        if first:
            type(self).broken += 1
            self.close_connection = True
        return None


class FlakyWithRanges(Flaky):
    ranges = True


@pytest.mark.parametrize("handler", [Flaky, FlakyWithRanges])
def test_a_broken_connection_is_taken_up_again(toy, random_view, same, handler):
    handler.broken = 0
    with serving(toy, handler) as url:
        remote = take(RemoteTrainStream(url, "train", random_view, 23, seed=4), 1)
    assert handler.broken == 4
    local = take(TrainStream(ShardSet(toy), "train", random_view, 23, seed=4), 1)
    assert all(same(*pair) for pair in zip(by_index(local), by_index(remote), strict=True))


class Hopeless(Flaky):
    def do_GET(self):
        if ".tar" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", str(Path(self.translate_path(self.path)).stat().st_size))
            self.end_headers()
            self.close_connection = True
            return None
        return super().do_GET()


def test_a_connection_that_keeps_breaking_gives_up(toy, random_view):
    with (
        serving(toy, Hopeless) as url,
        pytest.raises(UserError, match=r"train-0000\d.tar: truncated: 0 of \d+ bytes came"),
    ):
        take(RemoteTrainStream(url, "train", random_view, 23, seed=4), 1)


def test_unfinished_missing_and_damaged_sets(toy, url, random_view):
    with pytest.raises(UserError, match=r"manifest.json: the server says 404 .*unfinished build"):
        RemoteTrainStream(f"{url}/nothing", "train", random_view, 6, seed=0)
    with pytest.raises(UserError, match="no split 'test'; it has train, val"):
        RemoteTrainStream(url, "test", random_view, 6, seed=0)
    (toy / "train-00000.tar").unlink()
    with pytest.raises(UserError, match=r"train-00000.tar: .*404"):
        take(RemoteTrainStream(url, "train", random_view, 23, seed=0), 1)
    (toy / "shards.jsonl").write_text('{"name"')
    with pytest.raises(UserError, match="damaged"):
        RemoteTrainStream(url, "train", random_view, 6, seed=0)
    with pytest.raises(UserError, match="cannot be read"):
        RemoteTrainStream("http://127.0.0.1:1/set", "train", random_view, 6, seed=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named(tmp_path, write_shards, image_bytes, random_view, workers):
    def image(split, number):
        return "jpg", image_bytes(number)[: 200 if number == 4 else None]

    folder = write_shards(tmp_path / "bad", {"train": 12}, image=image)
    with (
        serving(folder) as url,
        pytest.raises(UserError, match=r"sample train-4 \(number 4, in train-00000.tar\)"),
    ):
        take(RemoteTrainStream(url, "train", random_view, 12, 0, workers=workers), 1)


def test_a_config_with_a_url_opens_a_remote_stream(url, random_view):
    stream = open_batches(StreamConfig(shards=url), random_view, global_batch=6, seed=0)
    assert isinstance(stream, RemoteTrainStream) and stream.samples_per_epoch == 18


def test_webdataset_runs_in_its_secure_mode():
    """In a process where webdataset was imported first, too."""
    code = (
        "import webdataset, vemo.datasets.stream.remote as remote\n"
        "from webdataset import utils, gopen\n"
        "assert utils.enforce_security\n"
        "try: gopen('pipe:echo hello')\n"
        "except ValueError: print('refused')"
    )
    environment = {key: value for key, value in os.environ.items() if key != "WDS_SECURE"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "refused"
