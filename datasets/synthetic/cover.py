"""Advertising covers: the frame, the title bars and the typographic blocks around a picture."""

import math
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFont

from .colour import Palette, luma, mix, shade

# Words that say nothing of an emotion.
TITLES = [
    "ISSUE",
    "NOW",
    "WEEKLY",
    "NO. 7",
    "TODAY",
    "FOCUS",
    "EDGE",
    "VOLUME",
    "PRIME",
    "URBAN",
    "MODE",
    "ATLAS",
]
LINES = [
    "new this month",
    "the 48 page guide",
    "all about it",
    "only here",
    "spring edition",
    "part two of five",
]
BADGES = ["NEW", "-20%", "2x1", "No1", "FREE"]


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 6))


def cover_margins(width: int, height: int, rng: Random) -> tuple[int, int, int, int]:
    """Left, top, right and bottom margins in pixels that the cover needs around its picture."""
    edge = round(height * rng.uniform(0.025, 0.045))
    bar = round(height * rng.uniform(0.16, 0.21))
    foot = round(height * rng.uniform(0.05, 0.08))
    if rng.random() < 0.65:
        return edge, bar, edge, foot
    return edge, foot, edge, bar


def lay_out_cover(
    picture: Image.Image,
    size: tuple[int, int],
    margins: tuple[int, int, int, int],
    palette: Palette,
    rng: Random,
) -> Image.Image:
    """The picture in its frame, with title, lines of text, a bar code and perhaps a badge."""
    width, height = size
    left, top, _, bottom = margins
    paper = rng.choice([palette.accent(0), palette.accent(3), (246, 244, 236), (34, 34, 44)])
    ink = (24, 24, 32) if luma(paper) > 130 else (250, 248, 240)
    accent = palette.accent(1)
    page = Image.new("RGB", size, paper)
    page.paste(picture, (left, top))
    draw = ImageDraw.Draw(page)
    above = top > bottom
    bar = (0, 0, width, top) if above else (0, height - bottom, width, height)
    depth = bar[3] - bar[1]
    if rng.random() < 0.5:
        draw.rectangle(bar, fill=mix(accent, paper, 0.15))
        ink = (24, 24, 32) if luma(accent) > 130 else (250, 248, 240)
    title, font = rng.choice(TITLES), _font(round(depth * 0.72))
    x = left + depth * 0.1
    draw.text((x, bar[1] + depth * 0.44), title, fill=ink, font=font, anchor="lm")
    end = x + draw.textlength(title, font=font) + depth * 0.25
    small = _font(round(depth * 0.24))
    for i in range(2):
        text = rng.choice(LINES)
        if end + draw.textlength(text, font=small) < width - left:
            draw.text((end, bar[1] + depth * (0.3 + 0.32 * i)), text, fill=ink, font=small, anchor="lm")
    strip_y, strip = (height - bottom, bottom) if above else (0, top)
    text, font = rng.choice(LINES).upper(), _font(round(strip * 0.7))
    draw.text((left * 1.6, strip_y + strip * 0.5), text, fill=shade(ink, 0.0), font=font, anchor="lm")
    _bar_code(draw, width - left - strip * 2.6, strip_y + strip * 0.15, strip * 2.4, strip * 0.7, rng)
    if rng.random() < 0.45:
        radius = height * rng.uniform(0.065, 0.085)
        _badge(draw, width - left - radius * 1.15, top + radius * 1.15, radius, palette.accent(4), rng)
    return page


def _bar_code(
    draw: ImageDraw.ImageDraw, x: float, y: float, width: float, height: float, rng: Random
) -> None:
    if height < 4:
        return
    draw.rectangle((x, y, x + width, y + height), fill=(250, 250, 250))
    position = x + 1
    while position < x + width - 1:
        thick = rng.choice([0, 0, 1])
        draw.rectangle((position, y + 1, position + thick, y + height - 1), fill=(16, 16, 16))
        position += thick + rng.choice([2, 2, 3])


def _badge(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int], rng: Random
) -> None:
    spikes = 24
    points = []
    for i in range(spikes):
        length = radius * (1.0 if i % 2 else 0.84)
        angle = 2 * math.pi * i / spikes
        points.append((x + length * math.cos(angle), y + length * math.sin(angle)))
    draw.polygon(points, fill=fill)
    ink = (20, 20, 28) if luma(fill) > 130 else (255, 255, 255)
    draw.text((x, y), rng.choice(BADGES), fill=ink, font=_font(round(radius * 0.62)), anchor="mm")
