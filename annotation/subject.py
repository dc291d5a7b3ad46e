"""What is curated: the samples of a shard set that are shown, in which labels, and the hash of all that."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.stream import ShardSet
from ..datasets.stream.overlay import OVERLAY_NAME, read_overlay
from ..datasets.taxonomy import LabelSpace, label_space
from ..foundation.errors import UserError
from ..foundation.files import sha256_of
from .config import CurateConfig
from .documents import blinded
from .findings import audit_files

FORMAT = 2  # of documents: another number loads everything again


@dataclass(frozen=True)
class Subject:
    """What is shown.

    places: (split, number) of every sample, in order. edits: the lines of all overlays, of which the first
    `own_edits` bytes are the shard set's own. data: the hash of what people see and edit; fingerprint: that
    of everything beside it as well. gold: ids whose answers are known.
    """

    shards: ShardSet
    space: LabelSpace | None
    places: list[tuple[str, int]]
    edits: bytes
    own_edits: int
    data: str
    fingerprint: str
    audit: Path
    blind: bool = False
    gold: frozenset[str] = frozenset()

    def shown(self, record: dict[str, Any], split: str, place: int) -> dict[str, Any]:
        """The record as people see it."""
        return blinded(record, self.space, split, place) if self.blind else record


def open_subject(config: CurateConfig, loaded_with: Path | None = None) -> Subject:
    """The samples with their edits; loaded_with: with the edits in that file instead of those of today.

    Raises UserError: no shard set, no such split, overlay, sidecar, label space or file of predictions.
    """
    sidecars = (*config.sidecars, *([config.embeddings] if config.embeddings else []))
    shards = ShardSet(config.shards, () if loaded_with else config.overlays, sidecars)
    if loaded_with:
        shards.overlays = (read_overlay(loaded_with),)
    contents = [_lines(overlay.path) for overlay in shards.overlays]
    has_own = bool(contents) and shards.overlays[0].path == config.shards / OVERLAY_NAME
    space = _space(config, shards)
    gold = frozenset(read_overlay(config.gold).edits) if config.gold else frozenset[str]()
    places = [
        (split, number)
        for split in config.splits or shards.splits
        for number in _numbers(shards, split, config.limit, gold)
    ]
    audit = config.audit or config.shards / "audit"
    try:
        beside = [sha256_of(path) for path in (*config.predictions, *audit_files(audit))]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from None
    edits = b"".join(contents)
    data = _digest(
        FORMAT,
        shards.shards_fingerprint,
        hashlib.sha256(edits).hexdigest(),
        [sidecar.fingerprint for sidecar in shards.sidecars.all],
        [space.name, space.version] if space else None,
        [config.splits, config.limit, config.embeddings, config.blind, sorted(gold)],
    )
    return Subject(
        shards=shards,
        space=space,
        places=places,
        edits=edits,
        own_edits=len(contents[0]) if has_own else 0,
        data=data,
        fingerprint=_digest(data, beside, config.brain),
        audit=audit,
        blind=config.blind,
        gold=gold,
    )


def _space(config: CurateConfig, shards: ShardSet) -> LabelSpace | None:
    if config.label_space is None:
        spaces = map(label_space, shards.manifest.get("spaces", []))
        return next((space for space in spaces if not space.continuous), None)
    space = label_space(config.label_space)
    if space.continuous:
        raise UserError(
            f"label_space={space.name}: has axes, not classes; valence and arousal are shown anyway"
        )
    return space


def _lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content + b"\n" if content and not content.endswith(b"\n") else content


def _numbers(shards: ShardSet, split: str, limit: int | None, gold: frozenset[str]) -> list[int]:
    """Which samples of a split are shown: evenly spaced ones, and those of gold."""
    count = shards.count(split)
    if limit is None or limit >= count:
        return list(range(count))
    found = set(np.linspace(0, count - 1, limit).astype(np.int64).tolist())
    if gold:
        found |= {place for place, record in enumerate(shards.records(split)) if record["id"] in gold}
    return sorted(found)


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
