"""A contact sheet of the built-in dataset: a row for each emotion, a column for each style, labelled."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ...foundation.files import write_atomically
from .cues import EMOTIONS, CueStrengths
from .picture import paint
from .story import Story, tell_story
from .styles import STYLES

PAPER, INK = (252, 251, 248), (34, 34, 42)
SHAPE = (5, 4)  # of every picture on the sheet, so that they line up


def contact_sheet(
    seed: int = 0, across: int = 2, size: int = 128, cues: CueStrengths | None = None
) -> Image.Image:
    """Draw the sheet: `across` pictures for each emotion and style, `size` pixels each.

    They are clear examples: see `_clear_examples`. In the dataset itself more cues are silent or contradict.
    """
    gap, left, top = 6, 128, 44
    high = size * SHAPE[1] // SHAPE[0]
    cell = size + gap
    group = across * cell + 14
    sheet = Image.new("RGB", (left + len(STYLES) * group, top + len(EMOTIONS) * (high + gap) + gap), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, style in enumerate(STYLES):
        x = left + column * group + (across * cell - gap) / 2
        draw.text((x, top / 2), style.replace("_", " "), fill=INK, font=font, anchor="mm")
    for row, emotion in enumerate(EMOTIONS):
        draw.text((left - 12, top + row * (high + gap) + high / 2), emotion, fill=INK, font=font, anchor="rm")
        for column, style in enumerate(STYLES):
            stories = _clear_examples(
                f"sheet/{seed}/{emotion}", emotion, style, across, cues or CueStrengths()
            )
            for place, story in enumerate(stories):
                picture = paint(story, size, shape=SHAPE).image
                sheet.paste(picture, (left + column * group + place * cell, top + row * (high + gap)))
    return sheet


def _clear_examples(seed: str, emotion: str, style: str, count: int, cues: CueStrengths) -> list[Story]:
    """The first stories in which at most one cue is silent or contradicts; the first shows a person."""
    found: list[Story] = []
    for number in range(10_000):
        story = tell_story(f"{seed}/{number}", emotion, cues)
        shown = [
            story.scene,
            story.air,
            *story.objects,
            *(cue for p in story.people for cue in (p.face, p.pose)),
        ]
        silent = sum(cue.kind != "agrees" for cue in shown)
        if (
            story.style != style
            or silent > 1
            or (not found and story.shot not in ("portrait", "half", "full"))
        ):
            continue
        found.append(story)
        if len(found) == count:
            break
    return found


def write_contact_sheet(path: Path, seed: int = 0, quality: int = 68) -> None:
    """Write the sheet as a JPEG file."""
    stream = io.BytesIO()
    contact_sheet(seed).save(stream, "JPEG", quality=quality, optimize=True, progressive=True)
    with write_atomically(path) as file:
        file.write(stream.getvalue())


if __name__ == "__main__":  # python -m vemo.datasets.synthetic.contact_sheet docs/pictures/contact_sheet.jpg
    import sys

    write_contact_sheet(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
