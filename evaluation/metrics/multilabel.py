"""Several emotions at once: average precision by class, F1 and Jaccard of the thresholded sets."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import real, refuse, same_length


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """All in [0, 1], higher is better.

    `mean_average_precision` is the plain mean over the classes that have a positive, `macro_f1` likewise.
    With one sample a person, and each of the 26 categories occurring, it is the mAP of EMOTIC's public
    baselines: scikit-learn's average precision for each category, then the mean.
    """

    average_precision: tuple[float | None, ...]  # of each class; None: it has no positive
    mean_average_precision: float
    micro_f1: float  # of the decisions of all classes together
    macro_f1: float
    jaccard: float  # mean over samples of |both| / |either|; two empty sets agree: 1


def average_precision(targets: Tensor, scores: Tensor) -> Tensor:
    """Σ (R_n - R_n-1) P_n over the thresholds of each class, float64 [C], in (0, 1]; NaN without positives.

    `targets` [N, C] are 0 or 1, `scores` [N, C] any finite numbers: only their order matters. Equal scores
    are one threshold, as in scikit-learn's `average_precision_score`; nothing is interpolated.
    """
    targets, scores = _checked(targets, scores)
    order = scores.argsort(0, descending=True)
    ranked, hits = scores.gather(0, order), targets.gather(0, order)
    rank = torch.arange(1, len(scores) + 1, device=scores.device)[:, None]
    ends = torch.ones_like(ranked, dtype=torch.bool)
    ends[:-1] = ranked[:-1] != ranked[1:]
    # The last row of the run of equal scores that a row is in.
    last = torch.where(ends, rank - 1, len(scores)).flip(0).cummin(0).values.flip(0)
    precision = (hits.cumsum(0) / rank).gather(0, last)
    return (precision * hits).sum(0) / hits.sum(0)


def multilabel_scores(targets: Tensor, scores: Tensor, threshold: float | Tensor = 0.5) -> MultiLabel:
    """Scores of `targets` [N, C] (0 or 1) and `scores` [N, C] (probabilities, if the threshold is to be one).

    A class is said where its score is *above* the threshold, one number or one for each class [C]. Classes
    without a positive enter micro-F1 and Jaccard only. Micro-F1 is 0 where nothing is said. Raises ValueError
    where no class has a positive.
    """
    targets, scores = _checked(targets, scores)
    precision = average_precision(targets, scores)
    occurs = ~precision.isnan()
    if not occurs.any():
        raise ValueError("targets: no class has a positive")
    said = (scores > threshold).double()
    both, either = (said * targets).sum(0), (said + targets).sum(0)
    union = (said + targets).clamp(max=1).sum(1)
    jaccard = torch.where(union > 0, (said * targets).sum(1) / union, 1)
    return MultiLabel(
        average_precision=tuple(None if value != value else value for value in precision.tolist()),
        mean_average_precision=float(precision[occurs].mean()),
        micro_f1=float(2 * both.sum() / either.sum()),
        macro_f1=float((2 * both / either)[occurs].mean()),
        jaccard=float(jaccard.mean()),
    )


def _checked(targets: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    same_length(targets=targets, scores=scores)
    targets, scores = real("targets", targets, 2), real("scores", scores, 2)
    if targets.shape != scores.shape:
        raise ValueError(f"targets: shape {list(targets.shape)}, scores {list(scores.shape)}")
    refuse("targets", targets, (targets != 0) & (targets != 1), "every value must be 0 or 1")
    return targets, scores
