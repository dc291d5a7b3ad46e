"""Samples that come over and over: pools in permutations of their own, and several that take turns.

What is drawn is a function of the place in an endless sequence, so any part of it can be had at once.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Protocol

import numpy as np

from .order import epoch_order, interleave, sample_seeds


class Drawn(Protocol):
    """An endless sequence of samples."""

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(numbers, seeds), int64 [n] each, of the samples at `places`, int64 [n]."""
        ...


class Pool:
    """Samples in one permutation after the other: none comes again before all of them have come.

    numbers: int64 [n ≥ 1], in their split. start: added to them, where a mixture numbers all of its sets.
    """

    def __init__(self, numbers: np.ndarray, seed: int, start: int = 0) -> None:
        self.numbers, self.seed, self.start = numbers, seed, start
        self._order = lru_cache(1)(partial(epoch_order, len(numbers), seed))

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        passes, within = np.divmod(places, len(self.numbers))
        numbers, seeds = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
        for each in np.unique(passes).tolist():
            here = passes == each
            own = self.numbers[self._order(each)[within[here]]]
            numbers[here] = own + self.start
            seeds[here] = sample_seeds(self.seed, each, own)
        return numbers, seeds


class Turns:
    """Parts that take turns, `counts[i]` times each in sum(counts) places, in one pattern (`interleave`).

    The sets of a mixture take turns, and so do the classes of a balanced set.
    """

    def __init__(self, parts: Sequence[Drawn], counts: Sequence[int]) -> None:
        self.parts, self._counts = parts, np.array(counts)
        self._turns = interleave(counts)  # whose turn it is at each place
        self._places = np.empty(len(self._turns), np.int64)  # and the how-manieth of that part it is
        for number, count in enumerate(counts):
            self._places[self._turns == number] = np.arange(count)

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rounds, within = np.divmod(places, len(self._turns))
        turns = self._turns[within]
        own = self._places[within] + rounds * self._counts[turns]
        numbers, seeds = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
        for number in np.unique(turns).tolist():
            mine = turns == number
            numbers[mine], seeds[mine] = self.parts[number].at(own[mine])
        return numbers, seeds
