"""Folds keep groups whole and classes balanced."""

import numpy as np
import pytest
from vemo.evaluation.folds import group_folds
from vemo.foundation.errors import UserError


@pytest.fixture
def clusters() -> tuple[list[int], list[str]]:
    """600 samples of four classes with shares 8:4:2:1, in groups of 1 to 9."""
    random = np.random.default_rng(0)
    labels = random.choice(4, 600, p=np.array([8, 4, 2, 1]) / 15).tolist()
    groups = np.repeat(np.arange(300), random.integers(1, 10, 300))[:600]
    return labels, [f"cluster {group}" for group in groups]


def test_groups_never_straddle_and_classes_are_even(clusters: tuple[list[int], list[str]]) -> None:
    labels, groups = clusters
    folds = group_folds(labels, groups, 5)
    assert set(folds.tolist()) == set(range(5))
    for group in set(groups):
        assert len({int(fold) for fold, name in zip(folds, groups) if name == group}) == 1
    for label in range(4):
        counts = np.bincount(folds[np.array(labels) == label], minlength=5)
        assert counts.max() - counts.min() <= 0.15 * counts.sum()


def test_without_groups_folds_are_stratified_to_one_sample() -> None:
    labels = [0] * 52 + [1] * 23 + [2] * 5
    folds = group_folds(labels, [str(index) for index in range(80)], 5)
    for label in range(3):
        counts = np.bincount(folds[np.array(labels) == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_deterministic_by_seed(clusters: tuple[list[int], list[str]]) -> None:
    first, again, other = (group_folds(*clusters, 5, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_too_few_groups_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="cannot make 5 folds of 2 groups"):
        group_folds([0, 1, 0, 1], ["a", "a", "b", "b"], 5)
