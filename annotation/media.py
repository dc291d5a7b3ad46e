"""The images of shard sets as files, which the App needs: a cache that is addressed by content.

`FOLDER/ab/<sha256>.jpg` holds the stored bytes untouched; sets that hold the same image share its file. All
of it can be made again from the shards, so nothing here is flushed to disk or worth a backup.
"""

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ..datasets.readers import SampleError
from ..datasets.shards.images import image_kind
from ..foundation.errors import UserError
from ..foundation.files import PART_SUFFIX


class MediaCache:
    """Files of images, with a limit to all of them together (bytes)."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder.absolute(), limit
        self.bytes = sum(path.stat().st_size for path in self._files())

    def add(self, data: bytes, identifier: str) -> Path:
        """The file of an image, written if it is not there.

        Raises UserError: what `identifier` names is no image, or the cache is full.
        """
        digest = hashlib.sha256(data).hexdigest()
        try:
            path = self.folder / digest[:2] / f"{digest}.{image_kind(data)}"
        except SampleError as error:
            raise UserError(f"{identifier}: {error}; run `vemo shards verify`") from None
        if _is_whole(path, len(data)):
            return path
        if self.bytes + len(data) > self.limit:
            raise UserError(
                f"{self.folder}: the images do not fit into {self.limit / 1e9:g} GB; raise media_limit, show "
                "fewer (splits, limit), or remove other sets' images with --prune"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self.bytes += len(data)
        return path

    def prune(self, keep: Collection[str]) -> tuple[int, int]:
        """Remove every file but those whose paths are in `keep`; returns how many, and their bytes."""
        gone, freed = 0, 0
        for path in self._files():
            if str(path) not in keep:
                gone, freed = gone + 1, freed + path.stat().st_size
                path.unlink()
        self.bytes -= freed
        return gone, freed

    def _files(self) -> Iterator[Path]:
        # Only what could be ours: the folder is the user's choice.
        return (path for path in self.folder.glob("[0-9a-f][0-9a-f]/*") if len(path.name.split(".")[0]) == 64)


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
