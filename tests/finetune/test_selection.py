"""A checkpoint chosen on what the training split holds out; one remedy against unequal counts at a time."""

import json

import pytest
import torch
from vemo.datasets.stream import SelectionConfig, ShardSet, held_out
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.run import finetune
from vemo.foundation import UserError
from vemo.foundation.config import load_config


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


GIVEN = ["out=x", "encoder=x", "data={shards: x}", "heads={a: {kind: single, space: mikels8}}"]
BALANCED = "data.select={space: mikels8, balanced: true}"
MIXED = "data={mixture: {b: {shards: x, select: {space: mikels8, hold_out: 0.1, balanced: true}}}}"


def config_of(shards, release, out, select, epochs=2, **data):
    return FinetuneConfig.model_validate(
        {
            "out": out,
            "encoder": str(release),
            "heads": {"emotion": {"kind": "single", "space": "mikels8"}},
            "data": {"shards": shards, "select": select, **data},
            "evaluation": {"validation_split": None},
            "training": {"epochs": epochs, "batch_size": 10, "device": "cpu"},
        }
    )


def test_a_checkpoint_is_chosen_on_the_hold_out(shards, release, tmp_path, monkeypatch):
    read = []
    original = ShardSet.read

    def spy(self, split, index):
        read.append((split, index))
        return original(self, split, index)

    monkeypatch.setattr(ShardSet, "read", spy)
    select = {"space": "mikels8", "hold_out": 0.3, "balanced": True}
    folder = finetune(config_of(shards, release, tmp_path / "run", select))
    about = json.loads((folder / "model.json").read_text())
    assert about["chosen"]["by"] == "hold_out_emotion_macro_f1"
    assert about["data"]["select"]["hold_out"] == 0.3 and about["evaluation"]["validation_split"] is None
    out = set(held_out(ShardSet(shards), "train", SelectionConfig(hold_out=0.3)).tolist())
    assert 4 <= len(out) <= 20
    seen = [index for split, index in read if split == "train"]
    # Held-out samples are read by two evaluations and once at the end, and never to train on.
    assert {index for index in out if seen.count(index) == 3} == out
    assert {split for split, _ in read} == {"train", "test"}


def test_a_changed_selection_is_not_resumed(shards, release, tmp_path):
    select = {"space": "mikels8", "hold_out": 0.3}
    finetune(config_of(shards, release, tmp_path / "run", select, epochs=1))
    with pytest.raises(UserError, match=r"data\.select\.hold_out"):
        finetune(config_of(shards, release, tmp_path / "run", {**select, "hold_out": 0.4}))


def test_labels_are_counted_in_what_is_trained_on(shards, release):
    from vemo.pretrain.data import open_data

    select = {"space": "mikels8", "hold_out": 0.3, "fraction": 0.5}
    data = open_data(config_of(shards, release, "x", select).data)
    few = [record["id"] for record in data.records()]
    assert len(few) == data.facts()["samples"] < 20
    _, split, numbers = data.held_out()
    assert not set(few) & {ShardSet(shards).record(split, number)["id"] for number in numbers.tolist()}


def test_a_hold_out_of_nothing_is_refused(shards, release, tmp_path):
    with pytest.raises(UserError, match="hold_out holds out no group of split 'train'; raise it"):
        finetune(config_of(shards, release, tmp_path / "run", {"hold_out": 1e-9}))


def test_a_derived_space_is_chosen_on_the_hold_out(shards, release, tmp_path):
    """The held-out samples get the labels that the training samples get."""
    config = config_of(shards, release, tmp_path / "run", {"hold_out": 0.3}, spaces={"mikels8": "polarity2"})
    heads = {"tone": {"kind": "single", "space": "polarity2"}}
    evaluation = {"validation_split": None, "test_split": None}
    whole = {**config.model_dump(exclude_unset=True), "heads": heads, "evaluation": evaluation}
    about = json.loads((finetune(FinetuneConfig.model_validate(whole)) / "model.json").read_text())
    assert about["chosen"]["by"] == "hold_out_tone_macro_f1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["evaluation.validation_split="], "set data.select.hold_out above 0"),
        (["evaluation.validation_split=", "data.select.seed=1"], "set data.select.hold_out above 0"),
        (
            ["evaluation.validation_split=", "data.shards=https://host/set", "data.select.hold_out=0.1"],
            "of one local shard set",
        ),
        (["evaluation.validation_split=", MIXED], "of one local shard set"),
        ([BALANCED, "heads.a.imbalance=weights"], "balanced and heads.a.imbalance=weights both act"),
        ([BALANCED, "heads.a.imbalance=logit_adjustment"], "imbalance=logit_adjustment both act"),
        (
            [MIXED, "heads.a.imbalance=weights"],
            "keep one of balanced sampling, weights and logit_adjustment",
        ),
    ],
)
def test_what_does_not_go_together_is_said(changes, message):
    with pytest.raises(UserError) as caught:
        load_config(FinetuneConfig, None, [*GIVEN, *changes])
    assert message in str(caught.value) and "1 problem" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        [BALANCED],
        ["heads.a.imbalance=weights", "data.select.hold_out=0.1", "evaluation.validation_split="],
        [BALANCED, "heads={a: {kind: vad}}"],
    ],
)
def test_what_goes_together(changes):
    load_config(FinetuneConfig, None, [*GIVEN, *changes])
