"""Where the classes of one label space go in another, and how many of a shard set's images go with them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..foundation.errors import UserError
from ..foundation.terminal import table_text
from .readers import READERS
from .shards.stats import MANY_CLASSES, UNDECIDED, classes_of, visit_records
from .taxonomy import (
    KINDS,
    LabelMap,
    LabelSpace,
    MapRow,
    label_map,
    label_map_names,
    label_space,
    label_space_names,
)

STYLES = {"exact": "green", "lossy": "yellow", "ambiguous": "magenta", "dropped": "red"}


@dataclass
class SplitCounts:
    """What one split holds: `things` are images, or people where these are what is labelled.

    kinds: of label (class, votes, …). classes: by source class, as `vemo shards stats` counts. kept,
    kept_ambiguous: whole labels of which the map leaves something, with ambiguous=drop and ambiguous=map.
    targets: those kept with ambiguous=drop by the class they arrive at.
    """

    things: int = 0
    labelled: int = 0
    kinds: set[str] = field(default_factory=set)
    classes: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    kept_ambiguous: int = 0
    targets: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class MapReport:
    """A label map class by class; `splits` is empty where no shard set was asked for."""

    table: LabelMap
    splits: Mapping[str, SplitCounts] = field(default_factory=dict)
    unit: str = "images"

    @property
    def text(self) -> str:
        """Tables and sentences, drawn on a terminal, Markdown elsewhere."""
        source, target = self.table.source, self.table.target
        origin = f": {self.table.origin}" if self.table.origin else ""
        parts = [
            f"{source.name} v{source.version} → {target.name} v{target.version}{origin}",
            self._classes(),
        ]
        parts += ["\n".join(self.sentences)] if self.sentences else []
        parts += [self._totals(), "\n".join(self.findings)] if self.splits else []
        return "\n\n".join(parts)

    @property
    def sentences(self) -> list[str]:
        """What the map itself does: notes, where classes merge, what nothing becomes."""
        rows = {name: row for name, row in self.table.rows.items() if row.kind != "dropped"}
        said = [f"{name}: {row.note}." for name, row in self.table.rows.items() if row.note]
        if self.table.source.tree:
            said.append("A row speaks for every node below it that has no row of its own.")
        if self.table.target.continuous:
            return said
        reached = {row.to for row in rows.values() if row.kind != "ambiguous"}
        unsure = {row.to for row in rows.values()} - reached
        targets = [name for name in self.table.target.names if "/" not in name]
        if absent := [name for name in targets if name not in reached]:
            hints = [f"{name} (only if ambiguous)" if name in unsure else name for name in absent]
            said.append(f"Nothing becomes {', '.join(hints)}.")
        return said

    @property
    def findings(self) -> list[str]:
        """How much of the shard set arrives, and at which classes."""
        labelled = sum(split.labelled for split in self.splits.values())
        kept = sum(split.kept for split in self.splits.values())
        unsure = sum(split.kept_ambiguous for split in self.splits.values()) - kept
        said = f"{kept:,} of {labelled:,} labelled {self.unit} keep a label ({share(kept, labelled)})"
        said += f", {unsure:,} more with ambiguous=map" if unsure else ""
        unlabelled = sum(split.things - split.labelled for split in self.splits.values())
        lines = [f"{said}; {labelled - kept - unsure:,} are lost either way."]
        if unlabelled:
            article = "an" if self.table.source.name[0] in "aeiou" else "a"
            without = f"{self.unit.capitalize()} without {article} {self.table.source.name} label"
            lines.append(f"{without}: {unlabelled:,}.")
        if not self.table.target.continuous:
            arrived = sum((split.targets for split in self.splits.values()), Counter())
            names = _shown(self.table.target, arrived)
            lines.append(f"They arrive as {', '.join(f'{name} {arrived[name]:,}' for name in names)}.")
        kinds = set().union(*(split.kinds for split in self.splits.values()))
        if kinds & {"votes", "distribution"}:
            lines.append("The tables count votes and distributions for their largest entry.")
        if "classes" in kinds:
            lines.append(f"The tables count {self.unit} with several classes once for each.")
        return lines

    def _classes(self) -> str:
        """One line a class."""
        header = [self.table.source.name, self.table.target.name, "flag", *self._columns()]
        rows, styles = [], []
        for name in self._names():
            row = None if name == UNDECIDED else self.table.row(name)
            where, kind = (target_of(row), row.kind) if row else ("", "")
            rows.append([name, where, kind, *self._across(lambda other, name=name: other == name)])
            styles.append(STYLES.get(kind, "dim"))
        return table_text(header, rows, styles)

    def _names(self) -> list[str]:
        if not self.splits:
            return list(self.table.rows if self.table.source.tree else self.table.source.names)
        return _shown(self.table.source, sum((split.classes for split in self.splits.values()), Counter()))

    def _totals(self) -> str:
        """One line a flag: how many labels go that way."""
        rows = [
            [flag, *self._across(lambda name, flag=flag: flag_of(self.table, name) == flag)]
            for flag in (*KINDS, UNDECIDED)
        ]
        rows = [row for row in rows if row[0] != UNDECIDED or row[-1]]
        whole = self._across(lambda name: True)
        rows = [[*row, share(row[-1], whole[-1])] for row in (*rows, ["all", *whole])]
        return table_text(
            ["flag", *self._columns(), "share"], rows, [STYLES.get(row[0], "bold") for row in rows]
        )

    def _columns(self) -> list[str]:
        return [*self.splits, "all"] if len(self.splits) > 1 else list(self.splits)

    def _across(self, wanted: Callable[[str], bool]) -> list[int]:
        """How many labels are of wanted classes: by split and, where there are several, in all."""
        counts = [
            sum(count for name, count in split.classes.items() if wanted(name))
            for split in self.splits.values()
        ]
        return [*counts, sum(counts)] if len(counts) > 1 else counts


def _shown(space: LabelSpace, counts: Counter[str]) -> list[str]:
    """The classes worth a line: all of them, in large vocabularies those that occur."""
    names = [name for name in space.names if counts[name] or len(space) <= MANY_CLASSES]
    return [*names, UNDECIDED] if counts[UNDECIDED] else names


def report_map(source: str, target: str, shards: Path | None = None) -> MapReport:
    """The map from a label space, or the first space of a reader of that kind, to a label space.

    shards: count what of a shard set goes where. Raises UserError: no such space or map (it says what can be
    reached, and through what in two steps), no shard set, or none of its labels are in the source space.
    """
    space = space_of(source)
    if (space, label_space(target).name) not in label_map_names():
        raise UserError(_no_map(space, target))
    table = label_map(space, target)
    if shards is None:
        return MapReport(table)
    splits, people = count_labels(Path(shards), table)
    return MapReport(table, splits, "people" if people else "images")


def space_of(name: str) -> str:
    """A label space's own name, or the first space of the reader of that kind."""
    if name in label_space_names():
        return name
    if name not in READERS:
        raise UserError(
            f"{name!r} is neither a label space nor a reader; label spaces: "
            f"{', '.join(label_space_names())}; readers: {', '.join(READERS)}"
        )
    if not READERS[name].spaces:
        raise UserError(f"the reader {name} has the label spaces that its config names; give one of them")
    return READERS[name].spaces[0]


def count_labels(folder: Path, table: LabelMap) -> tuple[dict[str, SplitCounts], bool]:
    """The counts of every split, and whether people are counted: they are where no image has a label.

    Raises UserError where nothing has a label in the map's source space.
    """
    name = table.source.name
    counts: dict[bool, dict[str, SplitCounts]] = {False: {}, True: {}}
    spaces: set[str] = set()

    def visit(split: str, record: dict[str, Any]) -> None:
        for people, things in ((False, [record]), (True, record.get("persons", []))):
            found = counts[people].setdefault(split, SplitCounts())
            for thing in things:
                spaces.update(thing.get("labels", {}))
                _count(found, thing, table)

    visit_records(folder, visit)
    for people, splits in counts.items():
        if any(split.labelled for split in splits.values()):
            return splits, people
    there = ", ".join(sorted(spaces)) or "in none"
    raise UserError(f"{folder}: no label in {name}; its labels are {there}")


def _count(found: SplitCounts, thing: Mapping[str, Any], table: LabelMap) -> None:
    found.things += 1
    label = thing.get("labels", {}).get(table.source.name)
    if label is None:
        return
    found.labelled += 1
    found.kinds.update(label)
    found.classes.update(classes_of(thing, table.source.name))
    found.kept_ambiguous += table.apply(label, "map") is not None
    kept = table.apply(label, "drop")
    if kept is None:
        return
    found.kept += 1
    if not table.target.continuous:
        found.targets.update(classes_of({"labels": {table.target.name: kept}}, table.target.name))


def flag_of(table: LabelMap, name: str) -> str:
    """exact, lossy, ambiguous, dropped; or UNDECIDED for what counts for no single class."""
    return name if name == UNDECIDED else table.row(name).kind


def target_of(row: MapRow) -> str:
    """Where a row leads, in words: "joy", "surprise or joy", "valence 0.7, arousal 0.5", or a dash."""
    if row.point:
        return ", ".join(f"{axis} {value:g}" for axis, value in row.point.items())
    return " or ".join((row.to, *row.alternatives)) if row.to else "–"


def share(part: int, whole: int) -> str:
    """ "12.5 %", or "0.0 %" of nothing."""
    return f"{100 * part / max(whole, 1):.1f} %"


def two_steps(source: str, target: str) -> dict[str, dict[str, int]]:
    """Spaces through which one map after another leads from source to target, the best one first.

    With each: how many source classes arrive by which flag, a class's flag being the worse of its two.
    """
    there = set(label_map_names())
    found = {}
    for middle in label_space_names():
        if (source, middle) in there and (middle, target) in there:
            first, second = label_map(source, middle), label_map(middle, target)
            flags = Counter(_worse(first.row(name), second) for name in first.source.names)
            found[middle] = {kind: flags[kind] for kind in KINDS if flags[kind]}
    return dict(sorted(found.items(), key=lambda item: [-item[1].get(kind, 0) for kind in KINDS]))


def _worse(row: MapRow, second: LabelMap) -> str:
    return "dropped" if row.to is None else max(row.kind, second.row(row.to).kind, key=KINDS.index)


def _no_map(source: str, target: str) -> str:
    if source == target:
        return f"{source} is {target}: there is nothing to map"
    reached = [to for start, to in label_map_names() if start == source]
    direct = f"from {source} there are {', '.join(reached)}" if reached else f"none starts at {source}"
    routes = [
        f"{source} → {middle} → {target} ({', '.join(f'{count} {kind}' for kind, count in flags.items())})"
        for middle, flags in two_steps(source, target).items()
    ]
    steps = f"in two steps: {'; '.join(routes)}" if routes else "no two maps lead there either"
    return f"no label map {source} → {target}; {direct}; {steps}"
