"""The whole way with the real FiftyOne and MongoDB: open, edit as the App does (over HTTP), write the edits,
train on them. No browser. Also what guards the layout of documents, which is FiftyOne's own."""

import io
import json
import signal
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml
from vemo.datasets.sidecars import Description, Maker, write_sidecar
from vemo.datasets.stream import ShardSet, TrainStream
from vemo.evaluation.predictions import Predictions, save_predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]  # a dozen starts of FiftyOne, 5 CPU seconds each
VEMO = [sys.executable, "-c", "import sys; from vemo.cli import main; sys.exit(main())"]
PATIENCE = 400.0


class Session:
    """`vemo curate open` of a config in a process of its own, and what the App would do to it."""

    def __init__(self, config: Path) -> None:
        self.config, self.folder = config, config.parent
        command = [*VEMO, "curate", "open", str(config)]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " samples: http://127.0.0.1:" in line, self.process.communicate()[1]
        self.count = int(line.split()[0])
        self.app = line.split()[2].partition("/datasets/")[0]
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.connect()

    def connect(self) -> None:
        import pymongo  # comes with FiftyOne

        port = json.loads((self.folder / "home/database/address.json").read_text())["port"]
        self.client = pymongo.MongoClient("127.0.0.1", port)
        self.dataset = self.client["vemo"]["datasets"].find_one({"name": "toy"})
        self.samples = self.client["vemo"][self.dataset["sample_collection_name"]]

    def find(self, identifier: str) -> dict[str, Any]:
        found = self.samples.find_one({"identifier": identifier})
        assert found is not None, identifier
        return found

    def patch(self, identifier: str, **values: Any) -> None:
        """What the Annotate tab sends; `__` stands for a slash."""
        found = self.find(identifier)
        path = f"{self.app}/dataset/{self.dataset['_id']}/sample/{found['_id']}"
        changes = [
            {"op": "replace", "path": f"/{name.replace('__', '/')}", "value": value}
            for name, value in values.items()
        ]
        headers = {
            "Content-Type": "application/json-patch+json",
            "If-Match": f'"{found["last_modified_at"].isoformat()}"',
        }
        self.send(urllib.request.Request(path, json.dumps(changes).encode(), headers, method="PATCH"))

    def tag(self, identifier: str, tag: str) -> None:
        """What the grid's tagger sends."""
        asked = {"dataset": "toy", "view": [], "changes": {tag: True}}
        asked["sample_ids"] = [str(self.find(identifier)["_id"])]
        headers = {"Content-Type": "application/json"}
        self.send(urllib.request.Request(f"{self.app}/tag", json.dumps(asked).encode(), headers))

    def send(self, request: urllib.request.Request) -> None:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 200

    def views(self) -> set[str]:
        views = self.client["vemo"]["views"]
        return {views.find_one({"_id": each})["name"] for each in self.dataset["saved_views"]}

    def end(self, number: int) -> None:
        self.client.close()
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        _, alive = psutil.wait_procs(self.family, timeout=60)
        assert not alive, "processes outlive the command"


def edits(config: Path, out: str, *more: str, rater: str = "ann") -> subprocess.CompletedProcess[str]:
    command = [*VEMO, "curate", "edits", str(config), out, "--rater", rater, *more]
    return subprocess.run(
        command, cwd=config.parent, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    """Whatever is still open in the end is closed."""
    opened: list[Session] = []
    yield opened
    for session in opened:
        if session.process.poll() is None:
            session.end(signal.SIGTERM)


@pytest.fixture
def config(real_mongod: Path, pack, tmp_path: Path, monkeypatch) -> Path:
    """Five training and two test samples of several kinds, an audit and predictions, ready to be opened."""
    monkeypatch.setenv("MONGOD_BIN", str(real_mongod))
    awe = {"labels": {"mikels8": {"class": "awe"}}}
    shards = pack(
        {
            "train": [
                awe,
                {**awe, "vad": {"valence": 0.5}, "attributes": {"objects": ["dog", "cat"], "light": 0.5}},
                {"labels": {"mikels8": {"votes": [3, 1, 0, 0, 0, 0, 0, 0]}}},
                {**awe, "persons": [{"box": [1, 1, 4, 4], "score": 0.5}], "attributes": {"light": 1}},
                {"persons": []},
            ],
            "test": [{**awe, "captions": [{"text": "words", "emotion": "awe"}]}, awe],
        }
    )
    (shards / "audit").mkdir()
    doubt = {"id": "toy/train_0", "split": "train", "labelled": "awe", "looks like": "fear", "quality": 0.1}
    (shards / "audit/doubts.jsonl").write_text(json.dumps(doubt) + "\n")
    pair = [{"id": "toy/train_0", "split": "train"}, {"id": "toy/test_0", "split": "test"}]
    (shards / "audit/duplicates.jsonl").write_text(json.dumps({"kind": "near", "samples": pair}) + "\n")
    outputs, targets = torch.eye(8)[[1, 6]], torch.eye(8)[[1, 1]]
    names = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    predicted = Predictions(
        "single", "mikels8", names, ("toy/test_0", "toy/test_1"), ("a", "b"), outputs, targets
    )
    save_predictions(tmp_path / "test.safetensors", predicted)
    vectors = Description(
        name="vectors", kind="array", columns=("vectors",), dtype="float16", shape=(2, 3),
        made_by=Maker(name="test"), command="none",
    )  # fmt: skip
    rows = [np.array([[place, 0, 1], [place, 2, 1]], np.float16) for place in range(5)]
    write_sidecar(shards, vectors, lambda part: (rows[place] for place in part.places), workers=0)
    settings = {
        "shards": "toy", "folder": "home", "media": "media", "port": 0, "predictions": ["test.safetensors"],
        "embeddings": "vectors",
    }  # fmt: skip
    (tmp_path / "curate.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "curate.yaml"


def test_the_whole_way(config: Path, sessions: list[Session], tmp_path: Path) -> None:
    session = Session(config)
    sessions.append(session)
    assert session.count == 7
    assert session.views() == {
        "Doubtful labels first", "Model errors, the surest first", "Raters disagree most", "Copies",
        "Leaks between splits", "No person found", "Licence restricts use", "Emotion: awe",
        "Emotion: amusement", "Has objects", "Has light", "Edited",
    }  # fmt: skip
    for child in session.family:
        for connection in child.net_connections():
            assert connection.laddr.ip == "127.0.0.1"

    embedding = np.load(io.BytesIO(zlib.decompress(session.find("toy/train_3")["embedding"])))
    assert embedding.tolist() == [3, 1, 1] and "embeddings" in session.dataset["brain_methods"]
    said = session.find("toy/test_1")["prediction"]
    assert said["label"] == "fear" and said["confidence"] == pytest.approx(0.2797, abs=1e-4)
    assert session.find("toy/train_0")["looks_like"] == "fear" and session.find("toy/train_0")["leak"] is True

    nothing = edits(config, "none.jsonl")
    assert nothing.returncode == 0 and "0 edited samples" in nothing.stdout, nothing.stderr
    assert (tmp_path / "none.jsonl").read_bytes() == b""

    session.patch("toy/train_0", emotion__label="fear", review_comment="looks afraid")
    session.patch("toy/train_1", valence=-0.5, attributes__objects=["cat", "dog"])  # the order only
    session.patch("toy/train_2", emotion__label="awe")
    session.patch("toy/train_3", emotion__label="awe", review_status="accept")  # the label it has
    session.patch("toy/test_0", attributes__light=0.25)
    session.tag("toy/test_1", "odd")
    done = edits(config, "ann.jsonl")
    assert done.returncode == 0, done.stderr
    found = lines(tmp_path / "ann.jsonl")
    assert [(each["id"], each["set"]) for each in found] == [
        ("toy/train_0", {"attributes.review_comment": "looks afraid", "labels.mikels8.class": "fear"}),
        ("toy/train_1", {"vad.valence": -0.5}),
        ("toy/train_2", {"labels.mikels8": {"class": "awe"}}),
        ("toy/train_3", {"attributes.review_status": "accept"}),
        ("toy/test_0", {"attributes.light": 0.25}),
        ("toy/test_1", {"attributes.review_tags": ["odd"]}),
    ]
    assert found[0]["was"] == {"attributes.review_comment": None, "labels.mikels8.class": "awe"}
    assert {each["by"] for each in found} == {"ann"}

    written = (tmp_path / "ann.jsonl").read_bytes()
    session.end(signal.SIGKILL)  # nobody says goodbye, nothing is lost
    assert edits(config, "again.jsonl").returncode == 0
    assert (tmp_path / "again.jsonl").read_bytes() == written

    shards = ShardSet(tmp_path / "toy", overlays=[tmp_path / "ann.jsonl"])
    batch = next(TrainStream(shards, "train", NameView(), 5, 0).batches())
    assert dict(zip(batch["id"], batch["name"])) == {
        "toy/train_0": "fear", "toy/train_1": "awe", "toy/train_2": "awe", "toy/train_3": "awe",
        "toy/train_4": "",
    }  # fmt: skip


class NameView:
    def __call__(self, image_loader, record, seed):
        label = record.get("labels", {}).get("mikels8", {})
        return {"id": record["id"], "name": label.get("class", "")}


def test_what_is_refused_and_what_is_kept(config: Path, sessions: list[Session], tmp_path: Path) -> None:
    session = Session(config)
    sessions.append(session)
    session.patch("toy/train_0", emotion__label="joy")
    session.patch("toy/train_1", valence=7.0)
    refused = edits(config, "out.jsonl")
    assert refused.returncode == 2 and not (tmp_path / "out.jsonl").exists()
    assert "toy/train_0: mikels8 has no class 'joy'" in refused.stderr
    assert "toy/train_1: vad.valence" in refused.stderr and "has amusement, awe" in refused.stderr
    session.patch("toy/train_0", emotion__label="fear")
    session.patch("toy/train_1", valence=0.5)

    own = tmp_path / "toy/overrides.jsonl"  # the shard set's own: read by every stream
    assert edits(config, str(own)).returncode == 0
    session.patch("toy/train_3", emotion__label="anger")
    session.samples.delete_one({"identifier": "toy/train_4"})
    session.patch("toy/train_3", persons__detections__0__bounding_box=[0.0, 0.0, 0.5, 0.5])
    again = edits(config, str(own))  # of the same session: written anew
    assert again.returncode == 0, again.stderr
    assert "not written: boxes of persons in 1 samples" in again.stdout
    assert [(each["id"], each["set"]) for each in lines(own)] == [
        ("toy/train_0", {"labels.mikels8.class": "fear"}),
        ("toy/train_3", {"labels.mikels8.class": "anger"}),
        ("toy/train_4", {"attributes.review_status": "reject"}),
    ]
    (tmp_path / "mine.jsonl").write_text("{}\n")
    assert "choose another name" in edits(config, "mine.jsonl").stderr
    time.sleep(0.01)
    session.patch("toy/test_1", emotion__label="sadness")
    session.end(signal.SIGTERM)
    assert session.process.returncode == 128 + signal.SIGTERM

    command = [*VEMO, "curate", "open", str(config)]  # the shard set's edits have changed since it was loaded
    lost = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert lost.returncode == 2 and "1 samples were touched since" in lost.stderr, lost.stderr
    before = own.read_bytes()
    assert edits(config, str(own)).returncode == 0
    assert len(own.read_bytes().splitlines()) == len(before.splitlines()) + 1

    second = Session(config)
    sessions.append(second)
    assert second.find("toy/train_3")["emotion"]["label"] == "anger"
    assert second.find("toy/train_4")["review_status"] == "reject" and second.count == 7
    second.patch("toy/train_2", emotion__label="fear")
    assert edits(config, str(own), rater="ben").returncode == 0
    assert [each["by"] for each in lines(own)] == ["ann"] * 4 + ["ben"], "what was loaded goes on holding"
    second.end(signal.SIGINT)
    assert second.process.returncode == 0
