"""What each sample is and how each rater errs, from their answers alone: Dawid and Skene's model."""

from dataclasses import dataclass

import numpy as np

from ...foundation.errors import UserError

SMOOTHING = 32.0
FEW = 10  # samples a class, below which the soft labels are no better than plain votes (docs/curation.md)


@dataclass(frozen=True)
class DawidSkene:
    """posterior: P(class) of each sample, [N, C]. confusion: P(answer | class) of each rater, [R, C, C].

    prevalence: [C]. converged: whether it stood still before the last of `iterations`.
    """

    posterior: np.ndarray
    confusion: np.ndarray
    prevalence: np.ndarray
    iterations: int
    converged: bool

    @property
    def accuracy(self) -> np.ndarray:
        """Of each rater, the probability of answering right, [R]."""
        return np.einsum("k,rkk->r", self.prevalence, self.confusion)


def dawid_skene(
    items: np.ndarray,
    raters: np.ndarray,
    answers: np.ndarray,
    shape: tuple[int, int, int],
    known: np.ndarray | None = None,
    smoothing: float = SMOOTHING,
    iterations: int = 500,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Expectation maximisation from shares of the votes (Dawid and Skene 1979, equations 2.3 to 2.5).

    Args:
        items, raters, answers: int [A] each, one entry an answer; a rater may answer an item more than once.
        shape: (N items, R raters, C classes). Every item needs an answer or a known class.
        known: int [N], the true class where it is known (gold), −1 elsewhere.
        smoothing: imagined answers in every row of a confusion matrix, right as often as that rater is on the
            whole, wrong ones spread evenly over the other classes. 0 is the published model, which is far too
            sure of itself with few answers a class. Our choice.

    Raises:
        UserError: an item without an answer or a known class.
    """
    count, people, classes = shape
    pairs = raters * classes + answers
    votes = _sums(items, np.eye(classes)[answers], count)
    gold = np.flatnonzero(known >= 0) if known is not None else np.empty(0, np.int64)
    truth = np.eye(classes)[known[gold]] if known is not None else np.empty((0, classes))
    votes[gold] = truth
    if (votes.sum(1) == 0).any():
        raise UserError("a sample without an answer cannot be weighed")
    posterior = votes / votes.sum(1, keepdims=True)
    prevalence, confusion = _parameters(
        posterior, _sums(pairs, posterior[items], people * classes), smoothing
    )
    number, change = 0, np.inf
    while number < iterations and change > tolerance:
        with np.errstate(divide="ignore"):  # without smoothing, what never occurred has probability 0
            by_pair = np.log(confusion).transpose(0, 2, 1).reshape(-1, classes)
            scores = np.log(prevalence) + _sums(items, by_pair[pairs], count)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        updated = scores / scores.sum(1, keepdims=True)
        updated[gold] = truth
        change, posterior, number = float(np.abs(updated - posterior).max()), updated, number + 1
        prevalence, confusion = _parameters(
            posterior, _sums(pairs, posterior[items], people * classes), smoothing
        )
    return DawidSkene(posterior, confusion, prevalence, number, change <= tolerance)


def _sums(places: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """The rows of each place added up, [count, C]; several times as fast as np.add.at."""
    return np.stack([np.bincount(places, column, count) for column in rows.T], axis=1)


def _parameters(
    posterior: np.ndarray, by_pair: np.ndarray, smoothing: float
) -> tuple[np.ndarray, np.ndarray]:
    """(prevalence [C], confusion [R, C, C]) that fit the posterior best, drawn towards the prior.

    by_pair: [R · C, C], how often each rater gave each answer (rows) to samples of each class (columns).
    """
    classes = posterior.shape[1]
    counts = by_pair.reshape(-1, classes, classes).transpose(0, 2, 1)
    prevalence = posterior.sum(0)
    if smoothing > 0:
        # One more answer, of everybody's quality: a rater with few answers is taken for an average one.
        average = np.trace(counts.sum(0)) / counts.sum()
        right = (np.trace(counts, axis1=1, axis2=2) + average) / (counts.sum((1, 2)) + 1)
        diagonal = np.eye(classes, dtype=bool)
        wrong = (1 - right) / max(classes - 1, 1)
        counts = counts + smoothing * np.where(diagonal, right[:, None, None], wrong[:, None, None])
        prevalence = prevalence + 1 / classes
    rows = counts.sum(2, keepdims=True)
    confusion = np.divide(counts, rows, out=np.full_like(counts, 1 / classes), where=rows > 0)
    return prevalence / prevalence.sum(), confusion
