"""A shard set on local disk: records and image bytes by number, in any order.

Opening checks the manifest, the shards' list, counts and file sizes; reading an index sidecar checks its
hash; that the tars' own bytes are intact is for `vemo shards verify` to say, which reads them all.
"""

import bisect
import functools
import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ...foundation.errors import UserError
from ..sidecars.reading import Sidecars, with_sidecars
from ..taxonomy import LabelMap
from .catalogue import SHARDS_NAME, ShardEntry, parse_catalogue, read_catalogue
from .derived import Spaces, derive, label_maps, maps_fingerprint
from .overlay import Overlay, read_overlays

# Open files a process keeps; beyond it the one used longest ago is closed. Far below the usual limit of
# 1,024.
_MAX_OPEN = 128
# Image and record lie side by side in a tar; up to this gap (headers, padding) one read fetches both.
_MAX_GAP = 8192

logger = logging.getLogger(__name__)


class ShardSet:
    """A folder of shards. `read` may be called from threads, forked and spawned processes alike.

    Args:
        folder: holds manifest.json, shards.jsonl, the tars and their index sidecars.
        overlays: edits to apply to records, in this order and after the overrides.jsonl in the folder, if
            there is one.
        sidecars: names of sidecars whose columns join the records, in this order and before any edits. The
            row of an array comes as a numpy array under the sidecar's name: views are handed the record and
            nothing else, so that is where they find it.
        spaces: label space → further ones, whose labels are derived from it after edits (see `derive`).

    Raises:
        UserError: not a finished shard set, a shard is missing or has another size than stated, a sidecar
        is missing, damaged or made for other shards, an overlay cannot be read or would be applied twice, or
        a label map does not exist or has nothing to map.
    """

    def __init__(
        self,
        folder: Path | str,
        overlays: Sequence[Path] = (),
        sidecars: Sequence[str] = (),
        spaces: Spaces | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._prefix = os.path.join(self.folder, "")  # noqa: PTH118 (joining paths costs more than reading)
        self._catalogue = parse_catalogue(str(folder), *read_catalogue(self.folder))
        for split in self.splits:
            for entry in self._catalogue.of(split):
                self._check_size(entry)
        self._starts = {
            split: [0, *accumulate(entry.samples for entry in self._catalogue.of(split))]
            for split in self.splits
        }
        self._forget_open_files()
        self.sidecars = Sidecars(self.folder, (), (), "")  # what is read below is people's edits alone
        self._maps: tuple[LabelMap, ...] = ()
        self.overlays: tuple[Overlay, ...] = read_overlays(self.folder, overlays)
        if self.edits:
            self._report_unknown_edits()
        entries = [entry for split in self.splits for entry in self._catalogue.of(split)]
        self.sidecars = Sidecars(self.folder, sidecars, entries, self.edits)
        self._maps = self._open_maps(spaces or {})

    @property
    def manifest(self) -> dict[str, Any]:
        """manifest.json."""
        return self._catalogue.manifest

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits' names, in the manifest's order."""
        return self._catalogue.splits

    @property
    def edits(self) -> str:
        """The sha256 of the overlay, of several one over their hashes in order; "" without edits."""
        hashes = [overlay.sha256 for overlay in self.overlays if overlay]
        return "".join(hashes) if len(hashes) < 2 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def shards_fingerprint(self) -> str:
        """sha256 over the hashes of the shards alone: the data before edits and sidecars."""
        return self._catalogue.fingerprint

    @property
    def fingerprint(self) -> str:
        """sha256 over the hashes of shards, overlays, sidecars and label maps: what the data is."""
        joined = self.edits + maps_fingerprint(self._maps)
        return with_sidecars(self._catalogue.fingerprint, self.sidecars.all, joined)

    def count(self, split: str) -> int:
        """Number of samples in a split."""
        return self._catalogue.count(split)

    def read(self, split: str, index: int) -> tuple[dict[str, Any], bytes]:
        """Sample `index` of a split: its record (sidecars and edits applied) and its image file's bytes.

        Raises:
            UserError: the shard or a sidecar is damaged.
            IndexError: `index` is not in 0 … count(split) − 1.
        """
        entry, offsets = self._find(split, index)
        image_at, image_size, record_at, record_size = offsets
        gap = record_at - (image_at + image_size)
        if 0 <= gap <= _MAX_GAP:
            both = self._bytes(self._tar(entry), image_at, record_at + record_size - image_at)
            image, record = both[:image_size], both[record_at - image_at :]
        else:
            image = self._bytes(self._tar(entry), image_at, image_size)
            record = self._bytes(self._tar(entry), record_at, record_size)
        return self._record(entry, index, record), image

    def record(self, split: str, index: int) -> dict[str, Any]:
        """As `read`, without the image."""
        entry, (_, _, record_at, record_size) = self._find(split, index)
        return self._record(entry, index, self._bytes(self._tar(entry), record_at, record_size))

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """All records of a split, in order."""
        return (self.record(split, index) for index in range(self.count(split)))

    def parts(self, split: str) -> list[tuple[ShardEntry, range]]:
        """The shards of a split, each with the numbers of its samples."""
        entries, starts = self._catalogue.of(split), self._starts[split]
        return [(entry, range(*ends)) for entry, *ends in zip(entries, starts, starts[1:])]

    def shard_of(self, split: str, index: int) -> str:
        """The name of the shard that holds a sample, for messages."""
        return self._catalogue.of(split)[bisect.bisect_right(self._starts[split], index) - 1].name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_descriptor", "_indexes")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_open_files()

    def _forget_open_files(self) -> None:
        # A cache implemented in C: safe between threads without a lock that a fork could leave locked. A
        # forked process may go on with inherited descriptors, since pread does not move them.
        self._descriptor = functools.lru_cache(_MAX_OPEN)(_Descriptor)
        self._indexes: dict[str, np.ndarray] = {}

    def _find(self, split: str, index: int) -> tuple[ShardEntry, list[int]]:
        entries = self._catalogue.of(split)
        starts = self._starts[split]
        if not 0 <= index < starts[-1]:
            raise IndexError(f"{self.folder}: sample {index} of split {split!r}, which has {starts[-1]}")
        shard = bisect.bisect_right(starts, index) - 1
        entry = entries[shard]
        offsets = self._indexes.get(entry.name)
        if offsets is None:
            offsets = self._indexes[entry.name] = self._load_index(entry)
        return entry, offsets[index - starts[shard]].tolist()

    def _load_index(self, entry: ShardEntry) -> np.ndarray:
        path = self.folder / f"{entry.name}.index.npy"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot read the shard's index: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != entry.index_sha256:
            raise UserError(
                f"{path}: damaged (its sha256 is not the one in {SHARDS_NAME}); build the shards again"
            )
        index = np.load(io.BytesIO(content), allow_pickle=False)
        ends = index[:, (0, 2)] + index[:, (1, 3)]
        if index.shape != (entry.samples, 4) or index.min(initial=0) < 0 or ends.max(initial=0) > entry.bytes:
            raise UserError(f"{path}: does not fit its shard of {entry.samples} samples, {entry.bytes} bytes")
        return index

    def _tar(self, entry: ShardEntry) -> str:
        return f"{self._prefix}{entry.name}.tar"

    def _bytes(self, path: str, at: int, size: int) -> bytes:
        try:
            data = self._descriptor(path).read(size, at)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        if len(data) != size:
            raise UserError(f"{path}: truncated while in use: {size} bytes wanted at {at}, {len(data)} there")
        return data

    def _record(self, entry: ShardEntry, index: int, data: bytes) -> dict[str, Any]:
        try:
            record = json.loads(data.decode())  # decoded here, json need not guess the encoding
            if "id" not in record:
                raise ValueError("it has no id")
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{self._tar(entry)}: damaged: the record of {entry.split} sample {index} is "
                f"unreadable ({error}); run `vemo shards verify`"
            ) from error
        if self.sidecars:
            starts = self._starts[entry.split]
            place = index - starts[bisect.bisect_right(starts, index) - 1]
            self.sidecars.merge(record, entry.name, place, self._bytes)
        for overlay in self.overlays:
            record = overlay.apply(record)
        if self._maps:
            try:
                derive(record, self._maps)
            except UserError as error:
                raise UserError(f"{self._tar(entry)}: {record['id']}: {error}") from error
        return record

    def _open_maps(self, spaces: Spaces) -> tuple[LabelMap, ...]:
        try:
            maps = label_maps(spaces)
        except UserError as error:
            raise UserError(f"{self.folder}: spaces: {error}") from error
        stated = self.manifest.get("spaces", list(spaces))
        absent = [source for source in spaces if source not in stated]
        if absent and not self.edits and not self.sidecars:  # either could bring such labels
            raise UserError(
                f"{self.folder}: spaces: it has no labels of {', '.join(absent)}, "
                f"only of {', '.join(stated) or 'no space'}"
            )
        return maps

    def _check_size(self, entry: ShardEntry) -> None:
        path = self.folder / f"{entry.name}.tar"
        try:
            size = path.stat().st_size
            (self.folder / f"{entry.name}.index.npy").stat()
        except OSError as error:
            raise UserError(f"{error.filename}: missing, though {SHARDS_NAME} lists it") from error
        if size != entry.bytes:
            state = "truncated" if size < entry.bytes else "damaged"
            raise UserError(f"{path}: {state}: {size} bytes, {SHARDS_NAME} says {entry.bytes}")

    def _report_unknown_edits(self) -> None:
        plain = [record["id"] for split in self.splits for record in self.records(split)]
        for overlay in self.overlays:
            if unknown := overlay.unknown(plain):
                logger.warning(
                    "%s edits %d ids that %s does not hold, such as %s",
                    overlay.path, len(unknown), self.folder, ", ".join(unknown[:5]),
                )  # fmt: skip


class _Descriptor:
    """An open file, closed when nobody holds it any more: dropping it from a cache cannot disturb a
    reader."""

    __slots__ = ("number",)

    def __init__(self, path: str) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def read(self, size: int, at: int) -> bytes:
        data = os.pread(self.number, size, at)
        if len(data) == size or not data:
            return data
        # A single read stops at 2 GB on Linux and may stop short on network file systems.
        return data + self.read(size - len(data), at + len(data))

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)
