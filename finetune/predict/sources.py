"""Pictures, videos and folders as frames, one at a time."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...datasets.readers.base import IMAGE_SUFFIXES
from ...datasets.stream.decode import DecodeError, decode
from ...foundation.errors import UserError

# What is a picture but not read here is tried all the same, so that it gets a row and is not passed over.
PICTURES = IMAGE_SUFFIXES | {".heic", ".heif", ".avif", ".jp2", ".jxl"}
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".mpg", ".mpeg"})
VIDEOS |= {".m2ts", ".mts", ".ts", ".3gp", ".ogv", ".mxf"}
WEBCAM = "webcam:"


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, or a frame of a video; or, with `image` None, why there is none.

    image: uint8 RGB [3, H, W] as it is displayed. number, time: see `Row`. live: rows are waited for.
    reason, without an image: what could not be read; `rest`: of the file's rest, not of all of it.
    """

    path: str
    number: int | None = None
    time: float | None = None
    image: Tensor | None = None
    reason: str | None = None
    rest: bool = False
    live: bool = False


def check(paths: tuple[str, ...]) -> None:
    """Raises UserError for the first path that does not exist."""
    for path in paths:
        if not path.startswith(WEBCAM) and not Path(path).exists():
            raise UserError(f"{path}: no such file or folder")


def frames_of(paths: tuple[str, ...], every: float | None) -> Iterator[Frame]:
    """The frames of all paths, in their order; a folder's pictures and videos at any depth, sorted by name.

    every: seconds between the frames of a video that are looked at; None: all of them. A file given by
    itself is read whatever it is called; in folders, what is called neither picture nor video is passed over.
    """
    from .video import camera_frames, video_frames

    for path in paths:
        if path.startswith(WEBCAM):
            yield from camera_frames(path, every)
            continue
        for file in _below(Path(path)):
            if file.suffix.lower() in VIDEOS:
                yield from video_frames(file, every)
            elif file.suffix.lower() in PICTURES:
                yield picture(file)
            else:
                found = picture(file)
                yield from video_frames(file, every) if found.image is None else (found,)


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, inner, files in os.walk(path):
        inner.sort()
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURES | VIDEOS:
                yield Path(folder, name)


def picture(file: Path) -> Frame:
    """A file's picture (of an animation the first), or why it cannot be decoded."""
    try:
        return Frame(name_of(file), image=decode(file.read_bytes()))
    except (DecodeError, OSError) as error:
        return Frame(name_of(file), reason=getattr(error, "strerror", None) or str(error))


def name_of(file: Path) -> str:
    """A path as text that can be written anywhere, whatever bytes its name is made of."""
    return os.fsencode(file).decode("utf-8", "replace")


class Pace:
    """Which frames are due: the first at or after each multiple of `every` seconds (None: all of them).

    So frames whose distances vary are taken by their times and not by their count. A frame without a time is
    always due.
    """

    def __init__(self, every: float | None) -> None:
        self.every, self.next = every, -math.inf

    def due(self, time: float | None) -> bool:
        if self.every is None or time is None:
            return True
        if time < self.next - 1e-6:
            return False
        self.next = (math.floor(time / self.every + 1e-6) + 1) * self.every
        return True
