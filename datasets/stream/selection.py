"""Which samples of a split a run draws: without a hold-out, a part of them, every class equally often.

All of it follows from the records and the config, by hashes of groups and ids: not from ranks, workers, or
how the set was cut into shards.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..taxonomy import class_index, label_space
from .order import FEW, HELD_OUT, apportion, draws, key_digest, set_seed
from .shardset import ShardSet
from .turns import Drawn, Pool, Turns

_NO_CLASS = -1
_BLANK = -2  # not even a label without a class, such as a tie or several


class SelectionConfig(Config):
    """A part of a split: what is unwanted goes, groups are held out, labels asked for, a fraction taken."""

    space: str | None = Field(
        default=None, description="label space of the keys below, as it is or derived (spaces)"
    )
    hold_out: float = Field(
        default=0.0, ge=0, lt=1, description="share of the groups that is left out, to choose a checkpoint on"
    )
    hold_out_seed: int = Field(default=0, description="another one holds out other groups; seed does not")
    without: tuple[str, ...] = Field(
        default=(),
        description="leave out samples with such an attribute, before all else: [review_status=reject]",
    )
    labelled: bool = Field(default=False, description="only samples with a label in space, of whatever kind")
    fraction: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="of each class of space, at least one sample (without space: of all together); a "
        "smaller fraction lies within a larger one of the same seed",
    )
    seed: int = Field(default=0, description="another one takes another fraction")
    balanced: bool = Field(
        default=False,
        description="draw every class of space equally often; samples without a class are left out",
    )

    @field_validator("space")
    @classmethod
    def _of_classes(cls, name: str | None) -> str | None:
        try:
            continuous = name is not None and label_space(name).continuous
        except UserError as error:
            raise ValueError(str(error)) from None
        if continuous:
            raise ValueError(f"must be a space of classes ({name} is continuous)")
        return name

    @field_validator("without")
    @classmethod
    def _names_values(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [each for each in given if not all(each.partition("="))]:
            raise ValueError(f"must say attribute=value (got {wrong[0]!r})")
        return given

    @model_validator(mode="after")
    def _has_a_space(self) -> "SelectionConfig":
        asked = [key for key in ("balanced", "labelled") if getattr(self, key)]
        if asked and self.space is None:
            raise ValueError(f"{asked[0]} needs space, the label space it is about")
        return self


def selected(shards: ShardSet, split: str, select: SelectionConfig | None) -> np.ndarray:
    """The numbers of the samples to train on, int64 [n], ascending; None selects all.

    Reads every record once (a process remembers the answer). Raises UserError: as `ShardSet.record`, an
    unknown split, a label that is not one of its space, or nothing is left.
    """
    if select is None:
        return np.arange(shards.count(split))
    return _parts(shards, split, select).numbers.copy()  # the remembered ones are nobody's to change


def held_out(shards: ShardSet, split: str, select: SelectionConfig) -> np.ndarray:
    """The numbers that `hold_out` leaves for others, int64 [n], ascending, labelled or not.

    A group (without one, an id) is held out if its own hash says so: the share of groups is exact on average
    only. Raises UserError as `selected`.
    """
    return _parts(shards, split, select).held_out.copy()


def drawn(
    shards: ShardSet, split: str, select: SelectionConfig | None, seed: int, epoch: int, start: int = 0
) -> Drawn:
    """The selected samples over and over; balanced: class by class in turns.

    epoch: of so many samples every class has the same number, to within one. start: see `Pool`.
    Raises UserError as `selected`, and if there are more classes than samples in an epoch.
    """
    numbers = selected(shards, split, select)
    if select is None or not select.balanced:
        return Pool(numbers, seed, start)
    classes = _parts(shards, split, select).classes
    if epoch < len(classes):
        raise UserError(
            f"{shards.folder}: split {split!r}: balanced needs a sample of each of {len(classes)} classes of "
            f"{select.space} in an epoch, which has {epoch}; make it longer or do without"
        )
    pools = [Pool(each, set_seed(seed, place), start) for place, each in enumerate(classes)]
    return Turns(pools, apportion([Fraction(1, len(classes))] * len(classes), epoch))


@dataclass(frozen=True)
class _Parts:
    """classes: the selected numbers class by class, in the space's order, of the classes that occur."""

    held_out: np.ndarray
    numbers: np.ndarray
    classes: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _Question:
    """What the answer depends on, and where to look it up."""

    fingerprint: str
    split: str
    select: SelectionConfig
    shards: ShardSet = field(compare=False)


def _parts(shards: ShardSet, split: str, select: SelectionConfig) -> _Parts:
    found = _answer(_Question(shards.fingerprint, split, select, shards))
    if len(found.numbers) == 0:
        asked = ", ".join(f"{key}={value}" for key, value in select.model_dump(exclude_defaults=True).items())
        count = shards.count(split)
        raise UserError(f"{shards.folder}: split {split!r}: select leaves none of {count} samples: {asked}")
    return found


@lru_cache(64)
def _answer(question: _Question) -> _Parts:
    shards, split, select = question.shards, question.split, question.select
    count = shards.count(split)
    groups, ids = bytearray(), bytearray()
    classes = np.empty(count, np.int64)
    wanted = np.ones(count, bool)
    unwanted = [tuple(each.split("=", 1)) for each in select.without]
    for number, record in enumerate(shards.records(split)):
        group = (record.get("source") or {}).get("group")
        groups += key_digest(group or record["id"])
        ids += key_digest(record["id"])
        classes[number] = _class_of(shards, record, select.space)
        attributes = record.get("attributes") or {}
        wanted[number] = not any(value in _values(attributes.get(name)) for name, value in unwanted)
    held = draws(HELD_OUT, select.hold_out_seed, groups).astype(np.float64) / 2**64 < select.hold_out
    left = wanted & ~held
    if select.balanced:
        left &= classes >= 0
    elif select.labelled:
        left &= classes != _BLANK
    strata = np.maximum(classes, _NO_CLASS)
    ranks = draws(FEW, select.seed, ids)
    kept = np.zeros(count, bool)
    for stratum in np.unique(strata[left]):
        members = np.flatnonzero(left & (strata == stratum))
        first = np.argsort(ranks[members], kind="stable")[: max(1, round(select.fraction * len(members)))]
        kept[members[first]] = True
    named = [np.flatnonzero(kept & (classes == each)) for each in np.unique(classes[kept]) if each >= 0]
    return _Parts(np.flatnonzero(held & wanted), np.flatnonzero(kept), tuple(named))


def _values(attribute: Any) -> list[str]:
    """One value or several, as text."""
    return [str(each) for each in (attribute if isinstance(attribute, list) else [attribute])]


def _class_of(shards: ShardSet, record: dict[str, Any], space: str | None) -> int:
    if space is None:
        return _BLANK
    try:
        place = class_index(record, label_space(space))
    except UserError as error:
        raise UserError(f"{shards.folder}: {record['id']}: {error}") from error
    if place is not None:
        return place
    return _NO_CLASS if (record.get("labels") or {}).get(space) else _BLANK
