"""Edits to records: `overrides.jsonl`, one line an edit, applied as records are read.

    {"id": "emoset/amusement_1", "set": {"labels.mikels8.class": "awe"}, "by": "ann", "when": "…", "why": "…"}

Keys of `set` are dotted paths into the record; a value replaces what is there, null removes it (absent
knowledge is an absent key). Lines apply in order, and overlays one after the other, so the last one wins,
key by key; all that touched a record stay in `record["overrides"]`. Shards are never edited.

`id` and `set` are all an edit needs. Of the rest, `by` is the rater (or program), `when` ISO 8601, `session`
the sitting, `blind` whether the rater answered without seeing the label that stood there, `gold` whether the
sample was planted because its answer is known. Further keys are kept.
"""

import copy
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError

OVERLAY_NAME = "overrides.jsonl"
PROVENANCE = "overrides"
_FIXED = ("id", PROVENANCE)
SHOWN = 20
_KINDS = {"by": str, "session": str, "blind": bool, "gold": bool}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overlay:
    """The edits of one file, by sample id, in the order in which they were made."""

    path: Path
    edits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sha256: str = ""

    def __bool__(self) -> bool:
        return bool(self.edits)

    def apply(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with its edits; the record itself, if it has none.

        Raises:
            UserError: a dotted key leads through something that is not a mapping.
        """
        edits = self.edits.get(record["id"])
        if edits is None:
            return record
        record = copy.deepcopy(record)
        for edit in edits:
            for key, value in edit["set"].items():
                self._assign(record, key, value)
        applied = [{k: v for k, v in edit.items() if k != "id"} for edit in edits]
        record[PROVENANCE] = [*record.get(PROVENANCE, []), *applied]
        return record

    def _assign(self, record: dict[str, Any], key: str, value: Any) -> None:
        *parents, last = key.split(".")
        place = record
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UserError(f"{self.path}: {record['id']}: {key}: {parent} holds no named values to set")
        if value is None:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)

    def unknown(self, ids: Iterable[str]) -> list[str]:
        """Ids that were edited but are not among `ids`, sorted."""
        return sorted(set(self.edits).difference(ids))

    @property
    def spaces(self) -> set[str]:
        """The label spaces in which it says something."""
        keys = (key.split(".") for edits in self.edits.values() for edit in edits for key in edit["set"])
        return {parts[1] for parts in keys if parts[0] == "labels" and len(parts) > 1}

    def facts(self) -> dict[str, Any]:
        """File name, sha256, samples, edits, and edits by rater (those that nobody signed are not there)."""
        lines = [edit for edits in self.edits.values() for edit in edits]
        raters = Counter(edit["by"] for edit in lines if "by" in edit)
        counts = {"samples": len(self.edits), "edits": len(lines), "raters": dict(sorted(raters.items()))}
        return {"file": self.path.name, "sha256": self.sha256, **counts}


def read_overlays(folder: Path, more: Sequence[Path]) -> tuple[Overlay, ...]:
    """The overlay that lies in a shard set's folder, if one does, and after it `more`: the order of applying.

    Raises UserError: as `read_overlay`, and where one would be applied twice.
    """
    own = [folder / OVERLAY_NAME] if (folder / OVERLAY_NAME).exists() else []
    found: dict[str, Overlay] = {}
    for path in [*own, *more]:
        overlay = read_overlay(path)
        first = found.setdefault(overlay.sha256, overlay)
        if overlay and first is not overlay:
            raise UserError(f"{path}: the same edits as {first.path}, which come before; leave one out")
    return tuple(found.values())


def read_overlay(path: Path) -> Overlay:
    """Read and check an overlay; lines that a crash cut off are passed over with a warning.

    Raises:
        UserError: a line without an id, without a mapping `set`, or one that sets the id itself.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the overlay: {error.strerror}") from error
    edits: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            edit = json.loads(line)
        except ValueError:
            logger.warning("%s line %d is damaged and was passed over", path, number)
            continue
        _check(edit, f"{path} line {number}")
        edits.setdefault(edit["id"], []).append(edit)
    return Overlay(path, edits, hashlib.sha256(content).hexdigest())


def refusal(what: str, faults: Sequence[str]) -> UserError:
    """A user error that names the first of several faults, a line each, and counts the rest."""
    rest = [f"… and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else []
    count = f"{len(faults):,} fault{'s' * (len(faults) != 1)}"
    return UserError("\n  ".join([f"{what}, {count}:", *faults[:SHOWN], *rest]))


def _check(edit: Any, where: str) -> None:
    if not isinstance(edit, dict) or not isinstance(edit.get("id"), str):
        raise UserError(f'{where}: an edit needs an "id"')
    if not isinstance(edit.get("set"), dict) or not edit["set"]:
        raise UserError(f'{where}: an edit needs "set": {{"dotted.key": value}}')
    for key in edit["set"]:
        if key.split(".")[0] in _FIXED or "" in key.split("."):
            raise UserError(f"{where}: {key!r} cannot be set")
    for key, kind in _KINDS.items():
        if not isinstance(edit.get(key, kind()), kind):
            what = "true or false" if kind is bool else "text"
            raise UserError(f'{where}: "{key}" is {edit[key]!r}, which is not {what}')
