"""A file or folder behind a URL: list, read, write, upload, remove. How is fsspec's business.

fsspec and its file systems are imported when the first URL is used, and again looked up at every call: an
instance belongs to the process that made it, and fsspec keeps them.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator

from ...foundation.errors import UserError

BATCH_FILES, BATCH_BYTES = 64, 64 * 2**20  # what is asked for at once
# What file systems call the thing that changes when a file does, the most telling first.
_TAGS = ("ETag", "etag", "sha256", "checksum", "md5Hash", "blob_id", "generation", "LastModified")
_TAGS += ("Last-Modified", "last_modified", "mtime", "updated", "created")


def path_or_url(value: Any) -> Any:
    """Text with :// in it stays text (`file://` aside, which is a path); pathlib would halve its slashes."""
    if not isinstance(value, str):
        return value
    if value.startswith("file://"):
        return Path(unquote(urlsplit(value).path))
    return value if is_url(value) else Path(value)


PathOrUrl = Annotated[Path | str, BeforeValidator(path_or_url)]


def is_url(place: Any) -> bool:
    """Whether this is the text of a URL rather than a path."""
    return isinstance(place, str) and "://" in place


def join(folder: Path | str, name: str) -> Path | str:
    """A name in a folder or behind a URL."""
    return f"{folder}/{name}" if isinstance(folder, str) else folder / name


def is_web(url: str) -> bool:
    """Whether this is a web server's: readable, but neither listed nor written."""
    return url.startswith(("http://", "https://"))


def name_of(place: Path | str) -> str:
    """The last part of a path or URL, without a web address's query."""
    if isinstance(place, Path):
        return place.name
    path = unquote(urlsplit(place).path) if is_web(place) else place
    return path.rstrip("/").rpartition("/")[2]


def folder_name(place: Path | str) -> str:
    """A folder name for what belongs to a place on this machine: readable, and another for each place."""
    text = place if isinstance(place, str) else str(place.absolute())
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name_of(place)).strip("._")[:60] or "root"
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:12]}"


@contextmanager
def reaching(
    url: str, what: str, let: tuple[type[Exception], ...] = (FileNotFoundError, FileExistsError)
) -> Iterator[None]:
    """What goes wrong with a place as one line, `url: cannot be WHAT: …`; exceptions of `let` pass.

    File systems raise what the libraries below them do, so there is no telling the exceptions apart.
    """
    try:
        yield
    except (UserError, *let):
        raise
    except ImportError as error:
        raise UserError(
            f"{url}: needs another package ({error}); for s3, gs and https: pip install 'vemo[remote]'"
        ) from error
    except Exception as error:
        known = isinstance(error, (OSError, ValueError))
        raise UserError(
            f"{url}: cannot be {what}: {'' if known else f'{type(error).__name__}: '}{reason(error)}"
        ) from error


def reason(error: Exception) -> str:
    """What an exception says, in a line."""
    return " ".join(str(error).split()) or type(error).__name__


def open_place(url: str) -> tuple[Any, str]:
    """(fsspec's file system, the path in it); UserError where a package is missing."""
    from fsspec.core import url_to_fs

    with reaching(url, "opened"):
        return url_to_fs(url)


def list_folder(url: str) -> dict[str, int | None]:
    """Name → size of what lies directly in a folder (None: a folder below); {} where there is nothing."""
    files, path = open_place(url)
    try:
        with reaching(url, "listed"):
            files.invalidate_cache(path)
            entries = files.ls(path, detail=True)
    except FileNotFoundError:
        return {}
    below = path.rstrip("/") + "/"
    return {
        entry["name"].rstrip("/").removeprefix(below): entry["size"] if entry["type"] == "file" else None
        for entry in entries
        if entry["name"].startswith(below) and entry["name"] != below
    }


def list_tree(url: str) -> dict[str, tuple[int | None, str | None]]:
    """Path → (size, what changes when the file does) of every file below a folder, sorted.

    Raises UserError where there is none.
    """
    files, path = open_place(url)
    try:
        with reaching(url, "listed"):
            files.invalidate_cache(path)
            found = files.find(path, detail=True)
    except FileNotFoundError:
        found = {}
    below = path.rstrip("/") + "/"
    listed = {
        name.removeprefix(below): (info.get("size"), tag_of(info))
        for name, info in sorted(found.items())
        if name.startswith(below) and not name.endswith("/") and info.get("type", "file") == "file"
    }
    if not listed:
        raise UserError(f"{url}: no files below it")
    return listed


def tag_of(info: Mapping[str, Any]) -> str | None:
    """What changes when a file does: a checksum or a date, whatever its file system knows."""
    return next((f"{key} {info[key]}" for key in _TAGS if info.get(key)), None)


def read_many(url: str, sizes: Mapping[str, int | None]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of files below a folder, many at once; `sizes` as listed, None where unknown.

    Raises UserError for one that cannot be read or has another size.
    """
    files, path = open_place(url)
    names = [name for name, size in sizes.items() if size != 0]
    yield from ((name, b"") for name, size in sizes.items() if size == 0)  # no range holds nothing
    for batch in _batches(names, sizes):
        paths = [f"{path.rstrip('/')}/{name}" for name in batch]
        ends = [sizes[name] for name in batch]
        starts = [None if end is None else 0 for end in ends]
        with reaching(url, "read"):
            contents = files.cat_ranges(paths, starts, ends, on_error="return")
        for name, content in zip(batch, contents):
            with reaching(f"{url}/{name}", "read"):
                if isinstance(content, FileNotFoundError):
                    raise UserError(f"{url}/{name}: no such file, though it was listed")
                if isinstance(content, Exception):
                    raise content
                if sizes[name] not in (None, len(content)):
                    raise UserError(f"{url}/{name}: {len(content):,} bytes came of {sizes[name]:,}")
            yield name, content


def _batches(names: Sequence[str], sizes: Mapping[str, int | None]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for name in names:
        size = sizes[name] or 0
        if batch and (len(batch) == BATCH_FILES or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        yield batch


def read_ranges(url: str, starts: Sequence[int], ends: Sequence[int]) -> list[bytes]:
    """The bytes [start, end) of a file, for each of many; UserError where it cannot be read."""
    files, path = open_place(url)
    try:
        with reaching(url, "read"):
            found = files.cat_ranges([path] * len(starts), list(starts), list(ends), on_error="raise")
    except FileNotFoundError:
        raise UserError(f"{url}: no such file") from None
    if any(len(part) != end - start for part, start, end in zip(found, starts, ends)):
        raise UserError(f"{url}: shorter than it should be, or its server knows no ranges")
    return found


def write(url: str, content: bytes, new: bool = False) -> None:
    """Write a small file. `new`: FileExistsError where there is one, decided by the store where it can."""
    files, path = open_place(url)
    with reaching(url, "written"):
        if new:
            try:
                files.pipe_file(path, content, mode="create")
                return
            except FileExistsError:
                raise
            except Exception:  # a store that knows no conditions; what else is wrong, the next line will say
                pass
        try:
            files.pipe_file(path, content)
        except FileNotFoundError as error:  # no such bucket
            raise UserError(f"{url}: cannot be written: {reason(error)}") from error


def upload(source: Path, url: str) -> None:
    """Copy a whole local file to `url`; UserError unless as many bytes are there afterwards."""
    files, path = open_place(url)
    try:
        with reaching(url, "written"):
            files.put_file(str(source), path)
            there = files.info(path)["size"]
    except FileNotFoundError as error:  # no such bucket
        raise UserError(f"{url}: cannot be written: {reason(error)}") from error
    if there != source.stat().st_size:
        raise UserError(f"{url}: {there:,} of {source.stat().st_size:,} bytes arrived")


def remove(url: str) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    files, path = open_place(url)
    try:
        with reaching(url, "removed"):
            files.invalidate_cache(path)
            files.rm(path, recursive=True)
    except FileNotFoundError:
        return
