"""similarities.png: the student's similarities within a batch beside those of the teacher it follows."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from ...evaluation.reports.colours import DIVERGING, SEQUENTIAL, Anchors, colour, extent
from ..losses import profiles
from . import sheet
from .sheet import Part

COUNT = 32  # samples; with more, cells are too small to tell apart
SIDE = 528  # of a matrix at most, in pixels
SECOND = (sheet.INNER + 8) // 2  # where the second of two panels begins
LINE = 22  # of the list of sentences


def save_similarities(
    path: Path,
    student: Tensor,
    images: Tensor | None,
    texts: Tensor | None,
    sentences: Sequence[str],
    scenes: Tensor,
    center_rows: bool = True,
    token: str = "student",
    note: str = "",
) -> Path:
    """Write the picture of B ≤ `COUNT` samples, in the order of their sentences: what is alike lies together.

    Args:
        student: γ (or α), [B, D]. images: Ω, [B, D]. texts: Λ, [B, D], zeros where a sample has no sentence.
            What needs those that are None is left out.
        scenes: uint8 [B, 3, S, S], shown small beside their sentences.
        center_rows: subtract each row's mean from A and C, as the loss does.
        token: what the student's rows are, for the captions.
    """
    order = sorted(range(len(sentences)), key=lambda row: (not sentences[row], sentences[row], row))
    student, scenes = student.detach().float().cpu()[order], scenes.cpu()[order]
    parts: list[Part] = []
    if images is not None:
        images = images.detach().float().cpu()[order]
    if texts is not None:
        texts = texts.detach().float().cpu()[order]
        columns = texts.abs().amax(dim=1).nonzero()[:, 0]
        if len(columns):
            parts.append(
                _against_texts(token, student, images, texts[columns], columns.tolist(), center_rows)
            )
    if images is not None:
        parts.append(_against_images(token, student, images))
    listed, left_out = _without_opening([sheet.printable(sentences[row]) for row in order])
    text = "The samples by number, in the order of their sentences."
    if left_out:
        text += f' All of them begin with "{left_out}".'
    parts.append(([_sentences(listed, scenes)], text))
    return sheet.write_sheet(path, "Similarities within a batch", note, parts)


def _against_texts(
    token: str, student: Tensor, images: Tensor | None, texts: Tensor, columns: list[int], center_rows: bool
) -> Part:
    of_student, of_teacher = profiles(student, student if images is None else images, texts, center_rows)
    low, high = extent(of_student, of_teacher)
    centred = center_rows and len(texts) > 1
    if centred:
        low, high = -max(-low, high), max(-low, high)
    anchors = DIVERGING if centred else SEQUENTIAL
    scale = (anchors, low, high)
    panels = [_matrix(f"A: {token} x texts", of_student, columns, scale)]
    text = "Row: an image; column: a sentence; outlined: the image's own. "
    if images is not None:
        panels.append(_matrix("C: teacher x texts", of_teacher, columns, scale))
        alike = float(cosine_similarity(of_student, of_teacher, dim=1).mean())
        text += f"The closer A is to C, the better the student follows: mean cosine of the rows {alike:.2f}."
    says = "cosine minus its row's mean over these texts; the loss does so over the batch's"
    if not centred:
        says = "cosine, rows not centred"
    return [_beside(panels), sheet.legend(*scale, says)], text


def _against_images(token: str, student: Tensor, images: Tensor) -> Part:
    student, images = normalize(student, dim=1), normalize(images, dim=1)
    crossed, own = student @ images.T, images @ images.T
    scale = (SEQUENTIAL, *extent(crossed, own))
    everyone = list(range(len(images)))
    panels = [
        _matrix(f"{token} x teacher", crossed, everyone, scale),
        _matrix("teacher x teacher", own, everyone, scale),
    ]
    found = float((crossed.argmax(dim=1) == torch.arange(len(images))).float().mean())
    text = (
        "Row and column: an image; outlined: the same image. Were the student the teacher, the left would be "
        f"as the right. Now its mean at the same image is {float(crossed.diagonal().mean()):.2f}, and "
        f"{found:.0%} of its rows are highest there (by chance {1 / len(images):.0%})."
    )
    return [_beside(panels), sheet.legend(*scale, "cosine")], text


def _matrix(
    name: str, values: Tensor, columns: list[int], scale: tuple[Anchors, float, float]
) -> Image.Image:
    """A panel: rows 1 to B, columns numbered by the sample they are of, each sample's own cell outlined."""
    cell = SIDE // max(values.shape)
    rows, across = values.shape
    top = LINE + sheet.NUMBERS
    panel = sheet.blank(sheet.NUMBERS + SIDE, top + rows * cell)
    draw, small = ImageDraw.Draw(panel), sheet.font(min(11, max(7, cell - 3)))
    draw.text((sheet.NUMBERS, 0), name, fill=sheet.INK, font=sheet.font(sheet.TEXT_SIZE))
    grid = colour(values, *scale).permute(2, 0, 1)
    picture = sheet.to_pillow(grid).resize((across * cell, rows * cell), Image.Resampling.NEAREST)
    panel.paste(picture, (sheet.NUMBERS, top))
    for row in range(rows):
        place = (sheet.NUMBERS - 5, top + (row + 0.5) * cell)
        draw.text(place, str(row + 1), fill=sheet.FAINT, font=small, anchor="rm")
    for column, row in enumerate(columns):
        x, y = sheet.NUMBERS + column * cell, top + row * cell
        draw.text((x + cell / 2, top - 5), str(row + 1), fill=sheet.FAINT, font=small, anchor="mb")
        dark = grid[:, row, column].float().mean() < 128
        draw.rectangle((x, y, x + cell - 1, y + cell - 1), outline=sheet.PAPER if dark else sheet.INK)
    return panel


def _beside(panels: Sequence[Image.Image]) -> Image.Image:
    band = sheet.blank(sheet.INNER, max(panel.height for panel in panels))
    for place, panel in enumerate(panels):
        band.paste(panel, (place * SECOND, 0))
    return band


def _without_opening(sentences: list[str]) -> tuple[list[str], str]:
    """The sentences without the words that all of them begin with, and these words."""
    said = [sentence for sentence in sentences if sentence]
    words = zip(*(sentence.split()[:-1] for sentence in said)) if len(said) > 1 else ()
    opening = "".join(f"{same[0]} " for same in takewhile(lambda same: len(set(same)) == 1, words))
    if opening:
        sentences = [f"... {sentence.removeprefix(opening)}" if sentence else "" for sentence in sentences]
    return sentences, opening.strip()


def _sentences(sentences: Sequence[str], scenes: Tensor) -> Image.Image:
    """The samples in two columns: number, scene, and as much of the sentence as there is room for."""
    lines = -(-len(sentences) // 2)
    band, words = sheet.blank(sheet.INNER, lines * LINE), sheet.font(13)
    draw = ImageDraw.Draw(band)
    for place, sentence in enumerate(sentences):
        x, y = place // lines * SECOND, place % lines * LINE
        draw.text(
            (x + sheet.NUMBERS - 6, y + LINE / 2), str(place + 1), fill=sheet.FAINT, font=words, anchor="rm"
        )
        thumbnail = sheet.to_pillow(scenes[place]).resize((LINE - 2, LINE - 2), Image.Resampling.BICUBIC)
        band.paste(thumbnail, (x + sheet.NUMBERS, y))
        text, room = sentence or "(no sentence)", SECOND - sheet.NUMBERS - LINE - 24
        while words.getlength(text) > room:
            text = text[:-4].rstrip() + "..."
        draw.text((x + sheet.NUMBERS + LINE + 6, y + LINE / 2), text, fill=sheet.INK, font=words, anchor="lm")
    return band
