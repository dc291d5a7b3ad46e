"""What a head is worth on a split: its scores, and the one that chooses the checkpoint."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..datasets.taxonomy import label_space
from ..evaluation.metrics import (
    confusion_matrix,
    distribution_measures,
    gather,
    multilabel_scores,
    negative_log_likelihood,
    per_class,
    regression_scores,
    reliability,
    scores,
)
from ..training import World
from .emotion import Head
from .task import FinetuneTask

MAIN = {  # kind → (score, which end is better)
    "single": ("macro_f1", "highest"),
    "hierarchical": ("macro_f1", "highest"),
    "distribution": ("kl", "lowest"),
    "multilabel": ("mean_average_precision", "highest"),
    "vad": ("ccc", "highest"),
}


def main_score(heads: dict[str, Any]) -> tuple[str, str]:
    """The name of the first head's main score among those of `validation_scores`, and which end is better."""
    name, config = next(iter(heads.items()))
    score, end = MAIN[config.kind]
    return f"{name}_{score}", end


@torch.no_grad()
def predictions(
    task: FinetuneTask, batches: Iterable[dict[str, Any]], world: World, samples: int
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Head → (numbers int64 [N], outputs [N, C], targets) of every sample of a split that has a target.

    Targets are as `Head.soft_targets` gives them, float [N, …], NaN where a part is absent. Every process has
    to call it; all get the same.
    """
    parts: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in task.heads}
    for batch in batches:
        batch = {
            key: value.to(world.device) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        for name, outputs in task.outputs(batch["image"]).items():
            targets, _ = task.heads[name].soft_targets(batch)
            parts[name].append((batch["index"].cpu(), outputs.float().cpu(), targets.float().cpu()))
    found = {}
    for name, rows in parts.items():
        numbers, outputs, targets = (torch.cat(column) for column in zip(*rows))
        every = gather(world, numbers, outputs, targets, samples)
        known = every.targets.isfinite().any(dim=1)
        found[name] = (every.numbers[known], every.predictions[known], every.targets[known])
    return found


def head_scores(head: Head, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Flat scores of one head; {} where no sample has a target."""
    if len(targets) == 0:
        return {}
    kind, predicted = head.config.kind, head.predict(outputs)
    if kind in ("single", "hierarchical"):
        return _class_scores(head, predicted, targets[:, : len(head.classes)])
    if kind == "distribution":
        return distribution_measures(targets, outputs.double().softmax(1)).means()
    if kind == "multilabel":
        found = multilabel_scores(targets, predicted)
        names = ("mean_average_precision", "micro_f1", "macro_f1", "jaccard")
        return {name: getattr(found, name) for name in names}
    axes = {}
    for place, axis in enumerate(head.classes):
        known = targets[:, place].isfinite()
        if known.any():
            axes[axis] = regression_scores(targets[:, place], predicted[:, place], known)
    single = {
        f"{axis}_{name}": getattr(each, name) for axis, each in axes.items() for name in ("ccc", "rmse")
    }
    return {"ccc": sum(each.ccc for each in axes.values()) / len(axes), **single}


def _class_scores(head: Head, predicted: Tensor, targets: Tensor) -> dict[str, float]:
    known = targets.isfinite().all(dim=1)
    predicted, targets = predicted[known].double(), targets[known]
    if len(targets) == 0:
        return {}
    labels = targets.argmax(1)
    found = scores(confusion_matrix(labels, predicted.argmax(1), len(head.classes)))
    logits = predicted.clamp(min=1e-30).log()
    return {name: float(value) for name, value in found.items()} | {
        "nll": float(negative_log_likelihood(labels, logits).mean()),
        "ece": reliability(labels, logits).ece,
    }


def by_class(head: Head, outputs: Tensor, targets: Tensor) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class of a head that says one class; {} for others."""
    if head.config.kind not in ("single", "hierarchical") or len(targets) == 0:
        return {}
    space = label_space(head.config.space)  # pyright: ignore[reportAttributeAccessIssue] - of these kinds
    known = targets[:, : len(space)].isfinite().all(dim=1)
    labels, said = targets[known, : len(space)].argmax(1), head.predict(outputs[known]).argmax(1)
    return per_class(confusion_matrix(labels, said, len(space)), space.names)
