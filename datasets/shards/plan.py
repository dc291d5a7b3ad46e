"""The plan of a build: which sample goes into which shard, in which order. A function of rows and settings.

Rows are listed once, spooled to disk, and written again in the order of the shards, so that a worker reads
just its own stretch of the file. Memory: some 70 bytes a row, whatever the dataset's size.
"""

import hashlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...foundation.errors import UserError
from ..readers import Row
from .layout import SPLIT_NAME, sha256_of_text, shard_name
from .splits import NAMED_LEAKS, draw_hash, draw_splits, split_rank

DRAWN = 2**16 - 1  # in place of a split's number, until it is drawn
NO_GROUP = bytes(8)
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A shard to be: its rows are the `samples` lines from byte `offset` of the plan file."""

    name: str
    split: str
    offset: int
    samples: int


@dataclass(frozen=True)
class Plan:
    """Every shard of a set, in order; `digest` is a sha256 over the plan file, the splits and the reader."""

    path: Path
    shards: tuple[PlannedShard, ...]
    listed: dict[str, int]
    digest: str
    straddling_groups: int
    first_straddling: tuple[list[list[str]], ...]

    @property
    def rows(self) -> int:
        return sum(self.listed.values())


def make_plan(
    rows: Iterable[Row],
    path: Path,
    samples_per_shard: int,
    fractions: Mapping[str, float],
    seed: int,
    fingerprint: str = "",
) -> Plan:
    """List `rows` and write the plan file at `path`. `fingerprint`, the reader's, goes into the digest.

    Within a split, samples are put in the order of a hash of their ids: listings come class by class, and
    whoever reads a shard from front to back should see all classes. Shards of a split differ in size by one
    at most.
    Raises UserError for a split name that could not be a file's.
    """
    spool = path.with_name("rows.jsonl")
    splits = {name: code for code, name in enumerate(fractions)}
    offsets, codes = array("Q"), array("H")
    keys, groups, draws = bytearray(), bytearray(), bytearray()  # 8 bytes a row each
    position = 0
    with spool.open("wb", buffering=2**20) as stream:
        for row in rows:
            if row.split:
                if row.split not in splits and not SPLIT_NAME.match(row.split):
                    raise UserError(
                        f"{row.path}: split {row.split!r} cannot name a file; use a-z, 0-9, _ and -"
                    )
                codes.append(splits.setdefault(row.split, len(splits)))
            else:
                codes.append(DRAWN)
                draws += draw_hash(row.group or row.id, seed)
            keys += sha256_of_text(f"order\0{row.id}")[:8]
            groups += sha256_of_text(row.group)[:8] if row.group else NO_GROUP
            offsets.append(position)
            line = _encode([row.id, row.split, row.group, row.path, row.facts])
            position += stream.write(line.encode() + b"\n")
    offsets.append(position)  # where the last row ends
    offset, code = np.array(offsets, np.uint64), np.array(codes, np.uint16)
    code[code == DRAWN] = draw_splits(np.frombuffer(draws, ">u8"), fractions)
    key, group = np.frombuffer(keys, ">u8"), np.frombuffer(groups, ">u8")
    names = list(splits)

    shards: list[PlannedShard] = []
    listed: dict[str, int] = {}
    digest = hashlib.sha256(fingerprint.encode())
    with spool.open("rb") as source, path.open("wb", buffering=2**20) as target:
        for split in sorted(splits, key=split_rank):
            members = np.flatnonzero(code == splits[split])
            if not len(members):
                continue  # of the fractions, drawn by nobody
            members = members[np.argsort(key[members], kind="stable")]
            listed[split] = len(members)
            count = -(-len(members) // samples_per_shard)
            for index, part in enumerate(np.array_split(members, count)):
                shards.append(PlannedShard(shard_name(split, index), split, target.tell(), len(part)))
                content = _lines(source, offset[part], offset[part + 1])
                digest.update(content)
                target.write(content)
            digest.update(f"{split} {listed[split]}\n".encode())
        straddling = _straddling(group, code)
        first = []
        for members in straddling[:NAMED_LEAKS]:
            first.append([[_identifier(source, int(offset[m])), names[code[m]]] for m in members])
    spool.unlink()
    return Plan(path, tuple(shards), listed, digest.hexdigest(), len(straddling), tuple(first))


def _lines(spool: BinaryIO, starts: np.ndarray, ends: np.ndarray) -> bytes:
    """Rows of the spool, one after the other: `pread`, because a buffered file reads 8 KB for each."""
    descriptor = spool.fileno()
    pieces = zip((ends - starts).tolist(), starts.tolist())
    return b"".join([os.pread(descriptor, size, start) for size, start in pieces])


def read_rows(path: Path, offset: int, samples: int) -> Iterator[Row]:
    """The rows of one shard of a plan file."""
    with path.open("rb") as stream:
        stream.seek(offset)
        for _ in range(samples):
            yield Row(*json.loads(stream.readline()))


def _straddling(group: np.ndarray, code: np.ndarray) -> list[list[int]]:
    """For every group in more than one split, one row of each split."""
    grouped = np.flatnonzero(group)
    if not len(grouped):
        return []
    pairs = np.stack([group[grouped], code[grouped].astype(np.uint64)])
    _, firsts = np.unique(pairs, axis=1, return_index=True)
    members = grouped[firsts]  # one row for each pair of group and split, sorted by group
    starts = np.flatnonzero(np.r_[True, group[members][1:] != group[members][:-1]])
    ends = [*starts[1:], len(members)]
    return sorted(members[a:b].tolist() for a, b in zip(starts, ends) if b - a > 1)


def _identifier(source: Any, offset: int) -> str:
    source.seek(offset)
    return json.loads(source.readline())[0]
