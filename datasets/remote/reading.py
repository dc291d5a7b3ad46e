"""A file behind a URL as a stream of bytes that goes on where a connection broke."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ...foundation.errors import UserError
from .places import is_web, open_place, reaching, reason, tag_of

TIMEOUT = 60.0  # seconds without a byte
PATIENCE, SLOWEST = 60.0, 1000  # so many seconds of waiting have to bring so many bytes each: our choice
PAUSES = (0.0, 0.5, 2.0)  # seconds before another attempt; a byte that comes starts them anew
BLOCK = 8 * 2**20
PIECE = 2**18  # what is taken from a connection at once
_BROKEN = (OSError, http.client.HTTPException)  # what a lost connection raises; URLError is an OSError
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError)
_PASSING = (408, 429, 500, 502, 503, 504)  # HTTP states that may be others in a moment


class Broken(UserError):
    """A connection that failed for good, or is too slow: what came so far is worth keeping."""


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
    (its tag) has to be the same whenever a connection is made: for bytes that no hash guards. `tag` is that
    of the bytes before `at`, where it is known. `token` is shown to the URL's own server, and to no other
    that this one may redirect to.

    UserError for another size or tag, for a web page in the file's place, and for a place that does not
    answer: Broken, where another attempt may do better.
    """

    def __init__(
        self,
        url: str,
        size: int | None = None,
        source: str = "its listing",
        at: int = 0,
        guarded: bool = False,
        tag: str | None = None,
        token: str | None = None,
    ) -> None:
        self.url, self.size, self.at, self.tag = url, size, at, tag
        self._token = token
        self._waited, self._came = 0.0, 0
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
        if self.size is not None:  # and one byte, by which more than there should be is noticed
            limit = min(limit, self.size - self.at + 1)
        part = self._persist(lambda: self._receive(limit))
        self.at += len(part)
        if self.size is not None and self.at > self.size:
            self.close()
            raise UserError(f"{self.url}: too large: {self._source} says {self.size} bytes, and more come")
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
                    raise Broken(message) from error
                time.sleep(PAUSES[self._failures])
                self._failures += 1

    def _receive(self, limit: int) -> bytes:
        self._connect()
        part = self._take(self._stream, limit)
        if not part and self.size is not None and self.at < self.size:
            raise ConnectionError("the connection ended early")
        return part

    def _take(self, stream: Any, limit: int) -> bytes:
        """What has come, at most `limit` bytes; one byte now and then is no answer."""
        began = time.monotonic()
        part = stream.read1(min(limit, PIECE))
        self._waited += time.monotonic() - began
        self._came += len(part)
        if self._waited > PATIENCE:
            if self._came < SLOWEST * self._waited:
                self.close()
                raise Broken(f"{self.url}: too slow: {self._came} bytes in {self._waited:.0f} seconds")
            self._waited, self._came = 0.0, 0
        return part

    def _connect(self) -> None:
        if self._stream is not None:
            return
        if is_web(self.url):
            stream = _open_web(self.url, self.at, self.tag, self._token)
        else:
            stream = _Blocks(self.url, self.at)
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
        if not isinstance(stream, _Blocks) and stream.headers.get_content_type() == "text/html":
            raise UserError(f"{self.url}: a web page came in place of the file; is a login needed there?")
        if self.size is not None and size is not None and size != self.size:
            state = "truncated" if size < self.size else "too large"
            raise UserError(f"{self.url}: {state}: {size} bytes there, {self._source} says {self.size}")
        if self._guarded and tag is not None and self.tag not in (None, tag):
            raise UserError(f"{self.url}: was replaced while it was read; run the same command again")
        self.size, self.tag = self.size if size is None else size, self.tag or tag
        while skipped:  # a server that does not know ranges starts from the beginning again
            part = self._take(stream, skipped)
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

    def read1(self, limit: int) -> bytes:
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
    known = int(length) + at - skipped if length is not None and length.isdigit() else None
    return known, tag_of(stream.headers), skipped


class _Redirects(urllib.request.HTTPRedirectHandler):
    """To web servers only; a token goes to no other server than the one it was meant for."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_web(newurl):
            raise urllib.error.HTTPError(req.full_url, code, f"redirects to {newurl}", headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.get_header("Authorization")
        if request is not None and token and _server(newurl) == _server(req.full_url):
            request.add_unredirected_header("Authorization", token)
        return request


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _open_web(url: str, at: int, tag: str | None = None, token: str | None = None) -> Any:
    # Not fsspec: its web files need aiohttp, take a request a block, and load whole what a server cannot give
    # in ranges. One connection a file needs nothing but the standard library.
    headers = {"Range": f"bytes={at}-"} if at else {}
    name, _, value = (tag or "").partition(" ")
    if at and name in ("ETag", "Last-Modified") and not value.startswith("W/"):
        headers["If-Range"] = value  # the whole file, should it be another by now
    request = urllib.request.Request(url, headers=headers)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(_Redirects)  # looks the proxies up in today's environment
    return opener.open(request, timeout=TIMEOUT)
