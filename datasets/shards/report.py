"""What a build says at its end: coverage, splits, warnings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..readers.base import ASKED_FOR


@dataclass(frozen=True)
class BuildReport:
    """A finished shard set. `ok` is false when more failed than is tolerated."""

    out: Path | str
    splits: dict[str, dict[str, int]]  # name → samples, shards
    listed: int
    failed: dict[str, int]  # reason → count
    warnings: tuple[str, ...]
    tolerance: float

    @property
    def packed(self) -> int:
        return sum(split["samples"] for split in self.splits.values())

    @property
    def faults(self) -> int:
        """Failures that nobody asked for."""
        return sum(count for reason, count in self.failed.items() if reason not in ASKED_FOR)

    @property
    def ok(self) -> bool:
        return self.packed > 0 and self.faults <= self.tolerance * self.listed

    @property
    def coverage(self) -> str:
        """'117,998 of 118,102 images, 104 failed: 88 missing_image, 16 undecodable_image'."""
        return coverage_line(self.packed, self.listed, self.failed)

    @property
    def summary(self) -> str:
        """Coverage, what lies where, and what deserves a look; several lines."""
        splits = ", ".join(
            f"{name} {split['samples']:,} in {split['shards']} shard{'s' * (split['shards'] != 1)}"
            for name, split in self.splits.items()
        )
        lines = [self.coverage, f"{self.out}: {splits}", *(f"warning: {text}" for text in self.warnings)]
        if self.failed:
            lines.append(f"every failure, with its reason: {self.out}/failures.jsonl")
        if self.ok and isinstance(self.out, Path):
            lines.append(f"for a dataset card and Croissant metadata: vemo shards card {self.out}")
        elif not self.ok:
            share = self.faults / max(self.listed, 1)
            lines.append(
                f"{share:.1%} failed, more than tolerance={self.tolerance:g}. Once the source is mended, "
                "delete the tars that have failures (or the whole folder) and build again"
            )
        return "\n".join(lines)


def coverage_line(packed: int, listed: int, failed: dict[str, int]) -> str:
    """How much of what was listed is packed, and why the rest is not."""
    line = f"{packed:,} of {listed:,} images"
    if failed:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in failed.items())
        line += f", {sum(failed.values()):,} failed: {reasons}"
    return line


def count_reasons(lines: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Failures by reason, most frequent first, over the lines of shards.jsonl."""
    counts = Counter(failure["reason"] for line in lines for failure in line["failures"])
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def expectation_warning(dataset: str, expected: dict[str, int], listed: dict[str, int]) -> str | None:
    """A sentence when the copy at hand does not hold what the dataset is known to hold."""
    if not expected:
        return None
    found = {split: listed.get(split, 0) for split in expected}
    differing = [f"{s} {found[s]:,} of {expected[s]:,}" for s in expected if found[s] != expected[s]]
    if not differing:
        return None
    whole, here = sum(expected.values()), sum(listed.values())
    return (
        f"this copy of {dataset} lists {here:,} samples, the dataset has {whole:,} ({', '.join(differing)}): "
        "results on it are not comparable with those on the whole"
    )
