"""What a record says of one question, in a fixed shape, and a mark where it is silent.

The objects here are small and pickle: a stream's view carries them into workers. They read `labels` and
`vad`, which a sample and each of its persons (EMOTIC, HECO) have alike, so either can be handed in. Labels of
another space count once the stream has derived the head's own (`spaces`); what the label map calls ambiguous
or dropped is absent then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..datasets.taxonomy import class_index, distribution, label_space
from ..foundation.errors import UserError
from .predictions import Kind

Record = Mapping[str, Any]
ABSENT = -1
POLARITIES = 2  # negative, positive


class Targets(Protocol):
    """`target_NAME` of a record, and for some kinds `target_NAME.…` (a name has no dot)."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the columns."""
        ...

    @property
    def vocabulary(self) -> str:
        """The label space with its version: what the columns mean, for messages and cache keys."""
        ...

    def __call__(self, record: Record) -> dict[str, Any]: ...

    def row(self, record: Record) -> np.ndarray | None:
        """What is true, float32 [C]: one of 1, shares, 0s and 1s, or numbers with NaN for what is not known.

        None: the record has no target."""
        ...

    def count(self, record: Record) -> np.ndarray | None:
        """What the record adds to the counts of the classes, [C]; None: it has no target."""
        ...


@dataclass(frozen=True)
class _OfSpace:
    name: str
    space: str

    @property
    def classes(self) -> tuple[str, ...]:
        return label_space(self.space).names

    @property
    def vocabulary(self) -> str:
        return f"{self.space} {label_space(self.space).version}"


@dataclass(frozen=True)
class ClassTarget(_OfSpace):
    """A class as int, −1 where there is none: the largest of votes or shares, unless it is tied."""

    def __call__(self, record: Record) -> dict[str, Any]:
        place = class_index(record, label_space(self.space))
        return {f"target_{self.name}": ABSENT if place is None else place}

    def row(self, record: Record) -> np.ndarray | None:
        place = class_index(record, label_space(self.space))
        return None if place is None else np.eye(len(label_space(self.space)), dtype=np.float32)[place]

    count = row


@dataclass(frozen=True)
class ShareTarget(_OfSpace):
    """Shares of the classes, float32 [C] that sum to 1, or all NaN; `with_classes`: a class is one of 1."""

    with_classes: bool

    def __call__(self, record: Record) -> dict[str, Any]:
        space = label_space(self.space)
        label = (record.get("labels") or {}).get(self.space) or {}
        shares = distribution(record, space) if self.with_classes or "class" not in label else None
        return {f"target_{self.name}": _row(shares, len(space))}

    def row(self, record: Record) -> np.ndarray | None:
        row = self(record)[f"target_{self.name}"]
        return None if np.isnan(row).any() else row

    count = row


@dataclass(frozen=True)
class SetTarget(_OfSpace):
    """Which classes are there, int8 [C] of 0 and 1, or all −1 where the record has no `classes`."""

    def __call__(self, record: Record) -> dict[str, Any]:
        space = label_space(self.space)
        classes = ((record.get("labels") or {}).get(self.space) or {}).get("classes")
        row = np.full(len(space), ABSENT if classes is None else 0, np.int8)
        row[[space.index(name) for name in classes or ()]] = 1
        return {f"target_{self.name}": row}

    def row(self, record: Record) -> np.ndarray | None:
        row = self(record)[f"target_{self.name}"]
        return None if (row == ABSENT).any() else row.astype(np.float32)

    count = row


@dataclass(frozen=True)
class AxisTarget:
    """Numbers in [−1, 1], float32 [axes], NaN for each that is not known."""

    name: str
    axes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.axes

    @property
    def vocabulary(self) -> str:
        return "vad"

    def __call__(self, record: Record) -> dict[str, Any]:
        known = record.get("vad") or {}
        values = [known.get(axis) for axis in self.axes]
        return {f"target_{self.name}": np.array([np.nan if v is None else v for v in values], np.float32)}

    def row(self, record: Record) -> np.ndarray | None:
        row = self(record)[f"target_{self.name}"]
        return row if np.isfinite(row).any() else None

    def count(self, record: Record) -> np.ndarray | None:
        row = self.row(record)
        return None if row is None else np.isfinite(row)


@dataclass(frozen=True)
class HierarchicalTarget:
    """The emotion's own target and `target_NAME.polarity`, float32 [2] (negative, positive) or NaN.

    Polarity follows from the emotion, scaled to 1 over its classes that have one; where it does not (no
    emotion, or one like surprise), the record's own polarity2 label counts. polarity: of each class, −1 for
    none.
    """

    emotion: ClassTarget | ShareTarget
    polarity: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.emotion.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.emotion.classes

    @property
    def vocabulary(self) -> str:
        return self.emotion.vocabulary

    def __call__(self, record: Record) -> dict[str, Any]:
        found = self.emotion(record)
        target = found[f"target_{self.name}"]
        if isinstance(self.emotion, ClassTarget):
            shares = np.arange(len(self.polarity)) == target
        else:
            shares = np.nan_to_num(target)
        sums = np.array([shares[np.array(self.polarity) == side].sum() for side in range(POLARITIES)])
        own = distribution(record, label_space("polarity2")) if sums.sum() == 0 else sums / sums.sum()
        return found | {f"target_{self.name}.polarity": _row(own, POLARITIES)}

    def row(self, record: Record) -> np.ndarray | None:
        return self.emotion.row(record)

    def count(self, record: Record) -> np.ndarray | None:
        return self.emotion.count(record)


def target_of(kind: Kind, space: str | None, axes: tuple[str, ...] = (), name: str = "emotion") -> Targets:
    """The target of a kind of predictions over a label space, or over axes."""
    if kind == "vad" or space is None:
        return AxisTarget(name, axes)
    if kind == "multilabel":
        return SetTarget(name, space)
    return (
        ShareTarget(name, space, with_classes=False) if kind == "distribution" else ClassTarget(name, space)
    )


class Counts(NamedTuple):
    """per_class: samples of each class (shares add up; of axes: where known); samples: that have a target."""

    per_class: tuple[float, ...]
    samples: int


def count_targets(targets: Targets, records: Iterable[Record]) -> Counts:
    """What a train split has to teach a head, for `Head.set_counts`. Raises UserError if that is nothing."""
    sums: Any = 0.0
    there: set[str] = set()
    samples = total = 0
    for total, record in enumerate(records, start=1):  # noqa: B007
        labels = record.get("labels") or {}
        there.update(f"{space} ({', '.join(label)})" for space, label in labels.items())
        there.update(["vad"] if record.get("vad") else [])
        row = targets.count(record)
        if row is not None:
            samples, sums = samples + 1, sums + row.astype(np.float64)
    if samples == 0:
        raise UserError(
            f"heads.{targets.name}: none of the {total} records to train on has a target for it; they have "
            f"{', '.join(sorted(there)) or 'no labels'}. Choose another space or kind, or derive the space "
            "by a label map (data.spaces)"
        )
    return Counts(tuple(float(value) for value in sums), samples)


def _row(values: Any, length: int) -> np.ndarray:
    return np.full(length, np.nan, np.float32) if values is None else np.asarray(values, np.float32)
