"""Cross-validation folds that keep groups whole and classes balanced."""

from collections.abc import Sequence

import numpy as np

from ..foundation.errors import UserError


def group_folds(labels: Sequence[int], groups: Sequence[str], folds: int, seed: int = 0) -> np.ndarray:
    """The fold of every sample, int64 [N] in [0, folds); all samples of a group share one fold.

    Greedy, our choice: groups from the largest to the smallest (equals in an order drawn from `seed`), each
    into the fold that so far holds least of that group's classes, then least overall. Deterministic.

    Raises:
        UserError: when there are fewer groups than folds.
    """
    classes, columns = np.unique(np.asarray(labels), return_inverse=True)
    names, rows = np.unique(np.asarray(groups), return_inverse=True)
    if folds < 2 or len(names) < folds:
        raise UserError(f"cannot make {folds} folds of {len(names)} groups; use 2 to {len(names)} folds")
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (rows, columns), 1)
    share = counts / counts.sum(0)  # so that rare classes weigh as much as common ones
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts.sum(1)[shuffled], kind="stable")]
    held, sizes = np.zeros((folds, len(classes))), np.zeros(folds)
    chosen = np.empty(len(names), dtype=np.int64)
    for group in order:
        load = held @ share[group]
        fold = int(np.lexsort((sizes, load.round(12)))[0])
        chosen[group] = fold
        held[fold] += share[group]
        sizes[fold] += counts[group].sum()
    return chosen[rows]
