"""Active learning: which samples to label next, uncertain ones that are not all alike."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


def uncertainty(probabilities: Tensor) -> Tensor:
    """Entropy over its largest value, float32 [N] in [0, 1]; probabilities [N, C]."""
    entropy = torch.special.entr(probabilities).sum(1)
    return (entropy / math.log(max(2, probabilities.shape[1]))).clamp(0, 1)


def next_batches(worth: Tensor, features: Tensor, size: int, count: int) -> list[list[int]]:
    """`count` batches of `size` places (fewer where samples run out), the best first.

    Greedy, our choice: each time the sample with the largest worth × distance to the nearest one already
    chosen, so that a copy of a chosen sample is worth nothing. worth: [N], at least 0. features: [N, D];
    distances are those of standardised features, 1 − cosine, halved to [0, 1].
    """
    spread = features.std(0, correction=0)
    rows = normalize((features - features.mean(0)) / torch.where(spread > 1e-6, spread, 1))
    distance, taken = torch.ones(len(rows)), torch.zeros(len(rows), dtype=torch.bool)
    chosen: list[int] = []
    for _ in range(min(size * count, len(rows))):
        place = int((worth * distance).masked_fill(taken, -1).argmax())
        chosen.append(place)
        taken[place] = True
        distance = torch.minimum(distance, (1 - rows @ rows[place]).clamp_min(0) / 2)
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]
