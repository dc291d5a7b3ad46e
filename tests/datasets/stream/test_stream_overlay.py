"""People's edits, applied as records are read."""

import json

import pytest
from vemo.datasets.stream import ShardSet, TrainStream, read_overlay
from vemo.foundation import UserError


def write(toy, *edits):
    (toy / "overrides.jsonl").write_text("".join(json.dumps(edit) + "\n" for edit in edits))


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
    assert ShardSet(toy, overlay=path).record("train", 0)["vad"] == {"valence": 1}
    with pytest.raises(UserError, match="cannot read the overlay"):
        ShardSet(toy, overlay=tmp_path / "none.jsonl")


def test_unknown_ids_are_reported(toy, caplog):
    write(toy, edit(0, {"a": 1}), edit(99, {"a": 1}))
    shards = ShardSet(toy)
    assert "edits 1 ids that" in caplog.text and "toy/train-99" in caplog.text
    assert shards.overlay.unknown(record["id"] for record in shards.records("train")) == ["toy/train-99"]


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
