"""Label doubts: labels that probes, which never saw them, find improbable.

One probe looks at the picture, one at the annotated attributes; `review.joined` multiplies what they say,
which finds more planted mistakes than one probe on both. They are out of fold: each image is judged by linear
probes trained on the other folds, and a group is never torn apart. Images without a label are judged by all
of them. A doubt is no verdict: with weak features most doubts are hard images, so the accuracy stands beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from ...foundation.progress import Progress
from ..folds import group_folds
from ..linear import LinearConfig, train_members
from ..metrics import confusion_matrix
from .review import Voice, posterior
from .scan import Scan

FOLDS = 5


@dataclass(frozen=True, slots=True)
class View:
    """What a probe sees of N samples: features float32 [N, D], of what, and its name in sentences; where
    `blank` it sees nothing, and is silent."""

    by: str
    of: str
    features: Tensor
    blank: Tensor | None = None

    def voice(self, said: Tensor) -> Voice:
        if self.blank is not None:
            said = said.masked_fill(self.blank[:, None], torch.nan)
        return Voice(self.by, said, self.of)


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


def out_of_fold_voices(
    views: Sequence[View],
    labels: Tensor,
    groups: list[str],
    classes: int,
    config: LinearConfig,
    seed: int = 0,
) -> list[Voice]:
    """What probes that did not see a sample's group say of it; of each view one, in two passes.

    The second pass trains on `review.posterior` of the first, shares instead of labels, so that what is taken
    for a mistake teaches less: a step of expectation maximisation, which finds more planted mistakes. labels:
    int64 [N], −1 where there is none: those samples get the mean of all folds' probes. Raises UserError with
    fewer labelled groups than folds.
    """
    known = labels >= 0
    said = one_hot(labels.clamp_min(0), classes).float() * known[:, None]
    fold = torch.full((len(labels),), -1)
    named = [group for group, has in zip(groups, known.tolist()) if has]
    fold[known] = torch.from_numpy(group_folds(labels[known].tolist(), named, FOLDS, seed))
    chosen: list[tuple[float, float]] = []
    first: list[Voice] = []
    for view in views:
        logits = _held_out(view, said, fold, config, None, seed)
        losses = torch.stack([cross_entropy(member[known], labels[known]) for member in logits])
        chosen.append(config.members[int(losses.argmin())])
        first.append(view.voice(logits[int(losses.argmin())].softmax(1)))
    believed = torch.where(known[:, None], posterior(said, first), 0)
    return [
        view.voice(_held_out(view, believed, fold, config, [member], seed)[0].softmax(1))
        for view, member in zip(views, chosen)
    ]


def _held_out(
    view: View,
    targets: Tensor,
    fold: Tensor,
    config: LinearConfig,
    members: list[tuple[float, float]] | None,
    seed: int,
) -> Tensor:
    """Logits [members, N, C] by probes trained on the other folds; fold −1: by the mean of all folds'."""
    features, count = view.features, len(members or config.members)
    logits, rest = torch.zeros(count, *targets.shape), fold < 0
    with Progress(f"audit: probe of {view.of}", FOLDS, unit="folds") as progress:
        for each in range(FOLDS):
            train, held = ~rest & (fold != each), fold == each
            trained = train_members(features[train], targets[train], config, members, seed)
            logits[:, held] = trained.logits(features[held])
            logits[:, rest] += trained.logits(features[rest]) / FOLDS
            progress.update(1)
    return logits


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
