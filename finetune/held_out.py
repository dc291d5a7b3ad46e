"""What a run chooses its checkpoint on and what it is measured on: opened, and kept apart from training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.stream import DataConfig, ShardSet, StreamConfig, open_shardset, sets_of
from ..foundation.errors import UserError
from ..pretrain.data import TrainingData
from .config import FinetuneConfig
from .views import count_without_person


@dataclass(frozen=True)
class HeldOut:
    """validation: (shards, split, numbers of the samples or None for all); test: the split, if any."""

    shards: ShardSet
    validation: tuple[ShardSet, str, Any]
    test: str | None


def open_held_out(config: FinetuneConfig, data: TrainingData) -> HeldOut:
    """Raises UserError: no such split, an empty one, or one that is trained on."""
    settings = config.evaluation
    folder = settings.shards or _only_folder(config.data)
    same = next((each for each in sets_of(config.data) if Path(each.shards) == Path(folder)), None)
    shards = ShardSet(folder) if same is None else open_shardset(same)  # with its sidecars and spaces
    for split in filter(None, (settings.validation_split, settings.test_split)):
        if split not in shards.splits or shards.count(split) == 0:
            raise UserError(f"{folder}: no split {split!r} to evaluate on, only {', '.join(shards.splits)}")
    trained = {each.split for each in sets_of(config.data) if Path(each.shards) == Path(folder)}
    if both := trained & {settings.validation_split, settings.test_split}:
        raise UserError(
            f"{folder}: split {both.pop()!r} is trained on, so nothing can be chosen or measured on it"
        )
    validation = settings.validation_split
    return HeldOut(shards, (shards, validation, None) if validation else data.held_out(), settings.test_split)


def without_person(
    config: FinetuneConfig, data: TrainingData, held_out: HeldOut
) -> dict[str, dict[str, int]] | None:
    """What is trained and measured on: how many samples, and how many of them show no person (None: nobody
    asks). UserError where no training sample shows one."""
    if config.person == "none":
        return None
    found = {"train": count_without_person(data.records(), config.view)}
    for split in filter(None, (config.evaluation.validation_split, held_out.test)):
        found[split] = count_without_person(held_out.shards.records(split), config.view)
    if found["train"]["samples"] == found["train"]["without"]:
        raise UserError(
            f"person={config.person}: none of the {found['train']['samples']} records to train on has a box "
            "that can be shown; build a set of persons (configs/datasets/persons.yaml), join what a detector "
            "found (data.sidecars=[persons]), or use person=none"
        )
    return found


def _only_folder(data: DataConfig) -> Path:
    if not isinstance(data, StreamConfig) or isinstance(data.shards, str):
        raise UserError("evaluation.shards must be a local folder where data is a URL or a mixture")
    return data.shards
