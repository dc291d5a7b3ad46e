"""`vemo curate edits`: exactly what people changed since the samples were loaded, as an overlay."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..datasets.stream.overlay import OVERLAY_NAME, refusal
from ..foundation.errors import UserError
from ..foundation.files import write_atomically
from .app import fiftyone
from .changes import DELETED, WHY, changed, line, lines_bytes, overlay_values, problems
from .config import CurateConfig
from .database import database
from .documents import BOXES, NOTES, REASON, boxes, editable
from .load import find, loaded_edits, note, noted, touched_since
from .sittings import rater_at
from .subject import Subject, open_subject


@dataclass(frozen=True)
class EditsReport:
    """out: the overlay. lines: edited samples. values: how often each key was set. left: what people changed
    that an overlay does not take, in words."""

    out: Path
    lines: int
    values: dict[str, int]
    left: list[str]

    @property
    def summary(self) -> str:
        counts = ", ".join(f"{key} {number:,}" for key, number in self.values.items())
        first = f"{self.out}: {self.lines:,} edited samples" + (f" ({counts})" if counts else "")
        return "\n".join([first, *(f"not written: {each}" for each in self.left)])


def write_edits(config: CurateConfig, out: Path, rater: str) -> EditsReport:
    """Write what was changed in the App to `out`, whether or not the App is open.

    A file of the same session is written anew, no other is written over; the shard set's own overrides.jsonl
    keeps the lines that the samples were loaded with. Times are those of the last change, so the same edits
    give the same bytes. rater: who made the edits for which nobody was named when the App was opened. Raises
    UserError: nothing loaded, edits of nobody, another shard set by now, values that are not valid (nothing
    is written), or a file in the way.
    """
    with database(config.home / "database", config.database) as uri, fiftyone(uri, config.home) as fo:
        dataset = find(fo, config.dataset)
        if dataset is None:
            raise UserError(f"{config.dataset}: nothing is loaded; `vemo curate open` comes first")
        facts: dict[str, Any] = noted(dataset) or {}
        subject = _as_loaded(config, facts)
        seen_until = dataset.bounds("last_modified_at")[1] or facts["loaded_at"]  # before anything is read
        lines, left = _collect(fo, dataset, facts, subject, rater)
        beginning = _beginning(config, facts, out)
        content = beginning + lines_bytes(lines)
        if out.exists() and _is_strange(out, beginning, facts["written"].get(_key(out))):
            raise UserError(f"{out}: there already, and not from this session; choose another name")
        with write_atomically(out) as stream:
            stream.write(content)
        note(
            dataset,
            written={**facts["written"], _key(out): _sha256(content)},
            seen_until=seen_until,
            samples=len(dataset),
        )
    counts = Counter(key for each in lines for key in each["set"])
    return EditsReport(out, len(lines), dict(sorted(counts.items())), left)


def _as_loaded(config: CurateConfig, facts: dict[str, Any]) -> Subject:
    overlay = loaded_edits(config.home, facts["data"])
    if not overlay.exists():
        raise UserError(f"{overlay}: missing, so nobody can tell what was changed; give the folder it was in")
    subject = open_subject(config, overlay)
    if subject.data != facts["data"]:
        raise UserError(
            f"{config.shards}: not as it was loaded (other shards, sidecars, label_space, splits or limit), "
            "so edits cannot be told; give this the config that `vemo curate open` had"
        )
    return subject


def _collect(
    fo: Any, dataset: Any, facts: dict[str, Any], subject: Subject, rater: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines, in the shard set's order, and what they leave out."""
    fields = dict(facts["fields"])
    session = {"session": facts["data"][:12]} | ({"blind": True} if subject.blind else {})

    def signed(identifier: str, when: datetime) -> dict[str, Any]:
        by = rater_at(facts["sittings"], when) or rater.strip()
        if not by:
            raise UserError("who made these edits? Give --rater NAME, or set VEMO_RATER")
        gold = {"gold": True} if identifier in subject.gold else {}
        return {"by": by, **session, **gold, "when": _time(when)}

    lines: dict[tuple[str, int], dict[str, Any]] = {}
    mistakes: list[str] = []
    moved: Counter[str] = Counter()
    for place, values, when in _touched(fo, dataset, facts, fields):
        record = subject.shards.record(*place)
        moved.update(name for name in BOXES if name in values and values[name] != boxes(record, name))
        before = editable(subject.shown(record, *place), subject.space, fields)
        changes = overlay_values(record, subject.space, changed(before, values))
        if changes:
            mistakes += [f"{record['id']}: {each}" for each in problems(record, subject.space, changes)]
            about = signed(record["id"], when) | {"why": values.get(REASON) or WHY}
            lines[place] = line(record, changes, about)
    deleted = set(subject.places) - set(zip(*dataset.values(["split", "place"])))
    for place in deleted:
        record = subject.shards.record(*place)
        rejected = {f"attributes.{NOTES['review_status']}": "reject"}
        about = signed(record["id"], facts["loaded_at"]) | {"why": DELETED}
        lines[place] = line(record, rejected, about)
    if mistakes:
        known = f" ({subject.space.name} has {', '.join(subject.space.names)})" if subject.space else ""
        raise refusal(f"nothing is written, some values are not valid{known}", mistakes)
    order = {place: number for number, place in enumerate(subject.places)}
    left = [f"boxes of {name} in {number:,} samples" for name, number in moved.items()]
    return [lines[place] for place in sorted(lines, key=order.__getitem__)], left + _left(dataset, fields)


def _touched(
    fo: Any, dataset: Any, facts: dict[str, Any], fields: dict[str, str]
) -> list[tuple[tuple[str, int], dict[str, Any], datetime]]:
    """Of every sample that was written to since loading: place, what can be edited, boxes, and when."""
    names = [*editable({}, None, fields), REASON, *(["emotion"] if "emotion" in fields else [])]
    paths = [f"{name}.label" if name == "emotion" else name for name in names]
    for name in BOXES:
        if name in fields:
            names.append(name)
            paths.append(f"{name}.detections.bounding_box")
    gone = [path for path in paths if dataset.get_field(path) is None]
    if gone:
        raise UserError(
            f"the dataset has no {', '.join(gone)} any more; a field was removed or renamed in the App"
        )
    view = touched_since(fo, dataset, facts["loaded_at"]).exists("identifier")
    columns = view.values(["split", "place", "last_modified_at", *paths])
    return [((split, place), dict(zip(names, values)), when) for split, place, when, *values in zip(*columns)]


def _left(dataset: Any, fields: dict[str, str]) -> list[str]:
    """What people can do in the App that an overlay has no words for."""
    left = []
    if added := len(dataset) - len(dataset.exists("identifier")):
        left.append(f"{added:,} samples that were added in the App")
    if "emotion" in fields and (tags := dataset.count_values("emotion.tags")):
        left.append(f"tags on labels ({', '.join(sorted(tags))}); tag samples instead")
    own = {path.partition(".")[0] for path in fields}
    default = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
    if others := sorted(set(dataset.get_field_schema()) - own - default - {"embedding"}):
        left.append(f"fields that were added in the App ({', '.join(others)})")
    return left


def _beginning(config: CurateConfig, facts: dict[str, Any], out: Path) -> bytes:
    """Of the shard set's own overlay, the lines that the samples were loaded with: they go on holding."""
    if out.resolve() != (config.shards / OVERLAY_NAME).resolve():
        return b""
    return loaded_edits(config.home, facts["data"]).read_bytes()[: facts["own_edits"]]


def _is_strange(out: Path, beginning: bytes, written: str | None) -> bool:
    """Whether a file is neither what we wrote there nor the shard set's own edits as they were loaded."""
    content = out.read_bytes()
    return _sha256(content) != written and content.rstrip() != beginning.rstrip()


def _key(path: Path) -> str:
    # Digests, because a key with dots is a path to MongoDB.
    return _sha256(str(path.resolve()).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _time(when: datetime) -> str:
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
