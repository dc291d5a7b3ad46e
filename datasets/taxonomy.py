"""Label spaces and the maps between them: data files under `labels/`, read and checked here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from ..foundation.errors import UserError

LABELS = Path(__file__).parent / "labels"
KINDS = ("exact", "lossy", "ambiguous", "dropped")
Ambiguous = Literal["drop", "map"]


def _normalised(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


@dataclass(frozen=True)
class LabelSpace:
    """A named, ordered, versioned vocabulary; the order never changes within a version.

    In a tree (parrott) names are paths from the root, "joy/cheerfulness/amusement", in depth-first order, and
    a bare word means the node nearest to the root that bears it. `continuous` spaces (vad) name axes, not
    classes.
    """

    name: str
    version: int
    names: tuple[str, ...]
    title: str = ""
    source: str = ""
    continuous: bool = False
    tree: bool = False
    synonyms: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    _indices: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The place of a class, found by its name or a synonym, in any case, with blanks, `_` or `-`.

        Raises UserError listing what exists.
        """
        found = self._indices.get(_normalised(str(name)))
        if found is not None:
            return found
        near = get_close_matches(_normalised(str(name)), list(self._indices), n=1)
        hint = f" (did you mean {self.names[self._indices[near[0]]]}?)" if near else ""
        raise UserError(f"label space {self.name} has no {name!r}{hint}; it has {', '.join(self.names)}")

    def canonical(self, name: str) -> str:
        """The canonical spelling of a class name or synonym."""
        return self.names[self.index(name)]

    def parent(self, name: str) -> str | None:
        """The node above a node of a tree; None at the top and in flat spaces."""
        return name.rpartition("/")[0] or None if self.tree else None


@dataclass(frozen=True)
class MapRow:
    """What one class becomes.

    exact: the target means the same or plainly contains it. lossy: the nearest target, but meaning is lost.
    ambiguous: people disagree; `to` is the first choice, `alternatives` the others. dropped: no target.
    """

    kind: str
    to: str | None = None
    point: Mapping[str, float] | None = None  # for continuous targets: value of each axis
    alternatives: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class LabelMap:
    """A table from one label space to another: one row for each name of the source."""

    source: LabelSpace
    target: LabelSpace
    rows: Mapping[str, MapRow]
    origin: str = ""

    def row(self, name: str) -> MapRow:
        """The row of a source class; in a tree, that of the nearest node upwards that has one."""
        node: str | None = self.source.canonical(name)
        while node is not None and node not in self.rows:
            node = self.source.parent(node)
        if node is None:
            raise UserError(f"label map {self.source.name} → {self.target.name} has no row for {name!r}")
        return self.rows[node]

    def apply(self, label: Mapping[str, Any], ambiguous: Ambiguous = "drop") -> dict[str, Any] | None:
        """Map one label (`{"class": …}`, `{"distribution": …}`, `{"votes": …}` or `{"classes": …}`).

        Distributions and votes are mapped by summing columns; what has no target leaves, and distributions
        are renormalised. Ambiguous rows are dropped, or take their first choice with `ambiguous="map"`.
        Returns a label of the target space, or None where nothing is left. A continuous target gives its
        axes, `{"valence": …, "arousal": …}`: a class's point, or the mean weighted by distribution or votes.
        """
        if ambiguous not in ("drop", "map"):
            raise UserError(f"ambiguous must be drop or map, got {ambiguous!r}")
        weights = self._weights(label)
        kept = [(row, weight) for row, weight in weights if row.kind in _live(ambiguous) and weight > 0]
        total = math.fsum(weight for _, weight in kept)
        if total <= 0:
            return None
        if self.target.continuous:
            axes = [axis for axis in self.target.names if all(axis in (row.point or {}) for row, _ in kept)]
            mean = {axis: math.fsum((row.point or {})[axis] * w for row, w in kept) / total for axis in axes}
            return mean or None
        sums: dict[int, float] = {}
        for row, weight in kept:
            place = self.target.index(row.to or "")
            sums[place] = sums.get(place, 0) + weight
        columns = [sums.get(place, 0) for place in range(len(self.target))]
        if "class" in label:
            return {"class": self.target.names[next(iter(sums))]}
        if "classes" in label:
            return {"classes": [name for name, weight in zip(self.target.names, columns) if weight]}
        if "votes" in label:
            return {"votes": [int(weight) for weight in columns]}
        return {"distribution": [weight / total for weight in columns]}

    def _weights(self, label: Mapping[str, Any]) -> list[tuple[MapRow, float]]:
        if "class" in label:
            return [(self.row(label["class"]), 1)]
        if "classes" in label:
            return [(self.row(name), 1) for name in label["classes"]]
        values: Sequence[float] | None = label.get("distribution", label.get("votes"))
        if values is None or len(values) != len(self.source):
            given = "none" if values is None else str(len(values))
            raise UserError(
                f"a {self.source.name} label has {len(self.source)} values, got {given}: {dict(label)}"
            )
        return [(self.row(name), value) for name, value in zip(self.source.names, values)]


def _live(ambiguous: Ambiguous) -> tuple[str, ...]:
    return ("exact", "lossy") if ambiguous == "drop" else ("exact", "lossy", "ambiguous")


def label_space_names() -> tuple[str, ...]:
    """The names of all label spaces, sorted."""
    return tuple(sorted(path.stem for path in (LABELS / "spaces").glob("*.yaml")))


@cache
def label_space(name: str) -> LabelSpace:
    """The label space of that name; UserError lists what exists."""
    if name not in label_space_names():
        near = get_close_matches(name, label_space_names(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"no label space {name!r}{hint}; there are {', '.join(label_space_names())}")
    data = yaml.safe_load((LABELS / "spaces" / f"{name}.yaml").read_text(encoding="utf-8"))
    names = tuple(_tree_names(data["tree"])) if "tree" in data else tuple(data["names"])
    indices = {_normalised(label): place for place, label in enumerate(names)}
    if "tree" in data:  # a bare word means the node nearest to the root that bears it
        for label in sorted(names, key=lambda path: path.count("/")):
            indices.setdefault(_normalised(label.rpartition("/")[2]), names.index(label))
    synonyms = {str(word): label for label, words in data.get("synonyms", {}).items() for word in words}
    for word, label in synonyms.items():
        if indices.setdefault(_normalised(word), names.index(label)) != names.index(label):
            raise ValueError(f"{name}: synonym {word!r} already means something else")
    return LabelSpace(
        name=name,
        version=data["version"],
        names=names,
        title=data["title"],
        source=data["source"],
        continuous=data.get("continuous", False),
        tree="tree" in data,
        synonyms=synonyms,
        _indices=indices,
    )


def _tree_names(tree: Any, above: str = "") -> list[str]:
    names = []
    for node in tree:
        names.append(above + node)
        if isinstance(tree, dict):
            names.extend(_tree_names(tree[node] or [], f"{above}{node}/"))
    return names


def label_map_names() -> tuple[tuple[str, str], ...]:
    """All (source, target) pairs that have a map, sorted."""
    return tuple(sorted((source, target) for source in label_space_names() for target in _maps_from(source)))


@cache
def _maps_from(source: str) -> dict[str, Any]:
    path = LABELS / "maps" / f"{source}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


@cache
def label_map(source: str, target: str) -> LabelMap:
    """The map between two label spaces; UserError lists the targets that exist."""
    source_space, target_space = label_space(source), label_space(target)
    maps = _maps_from(source)
    if target not in maps:
        there = f"from {source} there are {', '.join(sorted(maps))}" if maps else f"none starts at {source}"
        raise UserError(f"no label map {source} → {target}; {there}")
    data = maps[target]
    rows = {}
    for kind in KINDS:
        entries = data.get(kind) or {}
        if kind == "dropped":
            entries = dict.fromkeys(entries)
        for name, to in entries.items():
            if name in rows:
                raise ValueError(f"{source} → {target}: two rows for {name}")
            point = dict(zip(target_space.names, to)) if target_space.continuous and to else None
            choices = [] if to is None or point else [to] if isinstance(to, str) else list(to)
            rows[name] = MapRow(
                kind=kind,
                to=choices[0] if choices else None,
                point=point,
                alternatives=tuple(choices[1:]),
                note=(data.get("notes") or {}).get(name, ""),
            )
    return LabelMap(source_space, target_space, rows, origin=data.get("origin", ""))


def class_index(record: Mapping[str, Any], space: LabelSpace) -> int | None:
    """The hard label of a record in that space: its class, or the place of the largest vote or probability.

    None: unlabelled, tied at the top, or multi-label.
    """
    label = (record.get("labels") or {}).get(space.name)
    if not label:
        return None
    if "class" in label:
        return space.index(label["class"])
    values = label.get("distribution", label.get("votes"))
    if values is None or list(values).count(max(values)) != 1 or max(values) <= 0:
        return None
    return list(values).index(max(values))


def distribution(record: Mapping[str, Any], space: LabelSpace) -> list[float] | None:
    """The record's label as probabilities in the space's order: votes as shares, a class as one-hot.

    None: unlabelled or multi-label.
    """
    label = (record.get("labels") or {}).get(space.name)
    if not label:
        return None
    if "class" in label:
        place = space.index(label["class"])
        return [float(other == place) for other in range(len(space))]
    values = label.get("distribution", label.get("votes"))
    total = math.fsum(values) if values else 0.0
    return [value / total for value in values] if values and total > 0 else None
