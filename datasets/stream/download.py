"""A remote shard as a stream of bytes that are counted and hashed on their way, and its sidecars' rows."""

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise

from ...foundation.errors import UserError
from ..remote import RemoteFile, read
from ..sidecars.layout import FOLDER, SIDECAR, ShardRows, Sidecar, check_name
from ..sidecars.reading import locate_rows, refuse_misfits
from .catalogue import MANIFEST_NAME, SHARDS_NAME, Catalogue, ShardEntry, parse_catalogue

_BLOCK = 1 << 20


def fetch_catalogue(url: str) -> Catalogue:
    """Fetch and check manifest.json and shards.jsonl of the shard set at `url`.

    Raises:
        UserError: not there, damaged, or they contradict each other.
    """
    url = url.rstrip("/")
    try:
        manifest = json.loads(_fetch(f"{url}/{MANIFEST_NAME}"))
        lines = [json.loads(line) for line in _fetch(f"{url}/{SHARDS_NAME}").splitlines() if line.strip()]
    except ValueError as error:
        raise UserError(f"{url}: {MANIFEST_NAME} or {SHARDS_NAME} is damaged: {error}") from error
    return parse_catalogue(url, manifest, lines)


def fetch_sidecars(url: str, names: Sequence[str], catalogue: Catalogue) -> tuple[Sidecar, ...]:
    """Fetch and check what the sidecars `names` of the shard set at `url` say of themselves.

    Raises:
        UserError: not there, damaged, or made for other shards (or for edits, which are local).
    """
    url = url.rstrip("/")
    sidecars = tuple(
        Sidecar.parse(_fetch(f"{url}/{FOLDER}/{check_name(name)}/{SIDECAR}"), url, name) for name in names
    )
    entries = [entry for split in catalogue.splits for entry in catalogue.of(split)]
    refuse_misfits(url, sidecars, entries, edits="")
    return sidecars


def fetch_rows(url: str, sidecar: Sidecar, shard: str) -> list[bytes]:
    """A shard's rows of a sidecar, checked."""
    download = Download(sidecar.path(url, shard), sidecar.shards[shard])
    content = download.read(sidecar.shards[shard].bytes)
    offsets = locate_rows(sidecar, url, shard, content).tolist()
    download.finish()
    return [content[start:end] for start, end in pairwise(offsets)]


class Download:
    """The bytes of a shard (or of a sidecar's rows) in order, with `read(size)` as tarfile wants it.

    A connection that breaks is taken up again where it broke (the hash guards against a file that changed
    meanwhile). `finish` reads what is left and compares size and sha256 with shards.jsonl.
    """

    def __init__(self, url: str, entry: ShardEntry | ShardRows) -> None:
        self.url, self.entry = url, entry
        self._hash = hashlib.sha256()
        self._file = RemoteFile(url, entry.bytes, source=SHARDS_NAME)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        parts = []
        while size > 0 and (part := self._file.read(size)):
            self._hash.update(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Read the rest and compare.

        Raises:
            UserError: the shard is not the one that was built.
        """
        while self.read(_BLOCK):
            pass
        self._file.close()
        if self._hash.hexdigest() != self.entry.sha256:
            raise UserError(
                f"{self.url}: damaged: its sha256 is not the one in {SHARDS_NAME}; upload the shard again"
            )


def _fetch(url: str) -> bytes:
    try:
        return read(url)
    except FileNotFoundError as error:
        missing = " (an unfinished build has none)" if url.endswith(MANIFEST_NAME) else ""
        raise UserError(f"{url}: {error}{missing}") from error
