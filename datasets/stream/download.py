"""A remote shard as a stream of bytes that are counted and hashed on their way, and its sidecars' rows."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ...foundation.errors import UserError
from ..sidecars.layout import FOLDER, SIDECAR, ShardRows, Sidecar, check_name
from ..sidecars.reading import locate_rows, refuse_misfits
from .catalogue import MANIFEST_NAME, SHARDS_NAME, Catalogue, ShardEntry, parse_catalogue

_TIMEOUT = 60.0  # seconds without a byte
_ATTEMPTS = 4
_BLOCK = 1 << 20
_BROKEN = (OSError, http.client.HTTPException)  # what a lost connection raises; URLError is an OSError


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
        self._at = 0
        self._stream: Any = None
        self._attempts = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        parts = []
        wanted = min(size, self.entry.bytes - self._at)
        while wanted > 0:
            part = self._part(wanted)
            self._hash.update(part)
            self._at += len(part)
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Read the rest and compare.

        Raises:
            UserError: the shard is not the one that was built.
        """
        while self.read(_BLOCK):
            pass
        self._close()
        if self._hash.hexdigest() != self.entry.sha256:
            raise UserError(
                f"{self.url}: damaged: its sha256 is not the one in {SHARDS_NAME}; upload the shard again"
            )

    def _part(self, size: int) -> bytes:
        while True:
            try:
                if self._stream is None:
                    self._stream = self._open()
                part = self._stream.read(size)
                if part:
                    return part
                raise ConnectionError("the connection ended early")
            except _BROKEN as error:
                self._close()
                self._attempts += 1
                if self._attempts >= _ATTEMPTS or isinstance(error, urllib.error.HTTPError):
                    raise UserError(
                        f"{self.url}: truncated: {self._at} of {self.entry.bytes} bytes came ({error})"
                    ) from error

    def _open(self) -> Any:
        stream = open_url(self.url, self._at)
        length = stream.headers.get("Content-Length") if hasattr(stream, "headers") else None
        skipped = self._at if getattr(stream, "status", None) != http.client.PARTIAL_CONTENT else 0
        if length is not None and int(length) + self._at - skipped != self.entry.bytes:
            state = "truncated" if int(length) + self._at - skipped < self.entry.bytes else "damaged"
            raise UserError(
                f"{self.url}: {state}: {int(length) + self._at - skipped} bytes there, "
                f"{SHARDS_NAME} says {self.entry.bytes}"
            )
        while skipped:  # a server that does not know ranges starts from the beginning again
            part = stream.read(min(skipped, _BLOCK))
            if not part:
                raise ConnectionError("the connection ended early")
            skipped -= len(part)
        return stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def open_url(url: str, at: int = 0) -> Any:
    """A binary stream of what is at `url`; http and https from byte `at` on where the server can.

    Other schemes (gs:, hf:, ais:, …) are webdataset's to open, always from the beginning.
    """
    if url.startswith(("http://", "https://")):
        headers = {"Range": f"bytes={at}-"} if at else {}
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    from webdataset.gopen import gopen

    return gopen(url, "rb")


def _fetch(url: str) -> bytes:
    try:
        with open_url(url) as stream:
            return stream.read()
    except urllib.error.HTTPError as error:
        missing = (
            " (an unfinished build has none)" if error.code == 404 and url.endswith(MANIFEST_NAME) else ""
        )
        raise UserError(f"{url}: the server says {error.code} {error.reason}{missing}") from error
    except (*_BROKEN, ValueError) as error:
        raise UserError(f"{url}: cannot be read: {error}") from error
