"""Labels of further spaces, derived as records are read."""

import functools
import http.server
import json
import threading

import pytest
from vemo.datasets.stream import ShardSet, StreamConfig, TrainStream, open_batches, open_shardset
from vemo.datasets.stream.derived import derive, label_maps
from vemo.foundation import UserError


def labels(own, spaces, **record):
    record |= {"labels": own}
    derive(record, label_maps(spaces))
    return record["labels"]


def test_flags_decide_who_gets_a_label():
    """Exact and lossy rows do; ambiguous (awe) and dropped ones (something else) do not."""
    spaces = {"mikels8": "ekman7", "artemis9": "mikels8"}
    assert labels({"mikels8": {"class": "fear"}}, spaces)["ekman7"] == {"class": "fear"}
    assert labels({"mikels8": {"class": "amusement"}}, spaces)["ekman7"] == {"class": "joy"}
    assert labels({"mikels8": {"class": "awe"}}, spaces) == {"mikels8": {"class": "awe"}}
    assert labels({"artemis9": {"class": "something else"}}, spaces).keys() == {"artemis9"}
    assert labels({}, spaces) == {}


def test_own_labels_are_kept_and_maps_start_from_them():
    own = {"mikels8": {"class": "fear"}, "ekman7": {"class": "joy"}}
    assert labels(own, {"mikels8": "ekman7"}) == own
    chained = labels({"mikels8": {"class": "fear"}}, {"mikels8": "ekman7", "ekman7": "polarity2"})
    assert chained.keys() == {"mikels8", "ekman7"}


def test_one_space_may_give_several_and_several_one():
    spaces = {"mikels8": ("ekman7", "polarity2"), "fer7": "polarity2"}
    assert labels({"mikels8": {"class": "fear"}, "fer7": {"class": "happiness"}}, spaces) == {
        "mikels8": {"class": "fear"},
        "fer7": {"class": "happiness"},
        "ekman7": {"class": "fear"},
        "polarity2": {"class": "negative"},
    }
    only = labels({"fer7": {"class": "happiness"}}, spaces)
    assert only["polarity2"] == {"class": "positive"}


def test_a_continuous_space_goes_where_records_keep_it():
    record = {"labels": {"mikels8": {"class": "fear"}}}
    derive(record, label_maps({"mikels8": "vad"}))
    assert record == {
        "labels": {"mikels8": {"class": "fear"}},
        "vad": {"valence": -0.6, "arousal": 0.7},
    }
    own = {"labels": {"mikels8": {"class": "fear"}}, "vad": {"valence": 0.5}}
    derive(own, label_maps({"mikels8": "vad"}))
    assert own["vad"] == {"valence": 0.5}


class LabelView:
    def __call__(self, image_loader, record, seed):
        return {
            "label": record["labels"].get("ekman7", {}).get("class", "-"),
            "own": record["labels"]["mikels8"]["class"],
        }


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_shows_them_after_edits(toy, workers):
    (toy / "overrides.jsonl").write_text(
        json.dumps({"id": "toy/train-2", "set": {"labels.mikels8.class": "fear"}})
    )
    config = StreamConfig(shards=toy, spaces={"mikels8": "ekman7"}, workers=workers)
    batch = next(open_batches(config, LabelView(), global_batch=23, seed=0).batches(0))
    place = batch["index"].tolist().index(2)
    assert batch["label"][place] == batch["own"][place] == "fear"
    assert batch["label"].count("-") == 22 == batch["own"].count("awe")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_a_remote_stream_shows_them_too(toy):
    handler = functools.partial(Quiet, directory=toy)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = StreamConfig(shards=url, spaces={"mikels8": "polarity2"})
        batch = next(open_batches(config, PolarityView(), global_batch=23, seed=0).batches(0))
        server.shutdown()
    assert batch["polarity"] == ["positive"] * 23


class PolarityView:
    def __call__(self, image_loader, record, seed):
        return {"polarity": record["labels"]["polarity2"]["class"]}


def test_they_change_nothing_else(toy, random_view, same):
    plain, derived = ShardSet(toy), open_shardset(StreamConfig(shards=toy, spaces={"mikels8": "polarity2"}))
    assert (
        plain.fingerprint
        != derived.fingerprint
        == ShardSet(toy, spaces={"mikels8": ["polarity2"]}).fingerprint
    )
    assert plain.fingerprint == ShardSet(toy, spaces={}).fingerprint
    batches = [next(TrainStream(each, "train", random_view, 23, 0).batches()) for each in (plain, derived)]
    assert same(*batches)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        (
            {"mikels8": "fer8"},
            "toy: spaces: no label map mikels8 → fer8; from mikels8 there are artemis9, ekman6",
        ),
        ({"mikels8": "ekmn7"}, "toy: spaces: no label space 'ekmn7' .did you mean ekman7?"),
        ({"polarity2": "mikels8"}, "no label map polarity2 → mikels8; "),
    ],
)
def test_a_map_that_does_not_exist_is_refused_with_those_that_do(toy, spaces, message):
    with pytest.raises(UserError, match=message):
        ShardSet(toy, spaces=spaces)


def test_a_space_that_the_set_has_not_is_refused(pack_records):
    folder = pack_records({"train": [{"labels": {"mikels8": {"class": "awe"}}}]})
    with pytest.raises(UserError, match="spaces: it has no labels of fer7, only of mikels8"):
        ShardSet(folder, spaces={"fer7": "polarity2"})
    assert ShardSet(folder, spaces={"mikels8": "polarity2"}).record("train", 0)["labels"].keys() == {
        "mikels8",
        "polarity2",
    }


def test_a_label_that_is_none_of_its_space_names_the_record(toy):
    edit = {"id": "toy/train-2", "set": {"labels.mikels8.class": "bliss"}}
    (toy / "overrides.jsonl").write_text(json.dumps(edit))
    with pytest.raises(UserError, match=r"train-00000\.tar: toy/train-2: label space mikels8 has no 'bliss'"):
        ShardSet(toy, spaces={"mikels8": "ekman7"}).record("train", 2)
