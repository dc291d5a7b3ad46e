"""How far raters agree: entropy of votes, Krippendorff's alpha, ties."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


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


def disagreement(values: Sequence[Sequence[float]], votes: bool) -> dict[str, Any]:
    """Of label distributions or votes [N][C]: entropies in nats, ties, and alpha where they are votes."""
    table = np.array(values, np.float64)
    shares = table / table.sum(1, keepdims=True)
    entropies = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(1)
    best = shares.max(1)
    return {
        "images": len(table),
        "answers an image": float(table.sum(1).mean()) if votes else None,
        "mean entropy": float(entropies.mean()),
        "largest possible": math.log(table.shape[1]),
        "unanimous": float((best == 1).mean()),
        "no majority": float((best <= 0.5).mean()),
        "tied": float(((shares == best[:, None]).sum(1) > 1).mean()),
        "krippendorff alpha": krippendorff_alpha(table) if votes else None,
    }
