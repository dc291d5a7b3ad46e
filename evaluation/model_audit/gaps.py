"""How far groups lie apart, with an interval and a test for each gap.

Four questions of each partition. `raw`: is the outcome (accuracy, or KL of distributions) another one?
`standardised`: would it still be, were the classes equally common in all groups? `sureness`: is confidence
minus accuracy another one? `by_class`: is any class got right more often in some groups (equal opportunity,
Hardt et al. 2016, for many classes: the widest gap in recall, averaged over the classes)?

Intervals: bootstrap over dataset groups. Tests: permutation of the groups' names over dataset groups, freely
for `raw` and `sureness`, among dataset groups of the same (commonest) class for the other two. Where a
dataset group holds several groups, names move within it, between its samples. All of this is exact under the
null hypothesis that names say nothing (given the class), but for dataset groups of several classes, where
"the same class" is approximate.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..bootstrap import CONFIDENCE, group_weights
from .groups import Partition

Measure = Literal["raw", "standardised", "sureness", "by_class"]
FREE: tuple[Measure, ...] = ("raw", "sureness")  # permuted without regard to the class
CLASS_MIX = 5  # samples of a class, in the group and in the rest, for it to enter the standardised gap
CLASS_RECALL = 10  # samples of a class in a group for its recall to be compared
_CELLS = 4_000_000  # of an intermediate table; bounds the memory
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a group against all others, or (None) the widest gap between any two groups."""

    measure: Measure
    group: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """The answer: group minus rest, or the widest gap (≥ 0); its percentile interval; p of no gap at all.

    by_chance: how wide (in absolute value) it is on average where names say nothing. A widest gap is above 0
    by chance alone, and resampling widens it once more: of its interval that bias is taken away.
    mix: share of the samples whose classes could be compared, of `standardised` and `by_class`; else 1.
    """

    question: Question
    value: float
    low: float
    high: float
    p: float
    by_chance: float
    mix: float


@dataclass(frozen=True, slots=True)
class Samples:
    """Of N samples: outcome and surplus confidence float64 [N], class and dataset group int64 [N]."""

    outcome: Tensor
    surplus: Tensor
    labels: Tensor
    units: Tensor
    classes: int

    def at(self, rows: Tensor) -> "Samples":
        """Those where bool [N] holds, dataset groups numbered anew."""
        units = self.units[rows].unique(return_inverse=True)[1]
        return Samples(self.outcome[rows], self.surplus[rows], self.labels[rows], units, self.classes)


def questions_of(partition: Partition) -> list[Question]:
    """What can be asked of a partition: nothing of one with nothing to compare.

    Of two groups, the one gap between them; else every group against the rest, and the widest gap.
    """
    groups = len(partition.names)
    if groups == 0 or (groups == 1 and not partition.too_small):
        return []
    compared = [0] if groups == 2 else [*range(groups), *([None] if groups > 1 else [])]
    tests = [
        Question(measure, group) for measure in ("raw", "standardised", "sureness") for group in compared
    ]
    return [*tests, *([Question("by_class", None)] if groups > 1 else [])]


def gaps_of(
    partition: Partition, samples: Samples, resamples: int, permutations: int, seed: int
) -> list[Gap]:
    """The gap of each of `questions_of` that the classes allow; resamples=0: without intervals (NaN)."""
    tests = questions_of(partition)
    if not tests:
        return []
    known, number = samples.at(partition.compared), partition.number[partition.compared]
    design = _Design(number, known, len(partition.names), tests)
    seed = zlib.crc32(f"{seed} {partition.name}".encode())
    observed = design.statistics(design.observed)[0]
    beyond, sizes = torch.zeros(2, len(tests), dtype=torch.float64)
    for strict in (False, True):
        asked = torch.tensor([(each.measure not in FREE) == strict for each in tests])
        for cells in _permuted(number, known, design.width, permutations, seed, strict):
            size = design.statistics(cells).abs()
            below = size < observed.abs() - _TIE  # what is not defined counts as beyond
            beyond += asked * (~below).sum(0)
            sizes += asked * size.nansum(0)
    p = (1 + beyond) / (1 + permutations)
    drawn = [design.statistics(cells) for cells in _resampled(number, known, design.width, resamples, seed)]
    nothing = torch.full((2, len(tests)), torch.nan)
    low, high = _interval(torch.cat(drawn), observed, tests) if drawn else nothing
    columns = (column.tolist() for column in (observed, low, high, p, sizes / permutations))
    found = [Gap(test, *values) for test, *values in zip(tests, *columns, design.mix)]
    return [gap for gap in found if gap.value == gap.value]


def _interval(drawn: Tensor, observed: Tensor, tests: list[Question]) -> Tensor:
    """Low and high, [2, tests], of statistics [R, tests]."""
    tail = (1 - CONFIDENCE) / 2
    ends = torch.nanquantile(drawn, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
    widest = torch.tensor([each.group is None for each in tests])
    bias = (drawn.nanmean(0) - observed).clamp(min=0)
    return torch.where(widest, (ends - bias).clamp(min=0), ends)


class _Design:
    """Which cells of groups × classes a statistic is made of, fixed by what was observed."""

    def __init__(self, number: Tensor, samples: Samples, groups: int, tests: list[Question]) -> None:
        self.groups, self.width, self.tests = groups, groups + 1, tests
        once = torch.ones(1, len(number))
        self.observed = _cells(once, number, samples, self.width)
        count = self.observed[0, :, :, 0]
        total = count.sum(0)
        self.shares = total / total.sum()
        self.against_rest = (count >= CLASS_MIX) & (total - count >= CLASS_MIX)
        self.in_all = (count[:groups] >= CLASS_MIX).all(0)
        self.recalled = count[:groups] >= CLASS_RECALL
        self.mix = [self._mix(each) for each in tests]

    def _mix(self, question: Question) -> float:
        if question.measure == "by_class":
            return float(self.shares[self.recalled.sum(0) > 1].sum())
        if question.measure == "standardised":
            kept = self.in_all if question.group is None else self.against_rest[question.group]
            return float(self.shares[kept].sum())
        return 1.0

    def statistics(self, cells: Tensor) -> Tensor:
        """float64 [R, tests] of cells [R, groups + 1, C, 3] (count, outcome, surplus); NaN: not defined."""
        rest = cells.sum(1, keepdim=True) - cells
        means = _over_classes(cells)
        apart = means - _over_classes(rest)
        found: dict[Question, Tensor] = {}
        for place, measure in enumerate(FREE):
            found |= {Question(measure, group): apart[:, group, place] for group in range(self.groups)}
            found[Question(measure, None)] = _range(means[:, : self.groups, place])
        equal = self._standardised(cells, rest)
        found |= {Question("standardised", group): equal[:, group] for group in range(self.groups)}
        found[Question("standardised", None)] = _range(self._with_equal_classes(cells))
        found[Question("by_class", None)] = self._by_class(cells)
        return torch.stack([found[each] for each in self.tests], 1)

    def _standardised(self, cells: Tensor, rest: Tensor) -> Tensor:
        """Each group's outcome minus the rest's, class by class, in the class mix of all: [R, groups + 1]."""
        there = self.against_rest & (cells[..., 0] > 0) & (rest[..., 0] > 0)
        weights = self.shares * there
        gap = _by_class(cells) - _by_class(rest)
        return (gap.nan_to_num() * weights).sum(2) / weights.sum(2)

    def _with_equal_classes(self, cells: Tensor) -> Tensor:
        """Each group's outcome in the class mix of all, over the classes that all groups have."""
        inside = cells[:, : self.groups]
        weights = self.shares * (self.in_all & (inside[..., 0] > 0).all(1))
        return (_by_class(inside).nan_to_num() * weights[:, None]).sum(2) / weights.sum(1, keepdim=True)

    def _by_class(self, cells: Tensor) -> Tensor:
        inside = cells[:, : self.groups]
        there = self.recalled & (inside[..., 0] > 0)
        recall = _by_class(inside)
        high = recall.masked_fill(~there, -torch.inf).amax(1)
        low = recall.masked_fill(~there, torch.inf).amin(1)
        several = there.sum(1) > 1
        return torch.where(several, high - low, 0).sum(1) / several.sum(1)


def _over_classes(cells: Tensor) -> Tensor:
    """Means of outcome and surplus over all samples of a group, [R, groups + 1, 2]."""
    summed = cells.sum(2)
    return summed[..., 1:] / summed[..., :1]


def _by_class(cells: Tensor) -> Tensor:
    """The mean outcome of each cell, [..., C]."""
    return cells[..., 1] / cells[..., 0]


def _range(means: Tensor) -> Tensor:
    return means.amax(1) - means.amin(1)


def _columns(samples: Samples) -> Tensor:
    return torch.stack([torch.ones_like(samples.outcome), samples.outcome, samples.surplus], 1)


def _cells(weights: Tensor, number: Tensor, samples: Samples, width: int) -> Tensor:
    """Weighted sums of count, outcome and surplus by group and class, [R, width, C, 3]; weights [R, N]."""
    cell = number * samples.classes + samples.labels
    weights = weights.double()
    sums = [
        torch.zeros(len(weights), width * samples.classes, dtype=torch.float64).index_add_(
            1, cell, weights * column
        )
        for column in _columns(samples).T
    ]
    return torch.stack(sums, 2).view(len(weights), width, samples.classes, 3)


def _resampled(number: Tensor, samples: Samples, width: int, resamples: int, seed: int) -> Iterator[Tensor]:
    chunk = max(1, min(64, _CELLS // len(number)))
    for weights in group_weights(samples.units, resamples, seed, chunk):
        yield _cells(weights, number, samples, width)


def _permuted(
    number: Tensor, samples: Samples, width: int, permutations: int, seed: int, within_classes: bool
) -> Iterator[Tensor]:
    """Cells under names that say nothing; `items` are what names move between."""
    item, stratum = _items(number, samples, within_classes)
    items, classes = len(stratum), samples.classes
    place = item * classes + samples.labels
    sums = torch.zeros(items * classes, 3, dtype=torch.float64).index_add_(0, place, _columns(samples))
    names = torch.zeros(items, dtype=torch.int64).scatter_(0, item, number)
    order = stratum.argsort(stable=True)
    sums, names = sums.view(items, -1)[order], names[order].numpy()
    ends = np.cumsum([0, *torch.bincount(stratum).tolist()])
    random = np.random.default_rng([seed, within_classes])
    chunk = max(1, _CELLS // items)
    for start in range(0, permutations, chunk):
        drawn = np.repeat(names[None], min(chunk, permutations - start), 0)
        for low, high in pairwise(ends):
            if high - low > 1:
                drawn[:, low:high] = random.permuted(drawn[:, low:high], axis=1)
        moved = torch.from_numpy(drawn)
        cells = torch.stack([(moved == group).double() @ sums for group in range(width)], 1)
        yield cells.view(len(moved), width, classes, 3)


def _items(number: Tensor, samples: Samples, within_classes: bool) -> tuple[Tensor, Tensor]:
    """(item of each sample [N], stratum of each item): names move between the items of a stratum.

    An item is a dataset group, or each sample of one that holds several groups.
    """
    units, labels, classes = samples.units, samples.labels, samples.classes
    count = int(units.max()) + 1
    ends = [
        torch.zeros(count, dtype=torch.int64).scatter_reduce(0, units, number, way, include_self=False)
        for way in ("amin", "amax")
    ]
    mixed = (ends[0] != ends[1])[units]
    own = torch.where(mixed, count + torch.arange(len(units)), units)
    item = own.unique(return_inverse=True)[1]
    items = int(item.max()) + 1
    unit_of = torch.zeros(items, dtype=torch.int64).scatter_(0, item, units)
    split = torch.zeros(items, dtype=torch.bool).scatter_(0, item, mixed)
    by_class = torch.bincount(item * classes + labels, minlength=items * classes).view(items, classes)
    commonest = by_class.argmax(1) if within_classes else torch.zeros(items, dtype=torch.int64)
    key = torch.where(split, 1 + unit_of, 0) * classes + commonest
    return item, key.unique(return_inverse=True)[1]
