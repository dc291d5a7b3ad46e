"""Whether a confidence of 70 % is right 70 % of the time: reliability bins and calibration errors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .inputs import real_logits, same_length, targets_as_shares

BINS = 15  # Guo et al. 2017
Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class Bin:
    """Samples of like confidence: how sure the model was and how often it was right; all in [0, 1]."""

    count: int
    lowest: float  # confidence of the least sure sample
    highest: float
    confidence: float  # mean
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The points of a reliability diagram (empty bins are left out) and what they sum up to.

    `ece` is Σ count/N · |accuracy - confidence| (Naeini et al. 2015), `largest_gap` the greatest of the gaps
    (MCE); both in [0, 1], 0 is best. ECE depends on the bins and, in small sets, is above 0 by chance alone:
    compare only values of one binning and one test set.
    """

    bins: tuple[Bin, ...]
    ece: float
    largest_gap: float


def confidences(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest probability, float64 [N], and its class, int64 [N]; of equal ones the lower number."""
    logits = real_logits("logits", logits)
    predicted = logits.argmax(1)
    return logits.softmax(1).gather(1, predicted[:, None])[:, 0], predicted


def reliability(targets: Tensor, logits: Tensor, bins: int = BINS, equal: Binning = "width") -> Reliability:
    """Reliability of the predicted class; targets int64 [N] or distributions [N, C], logits [N, C].

    equal="width": `bins` intervals (a, b] of equal width on (0, 1], as in Guo et al. 2017. equal="mass": bins
    of equally many samples (adaptive ECE, Nguyen & O'Connor 2015); equal confidences are never parted (our
    choice: else the order of the samples would matter), so with ties bins are unequal and may be fewer.
    Against distributions "right" is the share of votes for the predicted class (soft ECE).
    """
    same_length(targets=targets, logits=logits)
    confidence, predicted = confidences(logits)
    shares = targets_as_shares("targets", targets, logits.shape[1])
    return _reliability(confidence, shares.gather(1, predicted[:, None])[:, 0], bins, equal)


def classwise_calibration_error(
    targets: Tensor, logits: Tensor, bins: int = BINS, equal: Binning = "width"
) -> float:
    """Mean over all classes of the ECE of that class's probability, in [0, 1] (Kull et al. 2019).

    Unlike `reliability` it also sees the classes that are not predicted. A class that never occurs counts
    with the probability that it was given. Arguments as in `reliability`.
    """
    same_length(targets=targets, logits=logits)
    probabilities = real_logits("logits", logits).softmax(1)
    shares = targets_as_shares("targets", targets, probabilities.shape[1])
    columns = zip(probabilities.T.contiguous(), shares.T)
    errors = [_reliability(confidence, right, bins, equal).ece for confidence, right in columns]
    return sum(errors) / len(errors)


def _reliability(confidence: Tensor, right: Tensor, bins: int, equal: Binning) -> Reliability:
    if bins < 1:
        raise ValueError(f"bins: {bins}, expected at least 1")
    if equal == "width":
        edges = torch.arange(1, bins, dtype=torch.float64, device=confidence.device) / bins
        number = torch.bucketize(confidence, edges)
    else:
        first_of_equals = torch.searchsorted(confidence.sort().values, confidence)
        number = first_of_equals * bins // len(confidence)
    occupied, number = number.unique(return_inverse=True)
    count = torch.bincount(number)
    zeros = torch.zeros(len(occupied), dtype=torch.float64, device=confidence.device)
    mean = zeros.index_add(0, number, confidence) / count
    accuracy = zeros.index_add(0, number, right) / count
    lowest = zeros.scatter_reduce(0, number, confidence, "amin", include_self=False)
    highest = zeros.scatter_reduce(0, number, confidence, "amax", include_self=False)
    gaps = (accuracy - mean).abs()
    columns = (column.tolist() for column in (count, lowest, highest, mean, accuracy))
    points = tuple(Bin(*values) for values in zip(*columns))
    return Reliability(points, float((gaps * count).sum() / count.sum()), float(gaps.max()))
