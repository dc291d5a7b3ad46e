"""Top-k accuracy, and which classes a model likes to say."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import class_numbers, real_logits, same_length


def top_k_hits(labels: Tensor, logits: Tensor, k: int) -> Tensor:
    """Whether the label is among the k highest logits, bool [N]; labels int64 [N], logits [N, C].

    Of equal logits the class of the lower number ranks first (our choice: that of `argmax`, so k = 1 is the
    accuracy of the argmax, and a constant model gets the share of class 0, not a full score). With k ≥ C all
    are hits. (scikit-learn ranks the higher number first.)
    """
    if k < 1:
        raise ValueError(f"k: {k}, expected at least 1")
    same_length(labels=labels, logits=logits)
    logits = real_logits("logits", logits)
    labels = class_numbers("labels", labels, logits.shape[1])
    own = logits.gather(1, labels[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    ahead = (logits > own) | ((logits == own) & earlier)
    return ahead.sum(1) < k


def top_k_accuracy(labels: Tensor, logits: Tensor, k: int) -> float:
    """Share of samples whose label is among the k highest logits, in [0, 1]; ties as in `top_k_hits`."""
    return float(top_k_hits(labels, logits, k).double().mean())


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of the classes among labels and among predictions, and how far apart the two lie.

    `total_variation` is half the sum of absolute differences, in [0, 1]: the least share of predictions that
    would have to change for the two histograms to be equal. 0 does not mean that predictions are right.
    """

    true: tuple[float, ...]
    predicted: tuple[float, ...]
    total_variation: float


def class_histogram(confusion: Tensor) -> Histogram:
    """Histograms of a confusion matrix [C, C] (rows: reference). Raises ValueError where it is empty."""
    counts = confusion.double()
    if not counts.sum() > 0:
        raise ValueError("confusion: no samples")
    true, predicted = counts.sum(1) / counts.sum(), counts.sum(0) / counts.sum()
    return Histogram(
        tuple(true.tolist()), tuple(predicted.tolist()), float((true - predicted).abs().sum() / 2)
    )
