"""Samples parted by an attribute, or by two at once; what is too small to compare is named, not dropped."""

import re
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from .attributes import Values

FEWEST_DATASET_GROUPS = 10  # our choice: of two subjects' 200 pictures no interval can be drawn
NOT_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Size:
    """Samples, and dataset groups (subjects, videos, clusters of copies) that they come from."""

    samples: int
    dataset_groups: int


@dataclass(frozen=True)
class Partition:
    """Attributes:
    attributes: one name, or two.
    names, sizes: of the groups that are compared, in order.
    too_small: group → size; in `number` they are all len(names), and part of "the rest".
    number: int64 [N]: each sample's group, `NOT_KNOWN` where an attribute has no value.
    """

    attributes: tuple[str, ...]
    names: tuple[str, ...]
    sizes: tuple[Size, ...]
    too_small: dict[str, Size]
    number: Tensor

    @property
    def name(self) -> str:
        """ "gender", or "gender × age"."""
        return " × ".join(self.attributes)

    @property
    def compared(self) -> Tensor:
        """bool [N]: whose gaps are looked at: all that are known, of two groups those of the two."""
        return self.known & (self.number < 2) if len(self.names) == 2 else self.known

    @property
    def known(self) -> Tensor:
        """bool [N]."""
        return self.number != NOT_KNOWN


def partitions(values: Values, units: Tensor, minimum: int, intersections: bool) -> list[Partition]:
    """One for each attribute, then one for every two of them. `units`: the dataset groups, int64 [N].

    A group is compared from `minimum` samples in `FEWEST_DATASET_GROUPS` on, if the others together have as
    many.
    """
    sets = [(name,) for name in values]
    if intersections:
        sets += list(combinations(values, 2))
    return [_partition(names, values, units, minimum) for names in sets]


def _partition(attributes: tuple[str, ...], values: Values, units: Tensor, minimum: int) -> Partition:
    columns = [values[name] for name in attributes]
    joined = [" · ".join(row) if None not in row else None for row in zip(*columns)]  # type: ignore[arg-type]
    places: dict[str, list[int]] = {}
    for place, name in enumerate(joined):
        if name is not None:
            places.setdefault(name, []).append(place)
    known = torch.tensor([name is not None for name in joined])
    whole = _size(units[known])
    sizes = {name: _size(units[places[name]]) for name in sorted(places, key=_natural)}
    large = [name for name, size in sizes.items() if _is_enough(size, whole, minimum)]
    number = torch.full((len(joined),), NOT_KNOWN, dtype=torch.int64)
    for name, rows in places.items():
        number[rows] = large.index(name) if name in large else len(large)
    too_small = {name: size for name, size in sizes.items() if name not in large}
    return Partition(attributes, tuple(large), tuple(sizes[name] for name in large), too_small, number)


def _is_enough(size: Size, whole: Size, minimum: int) -> bool:
    others = whole.samples - size.samples
    return min(size.samples, others) >= minimum and size.dataset_groups >= FEWEST_DATASET_GROUPS


def _size(units: Tensor) -> Size:
    return Size(len(units), len(units.unique()))


def _natural(name: str) -> list[tuple[int, float, str]]:
    """Sorts "below 20" first, then numbers by value, then text."""
    parts = re.findall(r"\d+(?:\.\d+)?|[^\d]+", name)
    keys = [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]
    return [(-1, 0.0, ""), *keys] if name.startswith("below ") else keys
