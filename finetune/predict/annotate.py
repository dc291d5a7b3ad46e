"""Boxes and labels drawn on a picture or on the frames of a video that were looked at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...foundation.errors import UserError
from ...foundation.files import PART_SUFFIX, write_atomically
from .config import PredictConfig
from .rows import Row
from .sources import PICTURES, VIDEOS, WEBCAM, Frame

Draw = Callable[[Frame, list[Row]], None]
PICTURE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
FILMS = (".mp4", ".mkv", ".mov")
TICKS = 90_000  # of a second, MPEG's own
INK, PAPER, DIM = (255, 255, 255), (20, 24, 38), (150, 150, 150)
# One colour a class in its order, far apart in hue; our choice.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#b39ddb")


@contextmanager
def open_annotation(config: PredictConfig) -> Iterator[Draw]:
    """What draws a frame's rows into `config.annotate`. A video has the frames that were looked at, each at
    its own time, and no sound."""
    place = config.annotate
    assert place is not None
    suffix = place.suffix.lower()
    if suffix in FILMS:
        with _film(place) as draw_frame:
            yield draw_frame
        return

    def draw(frame: Frame, rows: list[Row]) -> None:
        with write_atomically(place) as stream:
            drawn(frame, rows).save(stream, PICTURE_FORMATS[suffix], quality=92)

    yield draw


def check_annotation(config: PredictConfig) -> None:
    """Raises UserError where the one input, by its name, is not what `annotate` can hold."""
    place, source = config.annotate, config.paths[0]
    if place is None:
        return
    suffix = place.suffix.lower()
    if suffix not in PICTURE_FORMATS and suffix not in FILMS:
        raise UserError(f"{place}: name it {', '.join((*PICTURE_FORMATS, *FILMS))}")
    kind = "webcam" if source.startswith(WEBCAM) else Path(source).suffix.lower()
    wanted = {*VIDEOS, "webcam"} if suffix in FILMS else PICTURES
    if len(config.paths) > 1 or Path(source).is_dir() or kind not in wanted:
        raise UserError(f"{place}: annotate draws one picture into a picture, or one video into a video")


@contextmanager
def _film(place: Path) -> Iterator[Draw]:
    """Frames into a video beside `place`, renamed to it at the end, also of a run that is interrupted."""
    try:
        import av
    except ImportError:
        raise UserError(f"{place} needs PyAV: pip install 'vemo[video]'") from None
    part = place.with_name(place.name + PART_SUFFIX)
    name = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}[place.suffix.lower()]
    container: Any = av.open(str(part), "w", format=name)
    stream: Any = None
    last = -1

    def draw(frame: Frame, rows: list[Row]) -> None:
        nonlocal stream, last
        pixels = np.asarray(drawn(frame, rows))
        if stream is None:
            codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height = (side + side % 2 for side in pixels.shape[1::-1])
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, TICKS)
        canvas = np.zeros((stream.height, stream.width, 3), np.uint8)
        fitted = pixels[: stream.height, : stream.width]  # a film may change its size
        canvas[: fitted.shape[0], : fitted.shape[1]] = fitted
        picture = av.VideoFrame.from_ndarray(canvas, format="rgb24")
        last = max(last + 1, round((frame.time or 0) * TICKS))
        picture.pts, picture.time_base = last, Fraction(1, TICKS)
        container.mux(stream.encode(picture))

    try:
        yield draw
    finally:
        if stream is not None:
            container.mux(stream.encode(None))
        container.close()
        if stream is None:
            part.unlink(missing_ok=True)
        else:
            part.replace(place)


def drawn(frame: Frame, rows: list[Row]) -> Image.Image:
    """The frame with each face's box and what was said of it; without faces, a line at the top left."""
    assert frame.image is not None
    image = Image.fromarray(frame.image.permute(1, 2, 0).contiguous().numpy())
    canvas = ImageDraw.Draw(image)
    size = max(11, min(image.size) // 28)
    font = ImageFont.load_default(size)
    for row in rows:
        text, colour = _caption(row)
        if row.box is None:
            _label(canvas, (0, 0), text, colour, font, image.size)
            continue
        canvas.rectangle(row.box, outline=colour, width=max(1, size // 8))
        for x, y in row.landmarks or ():
            canvas.circle((x, y), max(1, size / 10), fill=colour)
        _label(canvas, (row.box[0], row.box[1] - size * 1.4), text, colour, font, image.size)
    return image


def _label(
    canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Any, font: Any, size: Any
) -> None:
    """Text on a dark ground with a coloured edge, moved into the picture where it would reach out of it."""
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    pad = max(2, round((bottom - top) * 0.3))
    wide, tall = right - left + 3 * pad, bottom - top + 2 * pad
    x = max(0, min(at[0], size[0] - wide))
    y = max(0, min(at[1], size[1] - tall))
    canvas.rectangle((x, y, x + wide, y + tall), fill=PAPER)
    canvas.rectangle((x, y, x + pad / 2, y + tall), fill=colour)
    canvas.text((x + 2 * pad - left, y + pad - top), text, fill=INK, font=font)


def _caption(row: Row) -> tuple[str, Any]:
    """What is written at a row, and its colour."""
    if not row.said:
        return row.status.replace("_", " "), DIM
    parts, colour = [f"#{row.track}"] if row.track is not None else [], None
    for said in row.said.values():
        if "class" not in said:
            parts.append(" ".join(f"{axis} {value:+.2f}" for axis, value in said.items()))
            continue
        parts.append(f"{said['class']} {said['confidence']:.0%}" + ("?" if said["abstain"] else ""))
        if colour is None:
            place = list(said["probabilities"]).index(said["class"])
            colour = DIM if said["abstain"] else COLOURS[place % len(COLOURS)]
    return " ".join(parts), colour or INK
