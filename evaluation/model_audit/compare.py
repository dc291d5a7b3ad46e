"""All gaps of a report, tested together, and what each amounts to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..metrics import holm
from .gaps import Gap, Measure, Samples, gaps_of, questions_of
from .groups import Partition

Verdict = Literal["gap", "class mix", "unsettled", "hidden", "none"]


@dataclass(frozen=True, slots=True)
class Tested:
    """A gap, and its p adjusted for all tests of the report (Holm)."""

    gap: Gap
    p_holm: float
    found: bool  # p_holm is at most the report's level

    @property
    def said(self) -> float:
        """The gap's value."""
        return self.gap.value


@dataclass(frozen=True, slots=True)
class Compared:
    """A partition and its gaps; none where there is nothing to compare."""

    partition: Partition
    tested: tuple[Tested, ...]

    def of(self, measure: Measure, group: int | None) -> Tested | None:
        """The gap of a measure, group against rest or (None) the widest; None: it was not tested."""
        wanted = (measure, group)
        same = (
            each for each in self.tested if (each.gap.question.measure, each.gap.question.group) == wanted
        )
        return next(same, None)

    @property
    def asked(self) -> tuple[int | None, ...]:
        """Groups against the rest, and None for the widest gap, as far as there are such tests."""
        questions = (each.gap.question for each in self.tested)
        return tuple(each.group for each in questions if each.measure == "raw")

    def verdict(self, group: int | None) -> Verdict:
        """What a gap in the outcome amounts to, once the class mix is made equal.

        gap: found, and found at equal class mix. class mix: at equal class mix it is not found and less than
        half as wide. unsettled: found, but at equal class mix neither. hidden: found at equal class mix only.
        """
        raw, equal = self.of("raw", group), self.of("standardised", group)
        if raw is None or not raw.found:
            return "hidden" if equal is not None and equal.found else "none"
        if equal is None:
            return "unsettled"
        if equal.found:
            return "gap"
        return "class mix" if abs(equal.said) <= abs(raw.said) / 2 else "unsettled"


def compare(
    samples: Samples,
    parted: Sequence[Partition],
    level: float,
    resamples: int,
    permutations: int,
    seed: int,
) -> list[Compared]:
    """Every partition with its gaps, whose p-values are adjusted over all of them."""
    gaps = [gaps_of(each, samples, resamples, permutations, seed) for each in parted]
    adjusted = iter(holm([gap.p for each in gaps for gap in each]))
    return [
        Compared(partition, tuple(Tested(gap, p, p <= level) for gap, p in zip(found, adjusted)))
        for partition, found in zip(parted, gaps)
    ]


def enough(parted: Sequence[Partition], level: float, finer: int = 5) -> int:
    """Permutations with which the smallest p is 1/finer of what Holm asks of the first finding."""
    tests = sum(len(questions_of(each)) for each in parted)
    return math.ceil(finer * tests / level)
