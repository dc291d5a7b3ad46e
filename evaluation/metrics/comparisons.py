"""Is one model better than another on the same samples, and which of many such claims hold at once.

Intervals of differences are the paired bootstrap's business (`evaluation/bootstrap.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import same_length


@dataclass(frozen=True, slots=True)
class McNemar:
    """The samples on which two models part, and two-sided p-values of "they err equally often", in [0, 1].

    Samples are taken to be independent: with many near-duplicates p is too small; use the bootstrap by
    groups. A p of 0 is one that float64 cannot tell from it.
    """

    only_first: int  # the first is right, the second wrong
    only_second: int
    p_exact: float  # binomial; errs on the safe side
    p_mid: float  # counts half of the observed outcome; nearer to its nominal level (Fagerland et al. 2013)


def mcnemar(first: Tensor, second: Tensor) -> McNemar:
    """McNemar's test of two vectors of hits, bool [N] on the same samples in the same order.

    With n samples on which they part and k on the rarer side: p_exact = min(1, 2 P(X ≤ k)), p_mid =
    min(1, 2 P(X < k) + P(X = k)), X binomial (n, ½). Where they never part both are 1.
    """
    same_length(first=first, second=second)
    for name, hits in (("first", first), ("second", second)):
        if hits.dtype != torch.bool or hits.ndim != 1:
            raise ValueError(f"{name}: {hits.dtype} {list(hits.shape)}, expected bool [N]")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    parted, rarer = only_first + only_second, min(only_first, only_second)
    # Exact whatever n is: integers of any size for P(X = k), the rest by ratios of neighbours.
    here = math.comb(parted, rarer) / 2**parted
    terms = [here]
    for below in range(rarer, 0, -1):
        terms.append(terms[-1] * below / (parted - below + 1))
    below_or_here = math.fsum(terms)
    return McNemar(only_first, only_second, min(1.0, 2 * below_or_here), min(1.0, 2 * below_or_here - here))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being many, in the order given (Holm 1979): reject those at most the level.

    The i-th smallest of m is multiplied by m - i + 1, made no smaller than the one before, and capped at 1.
    The chance of one false claim or more is then at most the level, however the tests depend on each other.
    """
    for place, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise ValueError(f"p_values: {p} at [{place}]; every value must lie in [0, 1]")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
