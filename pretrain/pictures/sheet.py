"""The page that every picture is drawn on: one width and margin, a title, bands and captions under them."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...evaluation.reports.colours import Anchors, colour
from ...foundation.files import write_atomically

Part = tuple[Sequence[Image.Image], str]  # bands, one above another, and the caption under them
WIDTH, MARGIN, GAP, ACROSS = 1200, 24, 8, 8
INNER = WIDTH - 2 * MARGIN
TILE = (INNER - (ACROSS - 1) * GAP) // ACROSS
PAPER, INK, FAINT = (252, 251, 248), (34, 34, 42), (112, 112, 122)
TITLE_SIZE, TEXT_SIZE, LINE = 24, 15, 20
NUMBERS = 28  # where a legend or a matrix begins: left of it is room for the numbers at its edge


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """`text` on one line in the letters of Pillow's built-in font: no accents, "?" for other scripts."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace").decode()


def blank(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), PAPER)


def tiles(images: Tensor, marks: Sequence[str] = ()) -> Image.Image:
    """A band of images at one size, `ACROSS` a line, from uint8 or float (0 to 1) [N, 3, S, S].

    marks: a word on each image ("": none), which is then dimmed.
    """
    lines = -(-len(images) // ACROSS)
    band = blank(INNER, lines * (TILE + GAP) - GAP)
    for place, picture in enumerate(images):
        tile = to_pillow(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)
        if place < len(marks) and marks[place]:
            tile = Image.blend(tile, blank(TILE, TILE), 0.6)
            draw = ImageDraw.Draw(tile)
            draw.rectangle((0, TILE - LINE - 4, TILE, TILE), fill=PAPER)
            draw.text(
                (TILE / 2, TILE - LINE / 2 - 2), marks[place], fill=INK, font=font(TEXT_SIZE), anchor="mm"
            )
        band.paste(tile, (place % ACROSS * (TILE + GAP), place // ACROSS * (TILE + GAP)))
    return band


def to_pillow(picture: Tensor) -> Image.Image:
    """[3, H, W], uint8 or float from 0 to 1 (what lies outside is clipped)."""
    picture = picture.detach().cpu()
    if picture.is_floating_point():
        picture = (picture.float().nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def legend(anchors: Anchors, low: float, high: float, says: str) -> Image.Image:
    """A bar of the colours from `low` to `high` with five numbers under it, and beside it what they are."""
    band, width, tall = blank(INNER, 40), 360, 14
    draw = ImageDraw.Draw(band)
    ramp = colour(torch.linspace(low, high, width).expand(tall, width), anchors, low, high)
    left = NUMBERS
    band.paste(to_pillow(ramp.permute(2, 0, 1)), (left, 0))
    for part in range(5):
        x = left + part * (width - 1) / 4
        draw.line((x, tall, x, tall + 4), fill=INK)
        value = low + (high - low) * part / 4
        draw.text((x, tall + 6), f"{value:.2f}", fill=INK, font=font(13), anchor="mt")
    draw.text((left + width + 36, tall / 2), says, fill=FAINT, font=font(TEXT_SIZE), anchor="lm")
    return band


def caption(text: str) -> Image.Image:
    """A band of one line, or as many as it takes."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if font(TEXT_SIZE).getlength(longer) <= INNER:
            lines[-1] = longer
        else:
            lines.append(word)
    band = blank(INNER, LINE * len(lines))
    draw = ImageDraw.Draw(band)
    for number, line in enumerate(lines):
        draw.text((0, number * LINE), line, fill=INK, font=font(TEXT_SIZE))
    return band


def write_sheet(path: Path, title: str, note: str, parts: Sequence[Part]) -> Path:
    """Write a PNG `WIDTH` pixels wide, whole or not at all: title, `note` opposite, then parts.

    Bands are at most `INNER` wide.
    """
    heights = [
        sum(band.height + GAP for band in bands) + caption(text).height + MARGIN for bands, text in parts
    ]
    page = blank(WIDTH, MARGIN + TITLE_SIZE + MARGIN + sum(heights))
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=font(TITLE_SIZE))
    draw.text((WIDTH - MARGIN, MARGIN + TITLE_SIZE), note, fill=FAINT, font=font(TEXT_SIZE), anchor="rs")
    y = MARGIN + TITLE_SIZE + MARGIN
    for bands, text in parts:
        for band in bands:
            page.paste(band, (MARGIN, y))
            y += band.height + GAP
        words = caption(text)
        page.paste(words, (MARGIN, y))
        y += words.height + MARGIN
    with write_atomically(path) as stream:
        page.save(stream, "PNG")
    return path
