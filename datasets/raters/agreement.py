"""How far raters agree beyond chance: Cohen's kappa of two, Krippendorff's alpha of any number."""

from itertools import combinations
from typing import Any

import numpy as np

from .votes import Votes


def krippendorff_alpha(counts: np.ndarray) -> float | None:
    """Nominal alpha of units × classes counts [N, C]: 1 is perfect agreement, 0 what chance gives.

    Krippendorff 2011 ("Computing Krippendorff's alpha-reliability"), nominal data with missing values: only
    how often each class was given to a unit matters, not by whom. Units with fewer than two answers say
    nothing. None where no unit is left or only one class occurs.
    """
    counts = counts[counts.sum(1) >= 2].astype(np.float64)
    if not len(counts):
        return None
    totals = counts.sum(0)
    whole = totals.sum()
    raters = counts.sum(1)
    observed = ((counts * (raters[:, None] - counts)).sum(1) / (raters - 1)).sum()
    expected = (totals * (whole - totals)).sum() / (whole - 1)
    return None if expected == 0 else float(1 - observed / expected)


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> float | None:
    """Cohen 1960, of two raters' classes for the same samples, int [N] each; 1 agreement, 0 chance.

    None where there is no sample, or both gave every sample one and the same class.
    """
    if not len(first):
        return None
    _, codes = np.unique(np.stack([first, second]), return_inverse=True)
    table = np.zeros((codes.max() + 1,) * 2)
    np.add.at(table, tuple(codes.reshape(2, -1)), 1 / len(first))
    chance = float(table.sum(0) @ table.sum(1))
    return None if chance == 1 else float((np.trace(table) - chance) / (1 - chance))


def pairwise(votes: Votes) -> list[dict[str, Any]]:
    """Of every two raters: the samples that both answered, the share on which they agree, Cohen's kappa."""
    table = votes.table
    found = []
    for one, other in combinations(range(len(votes.raters)), 2):
        both = table[(table[:, one] >= 0) & (table[:, other] >= 0)]
        first, second = both[:, one], both[:, other]
        found.append(
            {
                "raters": [votes.raters[one], votes.raters[other]],
                "samples": len(both),
                "agree": float((first == second).mean()) if len(both) else None,
                "kappa": cohen_kappa(first, second),
            }
        )
    return found
