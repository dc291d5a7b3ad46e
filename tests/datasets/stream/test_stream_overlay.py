"""People's edits, applied as records are read."""

import json

import pytest
from vemo.datasets.stream import (
    MixtureConfig,
    ShardSet,
    StreamConfig,
    TrainStream,
    open_batches,
    open_mixture,
    open_shardset,
    read_overlay,
)
from vemo.foundation import UserError


def write(toy, *edits, name="overrides.jsonl"):
    (toy / name).write_text("".join(json.dumps(edit) + "\n" for edit in edits))
    return toy / name


def edit(number, values, by="ann"):
    return {"id": f"toy/train-{number}", "set": values, "by": by, "when": "2026-11-23", "why": "test"}


def test_the_last_edit_wins_and_all_are_kept(toy):
    write(
        toy,
        edit(2, {"labels.mikels8.class": "fear", "vad.valence": -0.5}),
        edit(2, {"labels.mikels8.class": "anger"}, by="ben"),
    )
    shards = ShardSet(toy)
    record, _ = shards.read("train", 2)
    assert record["labels"] == {"mikels8": {"class": "anger"}} and record["vad"] == {"valence": -0.5}
    assert [each["by"] for each in record["overrides"]] == ["ann", "ben"]
    assert record["overrides"][0]["set"]["labels.mikels8.class"] == "fear"
    assert "overrides" not in shards.record("train", 3)


def test_null_removes_what_is_known(toy):
    write(toy, edit(1, {"labels.mikels8": None}))
    assert ShardSet(toy).record("train", 1)["labels"] == {}


def test_values_are_not_shared_between_records(toy):
    write(toy, edit(1, {"persons": [{"box": [0, 0, 1, 1]}]}))
    shards = ShardSet(toy)
    shards.record("train", 1)["persons"].clear()
    assert len(shards.record("train", 1)["persons"]) == 1


class NameView:
    def __call__(self, image_loader, record, seed):
        return {"name": record["labels"]["mikels8"]["class"]}


def test_streams_see_edits_also_in_workers(toy):
    write(toy, edit(2, {"labels.mikels8.class": "fear"}))
    batch = next(TrainStream(ShardSet(toy), "train", NameView(), 23, 0, workers=1).batches())
    assert batch["name"][batch["index"].tolist().index(2)] == "fear" and batch["name"].count("awe") == 22


def test_edits_change_the_fingerprint(toy):
    plain = ShardSet(toy).fingerprint
    write(toy, edit(2, {"vad.valence": 0.1}))
    assert ShardSet(toy).fingerprint != plain


def test_an_overlay_may_lie_elsewhere(toy, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(edit(0, {"vad.valence": 1})))
    assert ShardSet(toy, [path]).record("train", 0)["vad"] == {"valence": 1}
    with pytest.raises(UserError, match="cannot read the overlay"):
        ShardSet(toy, [tmp_path / "none.jsonl"])


def test_unknown_ids_are_reported(toy, caplog):
    write(toy, edit(0, {"a": 1}), edit(99, {"a": 1}))
    shards = ShardSet(toy)
    assert "edits 1 ids that" in caplog.text and "toy/train-99" in caplog.text
    assert shards.overlays[0].unknown(record["id"] for record in shards.records("train")) == ["toy/train-99"]


def test_a_line_cut_off_by_a_crash_is_passed_over_aloud(toy, caplog):
    (toy / "overrides.jsonl").write_text(json.dumps(edit(0, {"a": 1})) + '\n{"id": "toy/tr')
    assert ShardSet(toy).record("train", 0)["a"] == 1
    assert "line 2 is damaged" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"set": {"a": 1}}, 'line 1: an edit needs an "id"'),
        ({"id": "x"}, 'an edit needs "set"'),
        ({"id": "x", "set": {"id": "y"}}, "'id' cannot be set"),
        ({"id": "x", "set": {"overrides.by": "y"}}, "cannot be set"),
        ({"id": "x", "set": {"labels..class": "y"}}, "cannot be set"),
        ({"id": "x", "set": {"n": 1}, "by": 7}, '"by" is 7, which is not text'),
        ({"id": "x", "set": {"n": 1}, "blind": "yes"}, "which is not true or false"),
    ],
)
def test_edits_that_make_no_sense(tmp_path, line, message):
    path = tmp_path / "overrides.jsonl"
    path.write_text(json.dumps(line))
    with pytest.raises(UserError, match=message):
        read_overlay(path)


def test_a_path_through_a_value_is_refused(toy):
    write(toy, edit(0, {"labels.mikels8.class.name": "fear"}))
    with pytest.raises(
        UserError, match=r"toy/train-0: labels.mikels8.class.name: class holds no named values"
    ):
        ShardSet(toy).record("train", 0)


def test_overlays_apply_after_the_folders_own_and_the_later_wins_key_by_key(toy):
    write(toy, edit(2, {"labels.mikels8.class": "fear", "vad.valence": -0.5}), edit(3, {"n": 0}))
    first = write(toy, edit(2, {"labels.mikels8.class": "anger", "n": 7}, by="ben"), name="first.jsonl")
    second = write(toy, edit(2, {"n": 8}, by="cyd"), name="second.jsonl")
    shards = open_shardset(StreamConfig(shards=toy, overlays=[first, second]))
    record = shards.record("train", 2)
    assert record["labels"] == {"mikels8": {"class": "anger"}}
    assert (record["vad"], record["n"]) == ({"valence": -0.5}, 8)
    assert [each["by"] for each in record["overrides"]] == ["ann", "ben", "cyd"]
    assert shards.record("train", 3)["n"] == 0
    assert ShardSet(toy, [second, first]).record("train", 2)["n"] == 7


def test_every_overlay_and_their_order_are_part_of_what_the_data_is(toy):
    one = write(toy, edit(2, {"n": 7}), name="one.jsonl")
    two = write(toy, edit(2, {"n": 8}), name="two.jsonl")

    def fingerprints(*overlays):
        part = {"shards": toy, "overlays": overlays}
        return ShardSet(toy, overlays).fingerprint, open_mixture(
            MixtureConfig(mixture={"a": part})
        ).fingerprint

    found = [fingerprints(*each) for each in ((), (one,), (two,), (one, two), (two, one))]
    assert len(set(found)) == 5 and fingerprints(one, two) == found[3]
    assert len({mixture for _, mixture in found}) == 5
    write(toy, edit(2, {"n": 9}), name="two.jsonl")
    assert fingerprints(one, two)[0] != found[3][0] and fingerprints(one) == found[1]
    assert {ShardSet(toy, each).shards_fingerprint for each in ((), (one,))} == {found[0][0]}


def test_one_overlay_has_the_fingerprint_it_had_in_the_folder(toy):
    beside = write(toy, edit(2, {"n": 7}), name="one.jsonl")
    there = ShardSet(toy, [beside]).fingerprint
    beside.rename(toy / "overrides.jsonl")
    assert ShardSet(toy).fingerprint == there


def test_an_overlay_that_is_applied_already_is_refused(toy):
    own = write(toy, edit(2, {"n": 7}))
    with pytest.raises(UserError, match=r"the same edits as .*overrides\.jsonl"):
        ShardSet(toy, [own])
    empty = [write(toy, name=f"{name}.jsonl") for name in "ab"]
    assert ShardSet(toy, empty).record("train", 2)["n"] == 7  # who edits nothing is no copy of the other


def test_overlays_are_refused_for_a_url(toy):
    config = StreamConfig(shards="https://host/set", overlays=[toy / "one.jsonl"])
    with pytest.raises(UserError, match=r"overlays need a local shard set.*vemo shards apply"):
        open_batches(config, NameView(), global_batch=2, seed=0)


def test_what_an_overlay_says_of_itself(toy):
    signed = {
        **edit(1, {"labels.fer7.class": "happiness", "n": 1}),
        "session": "a",
        "blind": True,
        "gold": False,
    }
    unsigned = {"id": "toy/train-1", "set": {"labels.ekman6": None}}
    overlay = read_overlay(write(toy, signed, unsigned, edit(2, {"n": 1}, by="ben")))
    counts = {"samples": 2, "edits": 3, "raters": {"ann": 1, "ben": 1}}
    assert overlay.facts() == {"file": "overrides.jsonl", "sha256": overlay.sha256, **counts}
    assert overlay.spaces == {"fer7", "ekman6"}
