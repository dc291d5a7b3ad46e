"""Everything a card says of a shard set, gathered once from its files; no image is read."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ..readers import READERS, Reader
from ..sidecars.layout import Sidecar, read_sidecar, sidecar_names
from ..stream.shardset import ShardSet
from ..taxonomy import label_space
from .layout import finished_shards
from .splits import split_rank
from .stats import stats, visit_records

EACH = "[*]"  # in a path: every element of a list of objects
AUDIT = Path("audit") / "audit.json"
DEMOGRAPHICS = frozenset({"age", "gender", "sex", "race", "ethnicity", "skin_tone"})

MEANING = (
    "Labels are perceptions, not inner states. They say how an image looked to those who labelled it, or "
    "what they said it made them feel; in some datasets a program stands in for them. They say neither what "
    "a person shown feels nor what whoever looks at it next will feel. People disagree, and who was asked, "
    "where, and with which words to choose from, decides what the labels are."
)
RULED_OUT = (
    "To claim that a real person feels, thinks, intends or is something, from an image of them.",
    "Emotion recognition at work and in education. The European Union forbids it except for medical or "
    "safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)).",
    "Decisions about people: hiring, credit, insurance, policing, borders, courts, lie detection, diagnosis.",
    "To watch people without their consent, or to steer them by the emotions that a model ascribes to them.",
    "To identify people, or to infer age, gender, origin, health or belief. Demographic attributes, where a "
    "dataset has them, are for audits only.",
    "Whatever the licence forbids.",
)


@dataclass
class Known:
    """One thing that records know: how often it occurs, its JSON types, and the shapes of its lists."""

    count: int = 0
    types: set[str] = field(default_factory=set)
    shapes: set[tuple[int, ...]] = field(default_factory=set)


@dataclass(frozen=True)
class Facts:
    """What is known of a shard set.

    about: what the dataset is, in a few words; "" where nobody says.
    known: by path in the record, such as ("labels", "mikels8", "class") or ("persons", EACH, "box").
    licences: images by (dataset, licence). own_splits: images whose split the dataset gave. reader: of the
    dataset, None where no reader is that dataset's own. audit: what `vemo shards audit` found, None without;
    audit_is_current: whether the shards are still those. sidecars: finished ones. edits: whether people's
    edits (overrides.jsonl) lie there; nothing here counts them.
    """

    folder: Path
    about: str
    manifest: dict[str, Any]
    fingerprint: str
    edits: bool
    shards: list[dict[str, Any]]
    stats: dict[str, Any]
    known: dict[tuple[str, ...], Known]
    licences: Counter[tuple[str, str]]
    own_splits: int
    reader: type[Reader] | None
    audit: dict[str, Any] | None
    audit_is_current: bool
    sidecars: list[Sidecar]

    @property
    def samples(self) -> int:
        return self.stats["samples"]

    @property
    def splits(self) -> dict[str, dict[str, Any]]:
        """The counts of `stats` by split."""
        return self.stats["splits"]

    def kinds(self, space: str, people: bool = False) -> list[str]:
        """How labels in a space are given: class, distribution, votes, classes."""
        above = ("persons", EACH) if people else ()
        return sorted(path[-1] for path in self.known if path[:-1] == (*above, "labels", space))

    def labelled(self, space: str, people: bool = False) -> int:
        """How many images, or people, have a label in a space."""
        above = ("persons", EACH) if people else ()
        return sum(
            known.count for path, known in self.known.items() if path[:-1] == (*above, "labels", space)
        )

    def spaces(self, people: bool = False) -> list[str]:
        """The label spaces that occur, those that the manifest names first."""
        above = ("persons", EACH, "labels") if people else ("labels",)
        found = {path[-2] for path in self.known if path[:-2] == above}
        named = [space for space in self.manifest["spaces"] if space in found]
        return [*named, *sorted(found - set(named))]

    @property
    def demographics(self) -> list[str]:
        """Attributes of people that only audits may use."""
        return sorted(
            {path[-1] for path in self.known if path[-2:-1] == ("attributes",) and path[-1] in DEMOGRAPHICS}
        )

    @property
    def description(self) -> str:
        """One paragraph: what the dataset is, and what of it this set holds."""
        name = self.manifest["dataset"]
        parts = ", ".join(f"{split} {counts['samples']:,}" for split, counts in self.splits.items())
        holds = f"{self.samples:,} images ({parts})"
        labels = list(dict.fromkeys([*self.spaces(), *self.spaces(people=True)]))
        said = "; ".join(f"{space}: {label_space(space).title}" for space in labels)
        labelled = f"labelled in {said}" if said else "without labels"
        if not self.about:
            return f"{name}: a shard set of {holds}, {labelled}."
        return f"{name}: {self.about.removesuffix('.')}. This shard set holds {holds}, {labelled}."


def gather(folder: Path, about: str | None = None) -> Facts:
    """Read a shard set's lists and every record. about: what the dataset is, unless its reader may say.

    Raises UserError where the set is unfinished or damaged.
    """
    folder = Path(folder)
    shards = ShardSet(folder)
    known: dict[tuple[str, ...], Known] = {}
    licences: Counter[tuple[str, str]] = Counter()
    own_splits = 0

    def visit(_: str, record: dict[str, Any]) -> None:
        nonlocal own_splits
        source = record["source"]
        licences[source["dataset"], source.get("licence", "not stated")] += 1
        own_splits += "split" in source
        _note(record, (), known)

    visit_records(folder, visit)
    audit = _audit(folder)
    lines = sorted(
        finished_shards(folder).values(), key=lambda line: (split_rank(line["split"]), line["name"])
    )
    reader = next((r for r in READERS.values() if r.dataset == shards.manifest["dataset"]), None)
    return Facts(
        folder=folder,
        about=about or (reader.summary if reader else ""),
        manifest=shards.manifest,
        fingerprint=shards.fingerprint,
        edits=bool(shards.edits),
        shards=lines,
        stats=stats(folder),
        known=dict(sorted(known.items())),
        licences=licences,
        own_splits=own_splits,
        reader=reader,
        audit=audit,
        audit_is_current=audit is not None and audit.get("fingerprint") == shards.fingerprint,
        sidecars=list(_sidecars(folder)),
    )


def _note(value: Any, path: tuple[str, ...], known: dict[tuple[str, ...], Known]) -> None:
    """Count whatever a value knows, and what lies in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _note(inner, (*path, key), known)
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for each in value:
            _note(each, (*path, EACH), known)
    else:
        found = known.setdefault(path, Known())
        found.count += 1
        shape: tuple[int, ...] = ()
        scalars = [value]
        while isinstance(value, list):
            shape = (*shape, len(value))
            scalars, value = value, value[0] if value else None
        found.shapes.add(shape)
        found.types.update(type(each).__name__ for each in scalars)


def _audit(folder: Path) -> dict[str, Any] | None:
    """The audit that lies there; None where there is none, or none that can be read."""
    try:
        audit = json.loads((folder / AUDIT).read_bytes())
    except (OSError, ValueError):
        return None
    return audit if isinstance(audit, dict) else None


def _sidecars(folder: Path) -> Iterable[Sidecar]:
    for name in sidecar_names(folder):
        try:
            yield read_sidecar(folder, name)
        except UserError:
            continue  # unfinished or damaged: nothing that a reader of the set could use
