"""Label doubts: labels that a probe, which never saw them, finds improbable.

The probabilities are out of fold: each image is judged by linear probes trained on the other folds, and a
group is never torn apart. A doubt is no verdict: with weak features most doubts are hard images, so the
probe's own accuracy stands beside them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from ...foundation.progress import Progress
from ..folds import group_folds
from ..linear import LinearConfig, train_members
from ..metrics import confusion_matrix
from .scan import Scan

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label, by the sample's place in the scan: what is said, what the probe says, and `label_quality`."""

    place: int
    labelled: str
    looks_like: str
    quality: float

    def as_line(self, seen: Scan) -> dict[str, Any]:
        """The line of doubts.jsonl."""
        where = {"id": seen.records[self.place]["id"], "split": seen.splits[self.place]}
        return {
            **where,
            "labelled": self.labelled,
            "looks like": self.looks_like,
            "quality": round(self.quality, 5),
        }


def out_of_fold(
    features: Tensor, labels: Tensor, groups: list[str], classes: int, config: LinearConfig, seed: int = 0
) -> Tensor:
    """Probabilities float32 [N, classes] of each sample by the probes that did not see its group.

    Of the grid's members the one with the smallest out-of-fold loss over all samples is kept. Raises
    UserError with fewer groups than folds.
    """
    fold = torch.from_numpy(group_folds(labels.tolist(), groups, FOLDS, seed))
    logits, targets = torch.zeros(len(config.members), len(labels), classes), one_hot(labels, classes)
    with Progress("audit: label doubts", FOLDS, unit="folds") as progress:
        for each in range(FOLDS):
            train, held = fold != each, fold == each
            members = train_members(features[train], targets[train], config, seed=seed)
            logits[:, held] = members.logits(features[held])
            progress.update(1)
    losses = torch.stack([cross_entropy(member, labels) for member in logits])
    return logits[int(losses.argmin())].softmax(1)


def label_quality(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The probability that the probe gives to the label, float32 [N] in [0, 1]; low is doubtful.

    Called self-confidence in confident learning (Northcutt et al. 2021); on planted label errors it ranked
    better than the margin to the next class.
    """
    return probabilities[torch.arange(len(labels)), labels]


def doubt_summary(probabilities: Tensor, labels: Tensor, names: tuple[str, ...]) -> dict[str, Any]:
    """The probe's accuracy, the majority's, and what it takes for what most often."""
    wrong = confusion_matrix(labels, probabilities.argmax(1), len(names)).fill_diagonal_(0)
    order = wrong.flatten().argsort(descending=True, stable=True)[:10].tolist()
    return {
        "images": len(labels),
        "accuracy of the probe": float((probabilities.argmax(1) == labels).float().mean()),
        "accuracy of the majority": float(torch.bincount(labels).max() / len(labels)),
        "confusions": [
            {"labelled": names[i], "looks like": names[j], "images": int(wrong[i, j])}
            for i, j in (divmod(place, len(names)) for place in order)
            if wrong[i, j]
        ],
    }
