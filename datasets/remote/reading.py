"""A file behind a URL as a stream of bytes that goes on where a connection broke."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from ...foundation.errors import UserError
from .places import is_web, open_place, reaching, reason, tag_of

TIMEOUT = 60.0  # seconds without a byte
PAUSES = (0.0, 0.5, 2.0)  # seconds before another attempt; a byte that comes starts them anew
BLOCK = 8 * 2**20
_BROKEN = (OSError, http.client.HTTPException)  # what a lost connection raises; URLError is an OSError
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError)
_PASSING = (408, 429, 500, 502, 503, 504)  # HTTP states that may be others in a moment


def read(url: str) -> bytes:
    """The content of a small file. Raises FileNotFoundError where there is none, UserError otherwise."""
    if not is_web(url):
        files, path = open_place(url)
        try:
            with reaching(url, "read"):
                return files.cat_file(path)
        except FileNotFoundError as error:
            raise FileNotFoundError("no such file there") from error
    try:
        with _open_web(url, 0) as stream:
            return stream.read()
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            raise FileNotFoundError(f"the server says {error.code} {error.reason}") from error
        raise UserError(f"{url}: the server says {error.code} {error.reason}") from error
    except (*_BROKEN, ValueError) as error:
        raise UserError(f"{url}: cannot be read: {reason(error)}") from error


def read_if_there(url: str) -> bytes | None:
    """The content of a small file, None where there is none."""
    try:
        return read(url)
    except FileNotFoundError:
        return None


class RemoteFile:
    """The bytes of a file in order, from byte `at` on.

    A connection that breaks is taken up again where it broke. `size` is how many bytes there should be,
    according to `source`; without it the place is asked. With `guarded`, what tells that a file was replaced
    (its tag) has to be the same whenever a connection is made: for bytes that no hash guards. UserError for
    another size or tag, and for a place that does not answer.
    """

    def __init__(
        self,
        url: str,
        size: int | None = None,
        source: str = "its listing",
        at: int = 0,
        guarded: bool = False,
    ) -> None:
        self.url, self.size, self.at = url, size, at
        self.tag: str | None = None
        self._source, self._guarded = source, guarded
        self._stream: Any = None
        self._failures = 0

    def open(self) -> None:
        """Connect, unless that is done; from then on size and tag are known, if the place tells them."""
        self._persist(self._connect)

    def read(self, limit: int) -> bytes:
        """Some bytes, at most `limit`; none only at the end."""
        if self.size is not None and self.at >= self.size:
            return b""
        part = self._persist(lambda: self._receive(limit))
        self.at += len(part)
        return part

    def _persist(self, step: Callable[[], Any]) -> Any:
        """step(), again and again while there is hope."""
        while True:
            try:
                result = step()
                self._failures = 0
                return result
            except _BROKEN as error:
                self.close()
                if _is_final(error):
                    missing = isinstance(error, FileNotFoundError)
                    why = "no such file there" if missing else f"cannot be read: {reason(error)}"
                    raise UserError(f"{self.url}: {why}") from error
                if self._failures == len(PAUSES):
                    size = "" if self.size is None else f" of {self.size}"
                    message = f"{self.url}: truncated: {self.at}{size} bytes came ({reason(error)})"
                    raise UserError(message) from error
                time.sleep(PAUSES[self._failures])
                self._failures += 1

    def _receive(self, limit: int) -> bytes:
        self._connect()
        part = self._stream.read(limit)
        if not part and self.size is not None and self.at < self.size:
            raise ConnectionError("the connection ended early")
        return part

    def _connect(self) -> None:
        if self._stream is not None:
            return
        stream = _open_web(self.url, self.at) if is_web(self.url) else _Blocks(self.url, self.at)
        try:
            self._check_and_skip(stream)
        except BaseException:
            stream.close()
            raise
        self._stream = stream

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _check_and_skip(self, stream: Any) -> None:
        size, tag, skipped = _described(stream, self.at)
        if self.size is not None and size is not None and size != self.size:
            state = "truncated" if size < self.size else "damaged"
            raise UserError(f"{self.url}: {state}: {size} bytes there, {self._source} says {self.size}")
        if self._guarded and tag is not None and self.tag not in (None, tag):
            raise UserError(f"{self.url}: was replaced while it was read; run the same command again")
        self.size, self.tag = self.size if size is None else size, self.tag or tag
        while skipped:  # a server that does not know ranges starts from the beginning again
            part = stream.read(min(skipped, BLOCK))
            if not part:
                raise ConnectionError("the connection ended early")
            skipped -= len(part)


class _Blocks:
    """A file of fsspec's as a stream: a request a block, so nothing stays open that could break."""

    def __init__(self, url: str, at: int) -> None:
        self.url, self.at = url, at
        self.files, self.path = open_place(url)
        with reaching(url, "read", let=(OSError,)):  # which may be tried again
            info = self.files.info(self.path)
        self.size, self.tag = info["size"], tag_of(info)
        self._block = memoryview(b"")

    def read(self, limit: int) -> bytes:
        if not self._block and self.at < self.size:
            with reaching(self.url, "read", let=(OSError,)):
                end = min(self.at + BLOCK, self.size)
                self._block = memoryview(self.files.cat_file(self.path, start=self.at, end=end))
            self.at += len(self._block)
        part, self._block = self._block[:limit], self._block[limit:]
        return bytes(part)

    def close(self) -> None:
        self._block = memoryview(b"")


def _is_final(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code not in _PASSING
    return isinstance(error, _FINAL)


def _described(stream: Any, at: int) -> tuple[int | None, str | None, int]:
    """(size of the file, its tag, how many bytes come before byte `at`) of an open stream."""
    if isinstance(stream, _Blocks):
        return stream.size, stream.tag, 0
    skipped = at if stream.status != http.client.PARTIAL_CONTENT else 0
    length = stream.headers.get("Content-Length")
    return None if length is None else int(length) + at - skipped, tag_of(stream.headers), skipped


def _open_web(url: str, at: int) -> Any:
    # Not fsspec: its web files need aiohttp, take a request a block, and load whole what a server cannot give
    # in ranges. One connection a file needs nothing but the standard library.
    headers = {"Range": f"bytes={at}-"} if at else {}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
