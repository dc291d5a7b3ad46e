"""What the heads of a run say of a split: as predictions, which `evaluation` scores."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..datasets.stream import ShardSet
from ..evaluation.features import group_of
from ..evaluation.metrics import gather
from ..evaluation.predictions import FLOOR, Kind, Predictions
from ..evaluation.scoring import SCORES_OF, direction
from ..training import World
from .emotion import Head
from .task import FinetuneTask


def main_score(heads: dict[str, Any]) -> tuple[str, str]:
    """The name of the first head's main score among those of a validation, and which end is better."""
    name, config = next(iter(heads.items()))
    score = SCORES_OF[kind_of(config)][0]
    return f"{name}_{score}", direction(score)


def kind_of(config: Any) -> Kind:
    """The kind of a head's predictions."""
    return "single" if config.kind == "hierarchical" else config.kind


@torch.no_grad()
def predictions(
    task: FinetuneTask,
    batches: Iterable[dict[str, Any]],
    world: World,
    shards: ShardSet,
    split: str,
    whole: bool = True,
) -> dict[str, Predictions]:
    """Head → what it says of every sample of a split that has a target for it, in the order of the split.

    Every process has to call it, with its part of the batches; all get the same. `whole` says that the
    batches hold every sample of the split, which is checked.
    """
    parts: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in task.heads}
    for batch in batches:
        batch = {
            key: value.to(world.device) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        for name, outputs in task.outputs(batch).items():
            targets, _ = task.heads[name].soft_targets(batch)
            parts[name].append((batch["index"].cpu(), outputs.float().cpu(), targets.float().cpu()))
    found = {}
    for name, rows in parts.items():
        numbers, outputs, targets = _joined(rows, task.heads[name])
        every = gather(world, numbers, outputs, targets, shards.count(split) if whole else None)
        records = [shards.record(split, number) for number in every.numbers.tolist()]
        found[name] = _known(task.heads[name], records, every.predictions, every.targets)
    return found


def mirrored(batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same batches with every view of a sample mirrored."""
    for batch in batches:
        views = [name for name in ("image", "person") if name in batch]
        yield {**batch, **{name: batch[name].flip(-1) for name in views}}


def mean_of(one: Predictions, other: Predictions) -> Predictions:
    """What two say of the same samples, averaged: probabilities (of a multilabel head each on its own), or
    values."""
    first, second = one.outputs.double(), other.outputs.double()
    if one.kind == "vad":
        mean = (first + second) / 2
    elif one.kind == "multilabel":
        mean = ((first.sigmoid() + second.sigmoid()) / 2).clamp(FLOOR, 1 - FLOOR).logit()
    else:
        mean = ((first.softmax(1) + second.softmax(1)) / 2).clamp(min=FLOOR).log()
    return replace(one, outputs=mean.float())


def _joined(rows: list[tuple[Tensor, ...]], head: Head) -> tuple[Tensor, ...]:
    """The batches' columns; of no batch (more processes than samples) empty ones of the right widths."""
    if rows:
        return tuple(torch.cat(column) for column in zip(*rows))
    outputs = head(torch.zeros(0, head.linear.in_features, device=head.linear.weight.device)).float().cpu()
    nothing = head.targets({})
    batch = {key: torch.as_tensor(value)[None][:0] for key, value in nothing.items()}
    return torch.zeros(0, dtype=torch.int64), outputs, head.soft_targets(batch)[0].float()


def _known(head: Head, records: list[dict[str, Any]], outputs: Tensor, targets: Tensor) -> Predictions:
    """Those that have a target. Of a hierarchical head's targets the emotion, without the polarity."""
    kind, targets = kind_of(head.config), targets[:, : len(head.classes)]
    there = targets.isfinite().any(1) if kind == "vad" else targets.isfinite().all(1)
    kept = [record for record, known in zip(records, there.tolist()) if known]
    return Predictions(
        kind,
        getattr(head.config, "space", None),
        head.classes,
        tuple(record["id"] for record in kept),
        tuple(group_of(record) for record in kept),
        as_outputs(head, outputs[there]),
        targets[there],
    )


def as_outputs(head: Head, outputs: Tensor) -> Tensor:
    """A head's outputs as those of `Predictions`, float32 [N, C]: what it does to them is done already."""
    said, kind = head.predict(outputs).double(), kind_of(head.config)
    if kind == "vad":
        return said.float()
    if kind == "multilabel":
        return said.clamp(FLOOR, 1 - FLOOR).logit().float()
    return said.clamp(min=FLOOR).log().float()
