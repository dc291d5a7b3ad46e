"""One picture's bytes: encoding, altered copies, and files broken on purpose."""

import io
from random import Random

from PIL import Image, ImageEnhance

from .plan import Slot


def encode(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def altered(image: Image.Image, rng: Random) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """A near duplicate: cropped a little, resized, brighter or darker; and its crop (left, top, scales)."""
    width, height = image.size
    left, top = rng.uniform(0, 0.03) * width, rng.uniform(0, 0.03) * height
    right, bottom = width * (1 - rng.uniform(0, 0.03)), height * (1 - rng.uniform(0, 0.03))
    factor = rng.uniform(0.85, 1.0)
    size = round(width * factor), round(height * factor)
    small = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    small = ImageEnhance.Brightness(small).enhance(rng.uniform(0.9, 1.1))
    return small, (left, top, size[0] / (right - left), size[1] / (bottom - top))


def moved_box(
    box: list[float], crop: tuple[float, float, float, float], size: tuple[int, int]
) -> list[float]:
    """A box of the original in the pixels of its altered copy."""
    left, top, across, down = crop
    x1, y1, x2, y2 = box
    return [
        round(min(max((x1 - left) * across, 0), size[0]), 1),
        round(min(max((y1 - top) * down, 0), size[1]), 1),
        round(min(max((x2 - left) * across, 0), size[0]), 1),
        round(min(max((y2 - top) * down, 0), size[1]), 1),
    ]


def broken(slot: Slot, data: bytes) -> bytes:
    """What is written instead of `data`, for a file that is to be broken."""
    if slot.broken == "truncated":
        return data[: len(data) // 2]
    if slot.broken == "zero_bytes":
        return b""
    if slot.broken == "wrong_extension":
        stream = io.BytesIO()
        decode(data).save(stream, "PNG")
        return stream.getvalue()
    return data
