"""What a shard set says of itself: manifest.json and shards.jsonl, checked against each other."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ...foundation.files import read_json_lines

FORMAT = 1
MANIFEST_NAME = "manifest.json"
SHARDS_NAME = "shards.jsonl"

# A shard's name becomes a path or a URL: nothing that could lead elsewhere.
_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One finished shard, as its line in shards.jsonl states it."""

    name: str  # without ".tar"
    split: str
    samples: int
    bytes: int
    sha256: str
    index_sha256: str


@dataclass(frozen=True)
class Catalogue:
    """What manifest.json and shards.jsonl say, checked against each other; no shard is touched."""

    where: str
    manifest: dict[str, Any]
    shards: dict[str, tuple[ShardEntry, ...]]  # split -> shards in order of name
    fingerprint: str

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.shards)

    def of(self, split: str) -> tuple[ShardEntry, ...]:
        """The shards of a split, in the order that numbers its samples."""
        if split not in self.shards:
            raise UserError(f"{self.where}: no split {split!r}; it has {', '.join(self.splits) or 'none'}")
        return self.shards[split]

    def count(self, split: str) -> int:
        """Number of samples in a split."""
        return sum(entry.samples for entry in self.of(split))


def parse_catalogue(where: str, manifest: Any, lines: list[Any]) -> Catalogue:
    """Check a manifest and its shard lines against each other.

    Raises:
        UserError: another format, missing keys, or counts that do not agree.
    """
    splits = manifest.get("splits") if isinstance(manifest, dict) else None
    if not isinstance(splits, dict) or not all(isinstance(stated, dict) for stated in splits.values()):
        raise UserError(f"{where}: {MANIFEST_NAME} is not a shard set's manifest")
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{where}: shard format {manifest.get('format')!r}, this version reads {FORMAT}; "
            "build the shards again"
        )
    entries: dict[str, ShardEntry] = {}
    for line in lines:
        entry = _entry(where, line)
        entries[entry.name] = entry  # a shard that was built again has a second line
    shards: dict[str, tuple[ShardEntry, ...]] = {}
    for split, stated in splits.items():
        mine = sorted((e for e in entries.values() if e.split == split), key=lambda e: (len(e.name), e.name))
        found = {"samples": sum(e.samples for e in mine), "shards": len(mine)}
        for what, number in found.items():
            if stated.get(what) != number:
                raise UserError(
                    f"{where}: {MANIFEST_NAME} counts {stated.get(what)} {what} in split {split!r}, "
                    f"{SHARDS_NAME} {number}; copy the set again or build it again"
                )
        shards[split] = tuple(mine)
    stray = sorted({e.split for e in entries.values()} - set(shards))
    if stray:
        raise UserError(f"{where}: {SHARDS_NAME} has shards of {', '.join(stray)}, {MANIFEST_NAME} has not")
    hashes = "".join(f"{name} {entries[name].sha256}\n" for name in sorted(entries))
    return Catalogue(where, manifest, shards, hashlib.sha256(hashes.encode()).hexdigest())


def _entry(where: str, line: Any) -> ShardEntry:
    try:
        entry = ShardEntry(
            name=str(line["name"]).removesuffix(".tar"),
            split=str(line["split"]),
            samples=int(line["samples"]),
            bytes=int(line["bytes"]),
            sha256=str(line["sha256"]),
            index_sha256=str(line["index_sha256"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: {SHARDS_NAME} has a line without a valid {error}") from error
    if not _SHARD_NAME.fullmatch(entry.name):
        raise UserError(
            f"{where}: {SHARDS_NAME} names a shard {entry.name!r}, which is not a plain file name"
        )
    return entry


def read_catalogue(folder: Path) -> tuple[Any, list[Any]]:
    """manifest.json and the lines of shards.jsonl of a local shard set, for `parse_catalogue`."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of shards")
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    except FileNotFoundError as error:
        if (folder / SHARDS_NAME).exists() or any(folder.glob("*.tar*")):
            raise UserError(
                f"{folder}: the build is unfinished (no {MANIFEST_NAME}); run `vemo shards build` again, "
                "it goes on where it stopped"
            ) from error
        raise UserError(f"{folder}: not a shard set (no {MANIFEST_NAME})") from error
    except ValueError as error:
        raise UserError(f"{folder / MANIFEST_NAME}: damaged: {error}") from error
    return manifest, list(read_json_lines(folder / SHARDS_NAME))
