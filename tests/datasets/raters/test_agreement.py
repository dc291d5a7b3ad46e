"""Agreement against published examples and scikit-learn."""

import numpy as np
import pytest
from vemo.datasets.raters import Votes, cohen_kappa, krippendorff_alpha
from vemo.datasets.raters.agreement import pairwise
from vemo.datasets.taxonomy import label_space


def test_alpha_of_krippendorffs_own_example():
    answers = [  # Krippendorff 2011, four observers, twelve units, 0: no answer
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    counts = np.array([[row.count(c) for c in range(1, 6)] for row in map(list, zip(*answers))])
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(np.array([[3, 0], [0, 3]])) == 1
    assert krippendorff_alpha(np.array([[1, 0], [0, 1]])) is None  # one answer each says nothing
    assert krippendorff_alpha(np.array([[2, 0], [2, 0]])) is None  # nor does one class


def test_kappa_of_cohens_own_example():
    """Cohen 1960, table 1: 200 patients, personality disorder, neurosis, psychosis; kappa .492."""
    counts = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (np.repeat(place, counts.ravel()) for place in np.indices(counts.shape).reshape(2, -1))
    assert cohen_kappa(first, second) == pytest.approx(0.492, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed):
    reference = pytest.importorskip("sklearn.metrics").cohen_kappa_score
    generator = np.random.default_rng(seed)
    first = generator.choice([1, 4, 6, 7], 60, p=[0.5, 0.3, 0.1, 0.1])
    second = np.where(generator.random(60) < 0.6, first, generator.integers(0, 8, 60))
    assert cohen_kappa(first, second) == pytest.approx(reference(first, second), abs=1e-12)


def test_kappa_that_says_nothing():
    nothing = np.empty(0, np.int64)
    assert cohen_kappa(nothing, nothing) is None
    assert cohen_kappa(np.array([2, 2]), np.array([2, 2])) is None
    assert cohen_kappa(np.array([0, 1]), np.array([1, 0])) == -1


def test_pairs_are_compared_where_both_answered():
    items, who, classes = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 2], [1, 1, 3], [2, 0, 4], [2, 2, 4]]).T
    votes = Votes(label_space("mikels8"), ("a", "b", "c"), ("ann", "ben", "cyd"), items, who, classes)
    ann_ben, ann_cyd, ben_cyd = pairwise(votes)
    assert (ann_ben["raters"], ann_ben["samples"], ann_ben["agree"]) == (["ann", "ben"], 2, 0.5)
    assert ann_ben["kappa"] == cohen_kappa(np.array([1, 2]), np.array([1, 3])) == pytest.approx(1 / 3)
    assert (ann_cyd["samples"], ann_cyd["kappa"]) == (1, None)
    assert ben_cyd == {"raters": ["ben", "cyd"], "samples": 0, "agree": None, "kappa": None}
