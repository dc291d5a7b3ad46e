"""Protocols on frozen features: a linear map, neighbours, few shots, another task's labels, sentences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.stream.derived import derive
from ...datasets.taxonomy import label_map, label_space
from ...foundation.errors import UserError
from ..features import Features, extract
from ..linear import LinearConfig, linear_probe
from ..neighbours import nearest_neighbours
from ..zero_shot import Teacher, TeacherImages, zero_shot
from .cells import Outcome
from .config import NeighboursProtocol, SuiteConfig, ZeroShotProtocol
from .tasks import Task

COSINE_SCALE = 100.0  # CLIP's; only where a validation split chooses another temperature it does not matter


class MakesNoSense(Exception):
    """A cell that cannot be, and why: it stands in the report instead of a figure."""


@dataclass(frozen=True)
class Parts:
    """The samples of a task by what they are for, with the features of one encoder."""

    train: Features
    validation: Features
    test: Features


class FrozenFeatures:
    """Features of tasks, computed once for each encoder, kept below the suite's folder."""

    def __init__(self, config: SuiteConfig, device: torch.device) -> None:
        self.config, self.device = config, device

    def of(self, task: Task, encoder: nn.Module, image_size: int) -> Parts:
        """Every sample of the task that has a target."""
        training = self._split(task, task.config.train_split, encoder, image_size)
        test = self._split(task, task.config.test_split, encoder, image_size)
        if task.config.validation_split:
            return Parts(training, self._split(task, task.config.validation_split, encoder, image_size), test)
        held = task.held_out_ids()
        return Parts(kept(training, held, False), kept(training, held), test)

    def _split(self, task: Task, split: str, encoder: nn.Module, image_size: int) -> Features:
        return extract(
            {task.name: encoder},
            task.shards,
            split,
            task.target,
            image_size,
            batch_size=self.config.batch_size,
            workers=self.config.workers,
            device=self.device,
            cache=self.config.out / "features",
        )[task.name]


def kept(samples: Features, ids: set[str], inside: bool = True) -> Features:
    """Those whose id is (not) one of `ids`."""
    chosen = torch.tensor([(each in ids) is inside for each in samples.ids], dtype=torch.bool)
    return samples.at(chosen.nonzero().flatten())


def numbers_of(groups: list[str]) -> Tensor:
    """Groups as numbers, int64 [N]."""
    return torch.from_numpy(np.unique(groups, return_inverse=True)[1])


def linear(task: Task, parts: Parts, config: LinearConfig, seed: int) -> Outcome:
    """Trained on all of `parts.train`, chosen on validation."""
    train, kind = parts.train, task.config.kind
    found = linear_probe(
        train.features,
        train.targets,
        numbers_of(train.groups),
        parts.test.features,
        config,
        (parts.validation.features, parts.validation.targets),
        seed,
        kind,
    )
    assert found.validation is not None  # because validation samples were given
    facts = {
        "trained_on": len(train.ids),
        "learning_rate": found.learning_rate,
        "weight_decay": found.weight_decay,
    }
    return _outcome(task, parts, found.outputs, found.validation, facts)


def few_shot(task: Task, parts: Parts, config: LinearConfig, fraction: float, seed: int) -> Outcome:
    """As `linear`, from a part of the training samples that another seed draws anew."""
    few = kept(parts.train, task.training_ids(fraction, seed))
    return linear(task, Parts(few, parts.validation, parts.test), config, seed)


def neighbours(task: Task, parts: Parts, protocol: NeighboursProtocol) -> Outcome:
    """The k nearest, k chosen inside of the training samples."""
    train = parts.train
    given = (train.features, train.targets, numbers_of(train.groups))
    queries = torch.cat([parts.test.features, parts.validation.features])
    found = nearest_neighbours(*given, queries, protocol.neighbours, task.config.kind)
    test, validation = found.outputs.split([len(parts.test.ids), len(parts.validation.ids)])
    return _outcome(task, parts, test, validation, {"trained_on": len(train.ids), "k": found.k})


def transfer(
    task: Task, parts: Parts, source: Task, source_parts: Parts, config: LinearConfig, seed: int
) -> Outcome:
    """Learns from `source`, its labels mapped into this task's space; chosen on source's validation samples.

    What is also in this task's test split is not learnt from. Raises MakesNoSense where nothing is mapped.
    """
    if (task.config.kind, source.config.kind) != ("single", "single"):
        raise MakesNoSense("labels are mapped between tasks of one class only")
    rows = mapped_targets(source, task)
    train, chosen_on = (_relabelled(each, rows) for each in (source_parts.train, source_parts.validation))
    if len(train.ids) == 0 or len(chosen_on.ids) == 0 or train.targets.sum(0).count_nonzero() < 2:
        raise MakesNoSense(f"of {source.config.space} too little arrives in {task.config.space}")
    found = linear(task, Parts(train, chosen_on, parts.test), config, seed)
    return Outcome(found.test, None, found.facts)  # the temperature of another task is none of this one


def mapped_targets(source: Task, task: Task) -> dict[str, np.ndarray]:
    """Id → row of the task's classes, for the samples of `source` whose label has a place there."""
    known, wanted = source.config.space, task.config.space
    if known is None or wanted is None:
        raise MakesNoSense("there are no classes to map")
    try:
        maps = [label_map(known, wanted)] if known != wanted else []
    except UserError as error:
        raise MakesNoSense(str(error)) from error
    found: dict[str, np.ndarray] = {}
    for split in filter(None, source.splits):
        if split == source.config.test_split:
            continue
        for record in source.shards.records(split):
            derive(record, maps)
            row = task.target.row(record)
            if row is not None and record["source"].get("sha256") not in task.tested_bytes:
                found[record["id"]] = row
    return found


def _relabelled(samples: Features, rows: dict[str, np.ndarray]) -> Features:
    found = kept(samples, set(rows))
    targets = torch.from_numpy(np.array([rows[each] for each in found.ids], np.float32))
    return Features(found.ids, found.groups, targets, found.features)


def by_sentences(
    task: Task, features: FrozenFeatures, teacher: Teacher, protocol: ZeroShotProtocol, image_size: int
) -> Outcome:
    """Nothing is trained: the class whose sentences lie nearest to the image."""
    if task.config.kind != "single" or task.config.space is None:
        raise MakesNoSense("sentences choose one class")
    parts, space = features.of(task, TeacherImages(teacher), image_size), label_space(task.config.space)
    test, validation = (
        COSINE_SCALE * zero_shot(each.features, teacher, space, protocol.templates)
        for each in (parts.test, parts.validation)
    )
    return _outcome(task, parts, test, validation, {"trained_on": 0})


def _outcome(task: Task, parts: Parts, test: Tensor, validation: Tensor, facts: dict[str, Any]) -> Outcome:
    return Outcome(task.predictions(parts.test, test), task.predictions(parts.validation, validation), facts)
