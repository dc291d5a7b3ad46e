"""What it would cost and gain to stay silent where the model is unsure: risk by coverage."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import real, refuse, same_length


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Answering only where the confidence reaches a threshold: what share is answered, at what mean loss.

    One point for each confidence that occurs, from the surest on; the last covers all and its risk is the
    mean loss of the whole set. `aurc` is the mean risk over the coverages 1/N, 2/N, …, 1 (Geifman et al.
    2019); of errors in [0, 1], lower is better. It depends on the accuracy as well as on the ranking.
    """

    threshold: tuple[float, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    aurc: float


def risk_coverage(losses: Tensor, confidence: Tensor) -> RiskCoverage:
    """The curve of `losses` [N] (1 where the prediction is wrong, or any loss ≥ 0) by `confidence` [N].

    A threshold cannot part samples of equal confidence: they enter the curve together, and `aurc` takes the
    mean over all their orders (our choice), so that the order of the samples is of no account.
    """
    same_length(losses=losses, confidence=confidence)
    losses, confidence = real("losses", losses, 1), real("confidence", confidence, 1)
    refuse("losses", losses, losses < 0, "no loss may be negative")
    levels, level = confidence.neg().unique(return_inverse=True)  # from the surest on
    sizes = torch.bincount(level)
    sums = torch.zeros(len(levels), dtype=torch.float64, device=losses.device).index_add(0, level, losses)
    answered, lost = sizes.cumsum(0), sums.cumsum(0)
    # Within a level the expected loss grows evenly with every sample that is answered.
    rank = torch.arange(1, len(losses) + 1, dtype=torch.float64, device=losses.device)
    of = torch.repeat_interleave(torch.arange(len(levels), device=losses.device), sizes)
    expected = lost[of] - sums[of] / sizes[of] * (answered[of] - rank)
    return RiskCoverage(
        threshold=tuple(levels.neg().tolist()),
        coverage=tuple((answered / len(losses)).tolist()),
        risk=tuple((lost / answered).tolist()),
        aurc=float((expected / rank).mean()),
    )
