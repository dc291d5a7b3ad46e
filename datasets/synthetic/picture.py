"""One picture: how a story is laid out and painted."""

from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from PIL import Image

from .air import AIRS
from .canvas import Canvas, Pen, Point
from .colour import Palette, make_palette
from .cover import cover_margins, lay_out_cover
from .cues import Cue
from .objects import OBJECTS
from .people import POSES, Hands, draw_person
from .scenes import SCENES
from .story import Person, Story
from .styles import STYLES, grade

Shown = TypeVar("Shown")
SHAPES = ((4, 3), (3, 4), (1, 1), (3, 2), (5, 4), (4, 5))  # width to height


@dataclass(slots=True)
class Picture:
    image: Image.Image
    people: list[tuple[Person, list[float]]] = field(default_factory=list)  # x1, y1, x2, y2 in pixels
    things: list[tuple[Cue, list[float]]] = field(default_factory=list)
    faces_large: bool = False  # some face is at least a quarter of the picture's height

    @property
    def persons(self) -> list[list[float]]:
        """The people's boxes."""
        return [box for _, box in self.people]


def paint(
    story: Story, long_side: int, grading: float = 1.0, shape: tuple[int, int] | None = None
) -> Picture:
    """Paint a story; `long_side` is the longer side in pixels, `shape` width to height (by lot if None)."""
    rng = Random(f"paint/{story.seed}")
    across, down = _shape(rng, story)
    across, down = shape or (across, down)
    width, height = round(long_side * across / max(across, down)), round(long_side * down / max(across, down))
    style = STYLES[story.style]
    palette = make_palette(rng, style.vivid)
    margins = (0, 0, 0, 0)
    if story.style == "advertising_cover":
        margins = cover_margins(width, height, rng)
    canvas = Canvas(width - margins[0] - margins[2], height - margins[1] - margins[3], style.stroke)
    pen = canvas.pen
    SCENES[story.scene.value].draw(pen, palette, rng)
    AIRS[story.air.value][0](canvas, palette, rng)
    style.background(canvas, palette, rng, story.shot == "portrait")
    people, things, large = _place(pen, story, palette, rng)
    AIRS[story.air.value][1](canvas, palette, rng)
    image = grade(style.finish(canvas.result(), canvas, rng), rng, grading, story.mood, style.dim)
    if any(margins):
        image = lay_out_cover(image, (width, height), margins, palette, rng)
    return Picture(image, _clipped(people, canvas, margins), _clipped(things, canvas, margins), large)


def _shape(rng: Random, story: Story) -> tuple[int, int]:
    wide = story.shot in ("group", "landscape")
    return rng.choice([shape for shape in SHAPES if shape[0] >= shape[1] or not wide])


def _clipped(
    boxed: list[tuple[Shown, list[float]]], canvas: Canvas, margins: tuple[int, int, int, int]
) -> list[tuple[Shown, list[float]]]:
    """What is inside the picture, with its box in pixels."""
    clipped = (
        (shown, _clip(box, canvas.height, canvas.width, canvas.height, margins[0], margins[1]))
        for shown, box in boxed
    )
    return [(shown, box) for shown, box in clipped if box]


def _clip(box: list[float], scale: int, width: int, height: int, left: int, top: int) -> list[float] | None:
    x1, y1 = max(0.0, box[0] * scale), max(0.0, box[1] * scale)
    x2, y2 = min(float(width), box[2] * scale), min(float(height), box[3] * scale)
    if x2 - x1 < 2 or y2 - y1 < 2:
        return None
    return [round(x1 + left, 1), round(y1 + top, 1), round(x2 + left, 1), round(y2 + top, 1)]


def _place(
    pen: Pen, story: Story, palette: Palette, rng: Random
) -> tuple[list[tuple[Person, list[float]]], list[tuple[Cue, list[float]]], bool]:
    """Put people and things into the scene; returns both with their boxes, and whether a face is large."""
    things: list[tuple[Cue, list[float]]] = []
    wide = pen.canvas.wide
    fantastic = story.style == "science_fiction"
    if story.shot == "still":
        count = len(story.objects)
        for i, cue in enumerate(story.objects):
            x = wide * ((i + 0.5) / count + rng.uniform(-0.04, 0.04))
            size = min(rng.uniform(0.58, 0.76), wide / count * 0.95 / OBJECTS[cue.value].breadth)
            things.append((cue, _thing(pen, cue.value, x, rng.uniform(0.9, 0.96), size, palette, rng)))
        return [], things, False
    places: list[
        tuple[float, float, float]
    ] = []  # x, height of a standing body, y of its crown (close) or feet
    large = False
    close = story.shot in ("portrait", "half")
    if close:
        head = rng.uniform(0.46, 0.64) if story.shot == "portrait" else rng.uniform(0.31, 0.4)
        head = min(head, wide * 0.62)
        large = head >= 0.25
        places = [(wide * rng.uniform(0.42, 0.58), head / 0.316, rng.uniform(0.08, 0.15))]
    elif story.shot == "full":
        places = [(wide * rng.uniform(0.42, 0.58), rng.uniform(0.76, 0.86), rng.uniform(0.93, 0.97))]
        large = places[0][1] * 0.316 >= 0.25
    elif story.shot == "group":
        count = len(story.people)
        places = [
            (
                wide * ((i + 0.5) / count + rng.uniform(-0.03, 0.03)),
                rng.uniform(0.6, 0.72),
                rng.uniform(0.9, 0.97),
            )
            for i in range(count)
        ]
    else:
        places = [
            (wide * rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.4), rng.uniform(0.88, 0.95))
            for _ in story.people
        ]
    centre = places[0][0] / wide if places else 0.5
    for i, cue in enumerate(story.objects):
        side = (-1 if centre > 0.5 else 1) * (1 if i % 2 == 0 else -1)
        x = wide * (0.5 + side * rng.uniform(0.3, 0.36))
        size = rng.uniform(0.36, 0.46) if story.shot != "landscape" else rng.uniform(0.3, 0.42)
        size = min(size, wide * 0.42 / OBJECTS[cue.value].breadth ** 0.5)
        things.append((cue, _thing(pen, cue.value, x, rng.uniform(0.88, 0.95), size, palette, rng)))
    people = []
    for person, (x, size, y) in sorted(zip(story.people, places), key=lambda pair: pair[1][2]):
        pose = POSES[person.pose.value]
        if not close and story.shot != "landscape":
            # Those who sit come nearer, those who leap keep their heads in the picture.
            size = min(size * (1 + pose.drop), 0.92 / (1.02 + pose.lift - pose.drop))
        feet = y + size * (1.02 - pose.drop - pose.sink) if close else min(y, 0.97)
        body = pen.at(x, feet, size, flip=rng.random() < 0.5)
        if not close:
            pen.canvas.shadow(x, feet, 0.24 * size, 0.05 * size)
        with pen.canvas.measured() as box:
            hands = draw_person(body, person.pose.value, person.face.value, palette, rng, fantastic)
        people.append((person, list(box)))
        if pose.holds:
            _hold(body, pose.holds, hands, palette, rng)
    return people, things, large


def _thing(
    pen: Pen, name: str, x: float, y: float, size: float, palette: Palette, rng: Random
) -> list[float]:
    """Draw it; returns its box in picture heights."""
    thing = OBJECTS[name]
    if thing.hangs:
        y -= rng.uniform(0.12, 0.3)
    else:
        pen.canvas.shadow(x, y, 0.5 * size * thing.breadth, 0.07 * size)
    with pen.canvas.measured() as box:
        thing.draw(pen.at(x, y, size, rng.uniform(-5, 5), flip=rng.random() < 0.5), palette, rng)
    return list(box)


def _hold(body: Pen, name: str, hands: Hands, palette: Palette, rng: Random) -> None:
    """Put an object into the hands of a body that has just been drawn."""
    left, right, chest = hands.left, hands.right, hands.chest
    between = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    if name == "gloves":
        for hand in (left, right):
            body.oval(hand[0], hand[1] - 0.01, 0.075, 0.07, (206, 44, 44), volume=True)
            body.line(
                [(hand[0] - 0.04, hand[1] + 0.05), (hand[0] + 0.04, hand[1] + 0.05)], 0.03, (244, 240, 232)
            )
        return
    if name == "snake":
        points = [
            (left[0] - 0.08, left[1] + 0.12),
            left,
            (chest[0] - 0.05, left[1] + 0.06),
            (chest[0] + 0.05, right[1] - 0.02),
            right,
            (right[0] + 0.1, right[1] - 0.08),
        ]
        body.line(points, 0.05, (90, 140, 60), outline=True, volume=True)
        body.oval(right[0] + 0.11, right[1] - 0.09, 0.045, 0.032, (90, 140, 60))
        body.oval(right[0] + 0.12, right[1] - 0.1, 0.01, 0.01, (250, 230, 60), glow=True)
        return
    foot = (hands.right_foot[0] + 0.12, hands.right_foot[1] - 0.02)
    at: dict[str, tuple[Point, float, float]] = {  # object: place, size, angle
        "balls": ((chest[0], -1.0), 0.34, 0),
        "ice_cream": ((right[0], right[1] + 0.02), 0.2, 0),
        "balloons": (right, 0.52, 8),
        "book": ((between[0], between[1] + 0.04), 0.2, 0),
        "cat": ((chest[0], chest[1] + 0.26), 0.3, 0),
        "foot_ball": (foot, 0.16, 0),
        "guitar": ((chest[0] + 0.13, chest[1] + 0.15), 0.58, -62),
        "microphone": ((right[0], right[1] + 0.06), 0.16, -24),
        "sword": ((right[0], right[1] + 0.06), 0.56, -28),
        "umbrella": ((right[0], right[1] + 0.1), 0.66, 4),
        "broom": ((right[0] + 0.02, 0.0), 0.5, 4),
    }
    (x, y), size, angle = at[name]
    OBJECTS[name].draw(body.at(x, y, size, angle), palette, rng)
