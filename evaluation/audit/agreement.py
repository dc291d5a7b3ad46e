"""How far the raters of a dataset agree: entropy of their votes, Krippendorff's alpha, ties."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...datasets.raters import krippendorff_alpha


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
