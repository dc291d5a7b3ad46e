"""How far a predicted label distribution lies from the one that people gave: the measures of Geng 2016.

("Label distribution learning", IEEE TKDE; Jensen-Shannon is added by us, as a KL that zeros cannot make
infinite.) Each is a value per sample, so that it can be resampled.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.special import entr

from .inputs import distribution, same_length


@dataclass(frozen=True, slots=True)
class DistributionMeasures:
    """Of every sample, float64 [N]; d is the reference, p the prediction, C the number of classes.

    Papers on visual emotions often divide Clark by √C and Canberra by C: do so before comparing with them.
    """

    chebyshev: Tensor  # max |d - p|, in [0, 1]; lower is better, up to kl
    clark: Tensor  # √Σ (d - p)² / (d + p)², in [0, √C]; a class that is 0 in both adds 0
    canberra: Tensor  # Σ |d - p| / (d + p), in [0, C]; a class that is 0 in both adds 0
    jensen_shannon: Tensor  # (KL(d, m) + KL(p, m)) / 2 with m = (d + p) / 2, in nats, in [0, log 2]
    kl: Tensor  # Σ d log(d / p) in nats, in [0, ∞]; d = 0 adds 0, p = 0 where d > 0 makes it infinite
    cosine: Tensor  # Σ d p / (|d| |p|), in [0, 1]; higher is better
    intersection: Tensor  # Σ min(d, p), in [0, 1]; higher is better

    def means(self) -> dict[str, float]:
        """The mean over the samples of each measure, which is how they are reported."""
        return {name: float(values.mean()) for name, values in asdict(self).items()}


def distribution_measures(reference: Tensor, predicted: Tensor) -> DistributionMeasures:
    """All measures of two distributions [N, C] whose rows sum to 1 (within 1e-3; they are scaled to 1).

    Predictions that underflowed to 0 make KL infinite: take the softmax in float64.
    """
    same_length(reference=reference, predicted=predicted)
    d, p = distribution("reference", reference), distribution("predicted", predicted)
    if d.shape != p.shape:
        raise ValueError(f"reference: shape {list(d.shape)}, predicted {list(p.shape)}")
    gap, total, middle = (d - p).abs(), d + p, (d + p) / 2
    ratio = torch.where(total > 0, gap / total, 0)
    return DistributionMeasures(
        chebyshev=gap.amax(1),
        clark=ratio.square().sum(1).sqrt(),
        canberra=ratio.sum(1),
        jensen_shannon=(_kl(d, middle) + _kl(p, middle)) / 2,
        kl=_kl(d, p),
        cosine=((d * p).sum(1) / (d.norm(dim=1) * p.norm(dim=1))).clamp(max=1),
        intersection=torch.minimum(d, p).sum(1).clamp(max=1),
    )


def entropy(shares: Tensor) -> Tensor:
    """-Σ p log p of distributions [N, C] in nats, float64 [N], in [0, log C]; 0 log 0 is 0."""
    return entr(distribution("shares", shares)).sum(1)


def _kl(reference: Tensor, predicted: Tensor) -> Tensor:
    """Float64 [N]; the clamp takes away what rounding puts below 0."""
    return torch.where(reference > 0, reference * (reference / predicted).log(), 0).sum(1).clamp(min=0)
