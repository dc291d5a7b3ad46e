"""One shard file: a plain ustar archive written front to back, its sha256 and its offset index.

Why not `tarfile` or webdataset's ShardWriter: a third of their cost, no PAX headers (2 KB a sample), nothing
that depends on the clock or the user, and offsets known as they are written. The result is an ordinary tar.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...foundation.files import PART_SUFFIX, fsync_folder, write_atomically

BLOCK = 512
MAX_NAME = 99  # ustar's name field is 100 bytes; with a final NUL every reader is happy
_TEMPLATE = bytearray(BLOCK)
_TEMPLATE[100:108] = b"0000644\0"  # mode
_TEMPLATE[108:124] = b"0000000\0" * 2  # uid, gid
_TEMPLATE[136:148] = b"00000000000\0"  # mtime
_TEMPLATE[148:156] = b" " * 8  # the checksum counts itself as blanks
_TEMPLATE[156:157] = b"0"  # a regular file
_TEMPLATE[257:265] = b"ustar\x0000"
_TEMPLATE[329:345] = b"0000000\0" * 2  # device numbers
_TEMPLATE_SUM = sum(_TEMPLATE)


def member_header(name: str, size: int) -> bytes:
    """The 512-byte ustar header of a regular file: fixed owner, mode 0644, mtime 0."""
    encoded, length = name.encode("ascii"), b"%011o" % size
    if len(encoded) > MAX_NAME or len(length) > 11:
        raise ValueError(f"member {name!r} of {size} bytes does not fit a ustar header")
    header = bytearray(_TEMPLATE)
    header[: len(encoded)] = encoded
    header[124:135] = length
    header[148:156] = b"%06o\0 " % (_TEMPLATE_SUM + sum(encoded) + sum(length))
    return bytes(header)


def parse_header(header: bytes) -> tuple[str, int] | None:
    """(name, size) of a header as `member_header` writes it, None for anything else."""
    name = header[: MAX_NAME + 1].rstrip(b"\0")
    try:
        size = int(header[124:135], 8)
        return (name.decode("ascii"), size) if header == member_header(name.decode("ascii"), size) else None
    except ValueError:
        return None


class TarShard:
    """Writes `path` by way of `path.part`; a context manager that leaves the whole shard or no part at all.

    `finish` makes both the tar and its index durable, in that order, and returns their figures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + PART_SUFFIX)
        self.index_path = index_path(path)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._offsets: list[tuple[int, int, int, int]] = []

    def __enter__(self) -> Self:
        self._stream = self.part.open("wb", buffering=2**20)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._stream.close()
        except OSError:
            if error is None:
                raise
        finally:
            self.part.unlink(missing_ok=True)  # after `finish` it is gone already

    def add(self, key: str, extension: str, image: bytes, record: bytes) -> None:
        """Append the members `key.extension` and `key.json`."""
        image_offset = self._member(f"{key}.{extension}", image)
        record_offset = self._member(f"{key}.json", record)
        self._offsets.append((image_offset, len(image), record_offset, len(record)))

    def finish(self) -> dict[str, Any]:
        """End the archive: fsync, rename, write the index; returns bytes, sha256, index_sha256, samples."""
        self._write(bytes(2 * BLOCK))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self.part.replace(self.path)
        fsync_folder(self.path.parent)
        buffer = io.BytesIO()
        np.save(buffer, np.array(self._offsets, dtype="<i8").reshape(-1, 4))
        with write_atomically(self.index_path) as stream:
            stream.write(buffer.getvalue())
        return {
            "samples": len(self._offsets),
            "bytes": self._size,
            "sha256": self._sha256.hexdigest(),
            "index_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        }

    def _member(self, name: str, data: bytes) -> int:
        self._write(member_header(name, len(data)))
        start = self._size
        self._write(data)
        self._write(bytes(-len(data) % BLOCK))
        return start

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._sha256.update(data)
        self._size += len(data)


def index_path(tar: Path) -> Path:
    """`train-00000.tar` → `train-00000.index.npy`: int64 [n, 4], data offset and size of image and record."""
    return tar.with_suffix(".index.npy")


def index_url(tar: str) -> str:
    """`index_path` of a tar behind a URL."""
    return f"{tar.removesuffix('.tar')}.index.npy"
