"""Sidecars as records are read: their rows found, checked and merged.

Opening checks that a sidecar belongs to the shards, and sizes; a process that first reads a shard's rows
hashes them.
A row joins the record before people's edits do. Sidecars apply in the order in which they are named; a key
that the record has by then is refused unless the sidecar was made with `replace`, and then the sidecar wins.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .layout import Shard, Sidecar, read_sidecar

LET_IT_WIN = "leave it out, or let it win by making it with replace=true"


class Sidecars:
    """The sidecars of a local shard set that were asked for; picklable, without what it has read.

    Args:
        edits: the sha256 of the overlay that the set is read with, "" without one.

    Raises:
        UserError: no such sidecar, unfinished, damaged, made for other shards or other edits, a file missing
        or of another size, or two that give the same key.
    """

    def __init__(self, home: Path, names: Sequence[str], shards: Iterable[Shard], edits: str) -> None:
        self.home = str(home)
        self.all = tuple(read_sidecar(home, name) for name in names)
        shards = list(shards)
        refuse_misfits(self.home, self.all, shards, edits)
        for sidecar in self.all:
            for shard in shards:
                _check_size(self.home, sidecar, shard.name)
        self._offsets: dict[str, np.ndarray] = {}

    def __bool__(self) -> bool:
        return bool(self.all)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_offsets": {}}

    def merge(
        self, record: dict[str, Any], shard: str, place: int, read: Callable[[str, int, int], bytes]
    ) -> None:
        """Add to `record`, the `place`-th of `shard`, what every sidecar knows of it.

        `read(path, at, size)` gives a file's bytes. Raises UserError: damaged, another id, a key too many.
        """
        for sidecar in self.all:
            path = sidecar.path(self.home, shard)
            offsets = self._offsets.get(path)
            if offsets is None:
                try:
                    content = Path(path).read_bytes()
                except OSError as error:
                    what = f"{sidecar.file_of(shard)} cannot be read: {error.strerror}"
                    raise sidecar.error(self.home, what) from None
                offsets = self._offsets[path] = locate_rows(sidecar, self.home, shard, content)
            start, end = offsets[place : place + 2].tolist()
            merge_row(sidecar, self.home, record, read(path, start, end - start))


def with_sidecars(fingerprint: str, sidecars: Iterable[Sidecar], edits: str = "") -> str:
    """The fingerprint of a shard set together with what joins its records; its own where nothing does."""
    joined = edits + "".join(sidecar.fingerprint for sidecar in sidecars)
    return hashlib.sha256((fingerprint + joined).encode()).hexdigest() if joined else fingerprint


def refuse_misfits(home: str, sidecars: Sequence[Sidecar], shards: Sequence[Shard], edits: str) -> None:
    """UserError for the first sidecar that does not belong to these shards, these edits, or beside others."""
    given: dict[str, str] = {}
    for sidecar in sidecars:
        if why := sidecar.misfit(shards):
            raise sidecar.error(home, why)
        if sidecar.edits not in (None, edits):
            raise sidecar.error(home, "was made from other edits (overrides.jsonl) than there are now")
        for column in sidecar.columns:
            if column in given and not sidecar.replace:
                what = f"gives {column}, and so does {given[column]}"
                raise sidecar.error(home, what, LET_IT_WIN)
            given[column] = sidecar.name


def locate_rows(sidecar: Sidecar, home: str, shard: str, content: bytes) -> np.ndarray:
    """int64 [N + 1]: row n of a shard's file is content[found[n] : found[n + 1]].

    Raises UserError: its bytes are not those that were written, or not as many rows as samples.
    """
    rows, name = sidecar.shards[shard], sidecar.file_of(shard)
    if hashlib.sha256(content).hexdigest() != rows.sha256:
        raise sidecar.error(home, f"{name} is damaged (its sha256 is not the one that was written)")
    if sidecar.kind == "records":
        lines = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")) + 1
        found = np.concatenate([np.zeros(1, np.int64), lines])
    else:
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise sidecar.error(home, f"{name} is no array: {error}") from None
        if (str(array.dtype), array.shape[1:]) != (sidecar.dtype, sidecar.shape):
            what = f"{array.dtype} {list(array.shape[1:])}, not {sidecar.dtype} {list(sidecar.shape or ())}"
            raise sidecar.error(home, f"{name} has rows of {what}")
        size = array.nbytes // max(len(array), 1)
        found = len(content) - array.nbytes + size * np.arange(len(array) + 1)
    if len(found) != rows.samples + 1:
        raise sidecar.error(home, f"{name} has {len(found) - 1:,} rows, not {rows.samples:,}")
    return found


def merge_row(sidecar: Sidecar, home: str, record: dict[str, Any], row: bytes) -> None:
    """Add one row to the record it belongs to, in place: of an array a numpy array of its own."""
    if sidecar.kind == "array":
        flat = np.frombuffer(bytearray(row), sidecar.dtype)  # a bytearray, because tensors want to write
        values: dict[str, Any] = {sidecar.name: flat.reshape(sidecar.shape or ())}
    else:
        try:
            values = json.loads(row)
            identifier = values.pop("id", None)
        except (ValueError, AttributeError, TypeError):
            raise sidecar.error(home, f"the row of {record['id']} is no record") from None
        if identifier != record["id"]:
            raise sidecar.error(home, f"has {identifier} where the shard has {record['id']}")
    if not sidecar.replace:
        for key in values:
            if key in record:
                raise sidecar.error(home, f"gives {key}, which {record['id']} has already", LET_IT_WIN)
    record.update(values)


def _check_size(home: str, sidecar: Sidecar, shard: str) -> None:
    name, stated = sidecar.file_of(shard), sidecar.shards[shard].bytes
    try:
        size = Path(sidecar.path(home, shard)).stat().st_size
    except OSError:
        raise sidecar.error(home, f"{name} is missing") from None
    if size != stated:
        state = "cut off" if size < stated else "damaged"
        raise sidecar.error(home, f"{name} is {state}: {size:,} bytes, {stated:,} were written")
