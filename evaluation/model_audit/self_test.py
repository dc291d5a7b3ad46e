"""What the audit is worth: drawn models whose faults are known, audited many times."""

from dataclasses import dataclass
from math import comb

import numpy as np
import torch

from ...foundation.terminal import table_text
from .attributes import Values
from .compare import Compared, compare, enough
from .gaps import Samples
from .groups import partitions

CLASSES = 7
FLIPPED = 0.15  # of the right answers of the group that is served worse
Drawn = tuple[Samples, Values]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something was said in `audits` draws, and whether that is as it should be."""

    what: str
    times: int
    audits: int
    wanted: str
    ok: bool


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What `self_test` found."""

    rates: tuple[Rate, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as it should be."""
        return all(each.ok for each in self.rates)

    @property
    def table(self) -> str:
        """As text."""
        rows = [
            (each.what, f"{each.times} of {each.audits}", each.wanted, "as wanted" if each.ok else "NOT SO")
            for each in self.rates
        ]
        return table_text(("", "found", "wanted", ""), rows)


def self_test(audits: int = 200, level: float = 0.05, seed: int = 0) -> SelfTest:
    """Random groups, a planted bias, and a planted class mix, each drawn `audits` times."""
    nothing, bias, mix = (
        [audited(draw(seed + number), level, seed + number, everything) for number in range(audits)]
        for draw, everything in ((random_groups, True), (biased, False), (confounded, False))
    )
    most = most_by_chance(audits, level)
    first = [found[0] for found in bias + mix]
    planted, mixed = first[:audits], first[audits:]
    false, found = sum(map(finds, nothing)), sum(map(served_worse, planted))
    plain, equal = (sum(finds_gap(each, measure) for each in mixed) for measure in ("raw", "standardised"))
    return SelfTest(
        (
            _at_most("random groups: one false finding or more", false, audits, level, most),
            _at_least("planted bias: found", found, audits),
            _at_least("planted class mix: the plain gap is found", plain, audits),
            _at_most("planted class mix: a gap at the same class mix", equal, audits, level, most),
        )
    )


def random_groups(seed: int) -> Drawn:
    """360 samples in 270 dataset groups, copies right or wrong together; two attributes that say nothing."""
    random = np.random.default_rng([1, seed])
    units = np.sort(np.concatenate([np.arange(270), random.integers(0, 270, 90)]))
    labels = random.integers(0, CLASSES, 270)[units]
    right = random.random(270)[units] < np.linspace(0.5, 0.95, CLASSES)[labels]
    values = {
        "two": [str(value) for value in random.integers(0, 2, 270)[units]],
        "two more": [str(value) for value in random.integers(0, 2, 270)[units]],
    }
    return _samples(random, right, labels, units), values


def biased(seed: int, group: int = 400, rest: int = 1200, accuracy: float = 0.8) -> Drawn:
    """A group of `group` samples of which `FLIPPED` of the right answers are made wrong, and the rest."""
    random = np.random.default_rng([2, seed])
    named = np.arange(group + rest) < group
    right = (random.random(len(named)) < accuracy) & ~(named & (random.random(len(named)) < FLIPPED))
    labels = random.integers(0, CLASSES, len(named))
    return _samples(random, right, labels, np.arange(len(named))), _two(named)


def confounded(seed: int) -> Drawn:
    """400 of 1,600 samples have more of the hard classes; the model is as good on each class in both."""
    random = np.random.default_rng([3, seed])
    named = np.arange(1600) < 400
    weights = np.linspace(1, 4, CLASSES)
    hard, easy = weights / weights.sum(), weights[::-1] / weights.sum()
    labels = np.where(
        named, random.choice(CLASSES, len(named), p=hard), random.choice(CLASSES, len(named), p=easy)
    )
    right = random.random(len(named)) < np.linspace(0.95, 0.45, CLASSES)[labels]
    return _samples(random, right, labels, np.arange(len(named))), _two(named)


def _two(named: np.ndarray) -> Values:
    return {"group": ["served" if each else "rest" for each in named]}


def _samples(
    random: np.random.Generator, right: np.ndarray, labels: np.ndarray, units: np.ndarray
) -> Samples:
    outcome = torch.from_numpy(right.astype(np.float64))
    confidence = torch.from_numpy(0.5 + 0.5 * random.random(len(right)))
    numbers = torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(units.astype(np.int64))
    return Samples(outcome, confidence - outcome, *numbers, CLASSES)


def audited(drawn: Drawn, level: float, seed: int, everything: bool) -> list[Compared]:
    """A drawn model's audit, without intervals; `everything`: with the intersections."""
    samples, values = drawn
    parted = partitions(values, samples.units, 30, intersections=everything)
    times = max(500, enough(parted, level, 2))
    return compare(samples, parted, level, resamples=0, permutations=times, seed=seed)


def finds(found: list[Compared]) -> bool:
    """Whether anything at all is found."""
    return any(each.found for compared in found for each in compared.tested)


def finds_gap(found: Compared, measure: str) -> bool:
    """Whether a gap of that measure is found."""
    return any(each.found for each in found.tested if each.gap.question.measure == measure)


def served_worse(found: Compared) -> bool:
    """The gap is found and points at the right group: "rest", the first by name, is better."""
    raw = found.of("raw", 0)
    return raw is not None and raw.found and raw.said > 0 and found.verdict(0) == "gap"


def _at_most(what: str, times: int, audits: int, level: float, most: int) -> Rate:
    wanted = f"at most {level:.0%}, by chance up to {most}"
    return Rate(what, times, audits, wanted, times <= most)


def _at_least(what: str, times: int, audits: int) -> Rate:
    return Rate(what, times, audits, "at least 95%", times >= 0.95 * audits)


def most_by_chance(audits: int, level: float, certainty: float = 0.995) -> int:
    """The count that a true rate of `level` stays at or below with that certainty (binomial)."""
    total = 0.0
    for times in range(audits + 1):
        total += comb(audits, times) * level**times * (1 - level) ** (audits - times)
        if total >= certainty:
            return times
    return audits
