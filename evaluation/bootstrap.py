"""How far a score would move on another draw of the test set: percentile bootstrap, also paired.

Groups (duplicate clusters, subjects, videos), not images, are drawn with replacement, because copies of one
picture are one observation. Trained weights are held fixed: the interval is about the test images, not
about the luck of training; runs with several seeds show that.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .metrics import SCORES, confusion_matrix, scores

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A score and its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two scores on the same images, its interval, and the two-sided bootstrap p-value."""

    value: float
    low: float
    high: float
    p: float

    @property
    def beyond(self) -> bool:
        """Whether the first beats the second by more than the interval: all of it lies above zero."""
        return self.low > 0


def group_weights(groups: Tensor, resamples: int, seed: int, chunk: int = 64) -> Iterator[Tensor]:
    """Yield [<= chunk, N] float32: how often each image is in each resample of whole groups, int64 [N]."""
    generator = torch.Generator().manual_seed(seed)
    count = int(groups.max()) + 1
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = torch.randint(count, (rows, count), generator=generator)
        times = torch.zeros(rows, count).scatter_add_(1, drawn, torch.ones(rows, count))
        yield times[:, groups]


def _resampled(
    labels: Tensor, predictions: list[Tensor], classes: int, groups: Tensor | None, resamples: int, seed: int
) -> list[dict[str, Tensor]]:
    """For each vector of predictions the scores [resamples], all on the *same* resamples."""
    groups = torch.arange(len(labels)) if groups is None else torch.unique(groups, return_inverse=True)[1]
    cells = [labels * classes + prediction for prediction in predictions]
    matrices: list[list[Tensor]] = [[] for _ in predictions]
    for weights in group_weights(groups, resamples, seed):
        for cell, gathered in zip(cells, matrices):
            counts = torch.zeros(len(weights), classes * classes).index_add_(1, cell, weights)
            gathered.append(counts.view(-1, classes, classes))
    return [scores(torch.cat(gathered)) for gathered in matrices]


def _percentiles(values: Tensor, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = torch.quantile(values, torch.tensor([tail, 1 - tail], dtype=values.dtype)).tolist()
    return low, high


def intervals(
    labels: Tensor,
    predictions: Tensor,
    classes: int,
    groups: Tensor | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Interval]:
    """Percentile intervals of accuracy, macro-F1 and UAR.

    `labels`, `predictions` and `groups` are int64 [N] on the CPU; images with the same group number are drawn
    together. Deterministic in `seed`.
    """
    observed = scores(confusion_matrix(labels, predictions, classes))
    drawn = _resampled(labels, [predictions], classes, groups, resamples, seed)[0]
    return {name: Interval(float(observed[name]), *_percentiles(drawn[name], confidence)) for name in SCORES}


def paired_differences(
    labels: Tensor,
    predictions: Tensor,
    baseline: Tensor,
    classes: int,
    groups: Tensor | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Difference]:
    """Score of `predictions` minus score of `baseline`, resampled together (arguments as in `intervals`).

    p is the two-sided achieved significance level, twice the smaller share of resamples on either side of
    zero, counted with one added; where no resample lies on the other side it is the two-sided tail of a
    normal with the resamples' spread, if that is smaller: a count ends at 2 / (resamples + 1), and a
    correction for many comparisons could never get below its level (our choice).
    """
    ours, theirs = (scores(confusion_matrix(labels, each, classes)) for each in (predictions, baseline))
    first, second = _resampled(labels, [predictions, baseline], classes, groups, resamples, seed)
    found = {}
    for name in SCORES:
        found[name] = _difference(float(ours[name] - theirs[name]), first[name] - second[name], confidence)
    return found


def _difference(observed: float, gaps: Tensor, confidence: float) -> Difference:
    side = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    p = min(1.0, 2 * (side + 1) / (len(gaps) + 1))
    spread = float(gaps.std())
    if side == 0 and spread > 0:  # as far as counting goes; the normal tail goes on (our choice)
        p = min(p, math.erfc(abs(observed) / spread / math.sqrt(2)))
    return Difference(observed, *_percentiles(gaps, confidence), p)


Statistic = Callable[[Tensor], float]  # of the samples at places int64 [M], some of them more than once


def interval_of(
    statistic: Statistic,
    samples: int,
    groups: Tensor | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Percentile interval of any score of N samples, for one `lambda rows: float(values[rows].mean())`.

    The resamples are those of `intervals` with the same groups and seed; `statistic` is called once for each.
    """
    drawn = [statistic(rows) for rows in _rows(samples, groups, resamples, seed)]
    everything = torch.arange(samples)
    return Interval(
        statistic(everything), *_percentiles(torch.tensor(drawn, dtype=torch.float64), confidence)
    )


def difference_of(
    first: Statistic,
    second: Statistic,
    samples: int,
    groups: Tensor | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Difference:
    """First score minus second on the same samples, resampled together; p as in `paired_differences`."""
    gaps = [first(rows) - second(rows) for rows in _rows(samples, groups, resamples, seed)]
    everything = torch.arange(samples)
    observed = first(everything) - second(everything)
    return _difference(observed, torch.tensor(gaps, dtype=torch.float64), confidence)


def _rows(samples: int, groups: Tensor | None, resamples: int, seed: int) -> Iterator[Tensor]:
    """Yield the places int64 [M] that make up each resample of whole groups; M varies with their sizes."""
    everything = torch.arange(samples)
    groups = everything if groups is None else torch.unique(groups, return_inverse=True)[1]
    if len(groups) != samples:
        raise ValueError(f"groups: {len(groups)} for {samples} samples")
    for weights in group_weights(groups, resamples, seed):
        for times in weights.long():
            yield torch.repeat_interleave(everything, times)
