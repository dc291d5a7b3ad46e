"""The whole way with the real FiftyOne and MongoDB: open, edit as the App does (over HTTP), write the edits,
train on them. No browser. Also what guards the layout of documents, which is FiftyOne's own."""

import io
import json
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from vemo.datasets.sidecars import Description, Maker, write_sidecar
from vemo.datasets.stream import ShardSet, TrainStream
from vemo.evaluation.predictions import Predictions, save_predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]  # a dozen starts of FiftyOne, 5 CPU seconds each


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


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
    first = {
        "id": "toy/train_0",
        "split": "train",
        "priority": 0.9,
        "why": "probe says fear 0.90, label says awe",
    }
    queue = first | {"labelled": "awe", "looks like": "fear", "batch": 1}
    (shards / "audit/review.jsonl").write_text(json.dumps(queue) + "\n")
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


def test_the_whole_way(config: Path, opened, edits, tmp_path: Path) -> None:
    session = opened(config)
    assert session.count == 7
    assert session.views() == {
        "Doubtful first", "Label next", "Model errors, the surest first", "Raters disagree most", "Copies",
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


def test_what_is_refused_and_what_is_kept(config: Path, opened, edits, tmp_path: Path) -> None:
    session = opened(config)
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

    with pytest.raises(AssertionError, match="1 samples were touched since"):
        opened(config)  # the shard set's edits have changed since it was loaded
    before = own.read_bytes()
    assert edits(config, str(own)).returncode == 0
    assert len(own.read_bytes().splitlines()) == len(before.splitlines()) + 1

    second = opened(config)
    assert second.find("toy/train_3")["emotion"]["label"] == "anger"
    assert second.find("toy/train_4")["review_status"] == "reject" and second.count == 7
    second.patch("toy/train_2", emotion__label="fear")
    assert edits(config, str(own), rater="ben").returncode == 0
    assert [each["by"] for each in lines(own)] == ["ann"] * 4 + ["ben"], "what was loaded goes on holding"
    second.end(signal.SIGINT)
    assert second.process.returncode == 0


def test_many_at_once_and_back(config: Path, opened, edits, tmp_path: Path) -> None:
    """The plugin's operators, and who sat there; scores of FiftyOne Brain are no edits."""
    brained = config.with_name("brain.yaml")
    brained.write_text(config.read_text() + "brain: true\n")
    session = opened(brained, "--rater", "cyd")
    first = session.find("toy/train_0")
    assert first["uniqueness"] is not None and "representativeness" not in first, "seven are too few"
    assert session.find("toy/test_1")["mistakenness"] > session.find("toy/test_0")["mistakenness"]
    assert session.find("toy/test_0")["hardness"] > 0
    near = [session.find(each)["alike"] for each in ("toy/train_3", "toy/train_4", "toy/train_0")]
    assert near[0] == near[1] is not None and near[2] != near[0], "cosine distances of 0.005 and 0.57"
    schemas = session.dataset["label_schemas"]
    assert schemas["emotion"]["component"] == "radio" and schemas["valence"]["component"] == "slider"
    assert set(session.dataset["active_label_schemas"]) >= {"emotion", "attributes.objects", "review_status"}

    three = ["toy/train_0", "toy/train_1", "toy/test_0"]
    assert session.operate("relabel", three, label="fear", reason="dark") == {"changed": 3}
    assert session.operate("relabel", three, label="fear", reason="dark") == {"changed": 0}
    assert session.operate("review", three[:1], status="accept") == {"changed": 1}
    assert session.operate("review", three[1:], status="reject") == {"changed": 2}
    session.patch("toy/test_0", review_status="unsure")
    assert session.operate("undo", []) == {"restored": 1, "left": 1}
    assert session.operate("relabel", [], label="awe") == {"changed": 0}, "nothing is selected"
    assert "Invalid enum value" in session.operate("relabel", three, label="joy")["error"]
    assert session.operate("next_batch", [], count=3) == {"shown": 3}
    session.operate("progress", [], __method__="on_load", panel_id="one", panel_state={})
    panel = json.dumps(session.said)
    assert "2 of 7 reviewed**: 1 accept, 0 reject, 1 unsure" in panel and "now at work: cyd" in panel
    assert "agree on 0 of 2" in panel and "| fear | awe | 1 |" in panel
    done = edits(brained, "cyd.jsonl", rater="somebody else")
    assert done.returncode == 0 and "not written" not in done.stdout, done.stderr
    found = [(each["id"], each["set"], each["why"], each["by"]) for each in lines(tmp_path / "cyd.jsonl")]
    fear, status = {"labels.mikels8.class": "fear"}, "attributes.review_status"
    assert found == [
        ("toy/train_0", {status: "accept", **fear}, "dark", "cyd"),
        ("toy/train_1", fear, "dark", "cyd"),
        ("toy/test_0", {status: "unsure", **fear}, "dark", "cyd"),
    ]


def test_a_blind_second_rating_with_gold(config: Path, opened, edits, tmp_path: Path) -> None:
    gold = {"id": "toy/test_0", "set": {"labels.mikels8.class": "awe"}}
    (tmp_path / "gold.jsonl").write_text(json.dumps(gold) + "\n")
    blind = config.with_name("blind.yaml")
    blind.write_text(config.read_text() + "blind: true\ngold: gold.jsonl\n")
    session = opened(blind, "--rater", "ben")
    shown = session.find("test 0")
    assert shown["emotion"] is None and "looks_like" not in shown and "prediction" not in shown
    assert session.views() == {
        "No person found",
        "Licence restricts use",
        "Has light",
        "Has objects",
        "Edited",
    }
    assert session.operate("relabel", ["test 0", "train 1"], label="awe") == {"changed": 2}
    mongod = next(child for child in session.family if "mongod" in child.name())
    mongod.kill()  # right after the App had its answer: nothing that was saved is lost
    session.end(signal.SIGTERM)
    assert edits(blind, "ben.jsonl", rater="").returncode == 0
    found = lines(tmp_path / "ben.jsonl")
    assert [(each["id"], each["set"], each["was"]) for each in found] == [
        ("toy/train_1", {"labels.mikels8.class": "awe"}, {"labels.mikels8.class": "awe"}),
        ("toy/test_0", {"labels.mikels8.class": "awe"}, {"labels.mikels8.class": "awe"}),
    ]
    assert all(each["blind"] is True and each["by"] == "ben" for each in found)
    assert "gold" not in found[0] and found[1]["gold"] is True
