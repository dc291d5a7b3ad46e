"""Files that are either whole or absent, their hashes, and folders that one process at a time works in."""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

PART_SUFFIX = ".part"


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for binary writing so that readers see the old file or the whole new one.

    Bytes go to `path.part`, are flushed to disk, and the part is renamed over `path` on success. On any
    exception the part is removed and the old file stays; after a power cut at most a `.part` is left.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        fsync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def fsync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` durable (a no-op where folders cannot be opened)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse; the rename itself has happened
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make `folder` and hold it against other processes that want it, too: they wait, and say so.

    It may be renamed or removed meanwhile: whoever waited for it then gets a new one.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # whoever held it has just removed it
            continue
        try:
            with suppress(OSError):  # a file system without locks
                _lock(descriptor, folder)
            if _is_still(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"vemo: waiting for another process at work in {folder}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_still(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically, with a final newline."""
    with write_atomically(path) as stream:
        stream.write(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """What `write_json` writes."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def append_json_line(path: Path, value: Any) -> None:
    """Append one JSON line and flush it to disk: the line is there whole or not counted.

    A line cut off by a crash is ended first, so that it cannot swallow this one (see `read_json_lines`).
    """
    line = json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    with path.open("ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                line = b"\n" + line
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a JSON-lines file; lines that a crash cut off are passed over."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        yield from _values(stream)


def parse_json_lines(content: bytes) -> Iterator[Any]:
    """As `read_json_lines`, of a file's content."""
    return _values(content.splitlines())


def _values(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def sha256_of(path: Path) -> str:
    """The lower-case hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
