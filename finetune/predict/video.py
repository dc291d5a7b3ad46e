"""Frames of a video file (PyAV) or a camera (OpenCV), each with the time at which it is shown.

A video is decoded once from front to back and one frame is held at a time, so its length costs no memory.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...foundation.errors import UserError
from .sources import WEBCAM, Frame, Pace, name_of

SHORT = 0.5  # seconds that may be missing at the end before a video counts as cut off; our choice


def video_frames(file: Path, every: float | None) -> Iterator[Frame]:
    """The frames that are due, turned as the file says; a last one without an image where a part is missing.

    Pixels are taken as square. Times count from the container's start, as players count them. A file that is
    cut off is known by the length that its header states; where that states none (raw and transport streams),
    only by what cannot be decoded.
    """
    name = name_of(file)
    try:
        import av
    except ImportError:
        yield Frame(name, reason="videos need PyAV: pip install 'vemo[video]'")
        return
    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file stands in its rows
    try:
        container = av.open(str(file))
    except (av.FFmpegError, OSError, ValueError) as error:
        yield Frame(name, reason=f"no picture or video that can be opened ({_reason(error)})")
        return
    with container:
        if not container.streams.video:
            yield Frame(name, reason="holds no video")
            return
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        pace, film = Pace(every), _Film(container, stream)
        for number, frame in enumerate(film.frames(av.FFmpegError)):
            at = film.time(frame, number)
            if pace.due(at):
                yield Frame(name, number, at, _pixels(frame))
        if missing := film.missing():
            yield Frame(name, reason=missing, rest=film.decoded > 0)


class _Film:
    """What of a video has been decoded, and what could not be."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.container, self.stream = container, stream
        self.start = (container.start_time or 0) / 1e6
        rate = stream.average_rate or stream.guessed_rate
        self.step = float(1 / rate) if rate else 0.0
        self.decoded, self.end = 0, 0.0
        self.faults: list[str] = []

    def frames(self, fault: type[Exception]) -> Iterator[Any]:
        """What cannot be decoded is noted and passed over: the stream may go on behind it."""
        for packet in self._packets(fault):
            try:
                frames = self.stream.codec_context.decode(packet)
            except EOFError:  # flushed a second time
                return
            except (fault, ValueError) as error:
                self.faults.append(_reason(error))
                continue
            for frame in frames:
                self.decoded += 1
                if frame.is_corrupt:
                    self.faults.append("a frame of damaged data")
                yield frame

    def _packets(self, fault: type[Exception]) -> Iterator[Any]:
        try:
            yield from self.container.demux(self.stream)
        except (fault, OSError) as error:
            self.faults.append(_reason(error))
            yield None  # what the decoder still holds

    def time(self, frame: Any, number: int) -> float | None:
        """Seconds at which a frame is shown; from its number where the file has no times."""
        at = frame.time - self.start if frame.time is not None else number * self.step if self.step else None
        if at is not None:
            lasts = (frame.duration or 0) * float(frame.time_base or 0)
            self.end = max(self.end, at + (lasts or self.step))
        return at

    def missing(self) -> str | None:
        """What could not be decoded, in words; None where nothing is known to be missing."""
        if not self.decoded:
            return "no frame could be decoded" + (f" ({self.faults[0]})" if self.faults else "")
        stated = self._stated_end()
        if stated is not None and self.end < stated - SHORT:
            return f"ended early: after {self.end:.2f} of {stated:.2f} s"
        if self.faults:
            return f"{len(self.faults)} faults, the first: {self.faults[0]}"
        return None

    def _stated_end(self) -> float | None:
        """By the stream's own length, or by the file's where it is the only stream (sound may go on)."""
        if self.stream.duration is not None:
            first = self.stream.start_time or 0
            return float((first + self.stream.duration) * self.stream.time_base) - self.start
        length = self.container.duration
        return length / 1e6 if length is not None and len(self.container.streams) == 1 else None


def _pixels(frame: Any) -> Tensor:
    """uint8 RGB [3, H, W], turned and mirrored as the display matrix says (by quarters of a turn)."""
    pixels = frame.to_ndarray(format="rgb24")
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            pixels = displayed(pixels, np.frombuffer(bytes(data), "<i4"))
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def displayed(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[H, W, 3] as FFmpeg's display matrix (int32 [9]; x' = a·x + c·y, y' = b·x + d·y) shows it."""
    a, b, _, c, d = matrix[:5].astype(np.int64)
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def camera_frames(path: str, every: float | None) -> Iterator[Frame]:
    """What OpenCV's camera `webcam:NUMBER` shows, until it is interrupted."""
    number = path.removeprefix(WEBCAM)
    if not number.isdecimal():
        raise UserError(f"{path}: give the camera's number, {WEBCAM}0 for the first")
    try:
        import cv2
    except ImportError:
        raise UserError(f"{path} needs OpenCV: pip install 'vemo[detect]'") from None
    camera, pace, began = cv2.VideoCapture(int(number)), Pace(every), time.monotonic()
    try:
        if not camera.isOpened():
            raise UserError(f"{path}: OpenCV finds no such camera")
        count = 0
        while True:
            there, pixels = camera.read()
            at = time.monotonic() - began
            if not there:
                yield Frame(path, reason="the camera gives no more frames", rest=count > 0, live=True)
                return
            if pace.due(at):
                image = torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1])).permute(2, 0, 1)
                yield Frame(path, count, at, image, live=True)
            count += 1
    finally:
        camera.release()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0][:160] or type(error).__name__
