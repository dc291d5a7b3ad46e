"""Valence, arousal, dominance: agreement and error of numbers, one axis at a time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import real, same_length


@dataclass(frozen=True, slots=True)
class Regression:
    """Of `count` samples. Correlations lie in [-1, 1], errors are in the unit of the targets."""

    count: int
    ccc: float
    pearson: float
    spearman: float
    rmse: float  # √ mean (x - y)²
    mae: float  # mean |x - y|
    sign_agreement: float  # share where target and prediction have one sign; 0 is a sign of its own (SAGR)


def regression_scores(targets: Tensor, predictions: Tensor, mask: Tensor | None = None) -> Regression:
    """Scores of one axis; `targets` and `predictions` [N].

    Only what `mask` (bool [N], True: known) keeps is looked at, so masked targets may be NaN; a NaN that is
    not masked is a ValueError, and so is a mask that keeps nothing. Sign agreement is that of AffectNet
    (Mollahosseini et al. 2017).
    """
    if mask is not None:
        same_length(targets=targets, predictions=predictions, mask=mask)
        if mask.dtype != torch.bool or mask.ndim != 1:
            raise ValueError(f"mask: {mask.dtype} {list(mask.shape)}, expected bool [N]")
        targets, predictions = targets[mask], predictions[mask]
    targets, predictions = _pair(targets, predictions)
    error = predictions - targets
    return Regression(
        count=len(targets),
        ccc=ccc(targets, predictions),
        pearson=pearson(targets, predictions),
        spearman=spearman(targets, predictions),
        rmse=float(error.square().mean().sqrt()),
        mae=float(error.abs().mean()),
        sign_agreement=float((targets.sign() == predictions.sign()).double().mean()),
    )


def ccc(targets: Tensor, predictions: Tensor) -> float:
    """Concordance, 2 cov / (var x + var y + (mean x - mean y)²), in [-1, 1] (Lin 1989).

    Population moments (divided by N), over the whole set at once: means over batches differ. 0 where either
    side is constant, as with one sample, even if the two are equal.
    """
    targets, predictions = _pair(targets, predictions)
    if _constant(targets) or _constant(predictions):
        return 0.0
    x, y = targets - targets.mean(), predictions - predictions.mean()
    apart = (targets.mean() - predictions.mean()).square()
    return float(2 * (x * y).mean() / (x.square().mean() + y.square().mean() + apart))


def pearson(targets: Tensor, predictions: Tensor) -> float:
    """Correlation of two vectors [N], in [-1, 1]; 0 where either side is constant, as with one sample."""
    targets, predictions = _pair(targets, predictions)
    if _constant(targets) or _constant(predictions):
        return 0.0
    x, y = targets - targets.mean(), predictions - predictions.mean()
    return float(((x / x.norm()) * (y / y.norm())).sum().clamp(-1, 1))


def spearman(targets: Tensor, predictions: Tensor) -> float:
    """Correlation of the ranks of two vectors [N], in [-1, 1]; equals share their mean rank; constant: 0."""
    targets, predictions = _pair(targets, predictions)
    return pearson(_ranks(targets), _ranks(predictions))


def _ranks(values: Tensor) -> Tensor:
    _, level, sizes = values.unique(return_inverse=True, return_counts=True)
    return (sizes.cumsum(0) - (sizes - 1) / 2)[level]


def _constant(values: Tensor) -> bool:
    return bool(values.min() == values.max())


def _pair(targets: Tensor, predictions: Tensor) -> tuple[Tensor, Tensor]:
    same_length(targets=targets, predictions=predictions)
    return real("targets", targets, 1), real("predictions", predictions, 1)
