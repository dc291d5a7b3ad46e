"""A task with its data open: splits, what is asked of each sample, and what is known of the test samples."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.readers import describe_readers
from ...datasets.shards import BuildConfig
from ...datasets.stream import ShardSet
from ...datasets.stream.selection import SelectionConfig, held_out, selected
from ...foundation.config import load_config
from ...foundation.errors import UserError
from ..features import Features, group_of
from ..neighbours import as_outputs
from ..predictions import Predictions
from ..scoring import direction, flat_scores
from ..targets import Targets, target_of
from .config import SuiteConfig, TaskConfig

# Slices by attribute are shown where at least so many samples lie on either side.
SMALLEST_SLICE = 30


class MissingData(Exception):
    """The task's shards are not there; the message says how to get them."""


@dataclass(frozen=True)
class Task:
    """One benchmark, open."""

    name: str
    config: TaskConfig
    shards: ShardSet
    target: Targets

    def selection(self, fraction: float = 1.0, seed: int = 0) -> SelectionConfig:
        """What of the training split is trained on; the hold-out does not depend on `seed`."""
        return SelectionConfig(
            space=self.config.space,
            labelled=self.config.space is not None,
            fraction=fraction,
            seed=seed,
            hold_out=0.0 if self.config.validation_split else self.config.hold_out,
        )

    def training_ids(self, fraction: float = 1.0, seed: int = 0) -> set[str]:
        """The ids of what is trained on, with a label or without."""
        numbers = selected(self.shards, self.config.train_split, self.selection(fraction, seed))
        return self._ids(self.config.train_split, numbers)

    def held_out_ids(self) -> set[str]:
        """The ids that choose, where they are a part of the training split."""
        numbers = held_out(self.shards, self.config.train_split, self.selection())
        return self._ids(self.config.train_split, numbers)

    def _ids(self, split: str, numbers: np.ndarray) -> set[str]:
        return {self.shards.record(split, number)["id"] for number in numbers.tolist()}

    @cached_property
    def _known(self) -> dict[str, list[tuple[dict[str, Any], np.ndarray]]]:
        """Records and targets of the samples that have one, by role."""
        found: dict[str, list[tuple[dict[str, Any], np.ndarray]]] = {}
        own = None if self.config.validation_split else self.held_out_ids()
        for split in filter(None, self.splits):
            for record in self.shards.records(split):
                row = self.target.row(record)
                role = "validation" if split == self.config.validation_split else "train"
                role = "test" if split == self.config.test_split else role
                if own is not None and record["id"] in own:
                    role = "validation"
                if row is not None:
                    found.setdefault(role, []).append((record, row))
        return found

    @property
    def splits(self) -> tuple[str | None, ...]:
        """The names of the training, validation (None: held out of training) and test split."""
        return self.config.train_split, self.config.validation_split, self.config.test_split

    @cached_property
    def straddling(self) -> set[str]:
        """Test samples whose group, or whose very bytes, also lie in what is trained or chosen on."""
        seen: set[str] = set()
        for role in ("train", "validation"):
            for record, _ in self._known.get(role, ()):
                seen |= _marks(record)
        return {record["id"] for record, _ in self._known.get("test", ()) if _marks(record) & seen}

    @cached_property
    def tested_bytes(self) -> set[str]:
        """The sha256 of the test images' source files."""
        hashes = (record["source"].get("sha256") for record, _ in self._known.get("test", ()))
        return {each for each in hashes if each}

    @cached_property
    def slices(self) -> dict[str, set[str]]:
        """Parts of the test split by name: what is not also in training, and who has each attribute."""
        test = [record for record, _ in self._known.get("test", ())]
        found = {"not in training": {record["id"] for record in test} - self.straddling}
        names = sorted({name for record in test for name in record.get("attributes", {})})
        for name in [*names, "persons"]:
            key = f"with {name.replace('_', ' ')}"
            within = (record if name == "persons" else record.get("attributes", {}) for record in test)
            found[key] = {record["id"] for record, known in zip(test, within) if known.get(name)}
        enough = range(SMALLEST_SLICE, len(test) - SMALLEST_SLICE + 1)
        return {name: ids for name, ids in found.items() if len(ids) in enough}

    def facts(self) -> dict[str, Any]:
        """What suite.json says of it. Raises UserError where a split has no sample with a label."""
        counts = {role: len(self._known.get(role, ())) for role in ("train", "validation", "test")}
        for role, count in counts.items():
            if count == 0:
                raise UserError(
                    f"{self.shards.folder}: no {role} sample has a label of {self.target.vocabulary}"
                )
            rated = np.isfinite(np.stack([row for _, row in self._known[role]])).any(axis=0)
            if not rated.all():
                axis = self.target.classes[int(np.argmin(rated))]
                raise UserError(f"{self.shards.folder}: no {role} sample has {axis}; leave it out of axes")
        return {
            **describe_task(self.config),
            "classes": list(self.target.classes),
            "state": "ready",
            "dataset": self.shards.manifest["dataset"],
            "licence": self.shards.manifest.get("licence"),
            "fingerprint": self.shards.fingerprint,
            **counts,
            "test_groups": len({group_of(record) for record, _ in self._known["test"]}),
            "straddling": len(self.straddling),
            "majority": self._majority(),
        }

    def _majority(self) -> dict[str, float]:
        """The scores of saying of every test sample what the training split is like on average."""
        rows = {role: np.stack([row for _, row in self._known[role]]) for role in ("train", "test")}
        mean = torch.from_numpy(np.nanmean(rows["train"], axis=0)).float()
        means = mean.expand(len(rows["test"]), -1)
        return flat_scores(self.predictions(self._features("test"), as_outputs(means, self.config.kind)))

    def _features(self, role: str) -> Features:
        records = [record for record, _ in self._known[role]]
        targets = torch.from_numpy(np.stack([row for _, row in self._known[role]]))
        ids, groups = [each["id"] for each in records], [group_of(each) for each in records]
        return Features(ids, groups, targets, torch.empty(len(ids), 0))

    def predictions(self, samples: Features, outputs: Tensor) -> Predictions:
        """`outputs` [N, C] said of these samples; what is beyond the ends of an axis is put there."""
        outputs = outputs.clamp(-1, 1) if self.config.kind == "vad" else outputs
        return Predictions(
            self.config.kind,
            self.config.space,
            self.target.classes,
            tuple(samples.ids),
            tuple(samples.groups),
            outputs.float().cpu(),
            samples.targets,
        )


def _marks(record: dict[str, Any]) -> set[str]:
    source = record["source"]
    return {group_of(record), source["sha256"]} if source.get("sha256") else {group_of(record)}


def describe_task(config: TaskConfig) -> dict[str, Any]:
    """What can be said of a task without its data."""
    return {
        "title": config.title,
        "kind": config.kind,
        "space": config.space,
        "main": config.score,
        "direction": direction(config.score),
        "note": config.note,
    }


def read_tasks(config: SuiteConfig) -> dict[str, TaskConfig]:
    """The tasks' YAMLs, with the suite's own places of shards."""
    overrides: dict[str, Iterable[str]] = {name: [f"shards={path}"] for name, path in config.shards.items()}
    return {
        name: load_config(TaskConfig, path, overrides.get(name, ())) for name, path in config.tasks.items()
    }


def open_task(name: str, config: TaskConfig) -> Task:
    """Raises MissingData where there are no shards, UserError where they are damaged or lack a split."""
    if not (config.shards / "manifest.json").exists():
        raise MissingData(how_to_get(config))
    shards = ShardSet(config.shards, spaces=config.spaces)
    target = target_of(config.kind, config.space, config.axes)
    task = Task(name, config, shards, target)
    for split in filter(None, task.splits):
        if split not in shards.splits or shards.count(split) == 0:
            raise UserError(
                f"{config.shards}: no split {split!r}, only {', '.join(shards.splits)}; name another in the "
                "task, or draw splits anew with configs/datasets/redraw.yaml"
            )
    return task


def how_to_get(config: TaskConfig) -> str:
    """Where the data come from, and the command that makes the shards."""
    command = f"vemo shards build {config.build} root=DIR out={config.shards}"
    if config.person != "none":  # one sample a person, made from a set of whole images
        images = f"{config.shards}-images"
        command = f"vemo shards build {config.build} root=DIR out={images}; vemo shards build "
        command += f"configs/datasets/persons.yaml root={images} out={config.shards}"
    try:
        build = load_config(BuildConfig, config.build, ["root=DIR", "out=DIR"])
        (reader,) = describe_readers([build.reader.kind])
    except UserError:  # a YAML of the user's, or this is not started in the repository
        return f"{config.shards} is no shard set. Make it: {command}"
    return f"{config.shards} is no shard set. {reader['how_to_get']} Then: {command}"
