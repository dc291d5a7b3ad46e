"""Heads and faces whose expression can be read: brows, lids, eyes, nose, mouth, tears and sweat.

A head is drawn in its own frame: centre (0, 0), crown at y = -1, chin at y = 1.
"""

import math
from dataclasses import dataclass
from random import Random

from .canvas import Pen, bezier
from .colour import HAIRS, SKINS, Colour, hsv, mix, shade
from .expressions import Expression

LIPS: Colour = (172, 74, 74)
MOUTH: Colour = (92, 24, 32)
TEETH: Colour = (250, 248, 240)
TEAR: Colour = (130, 200, 250)


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks like; drawn without regard to the emotion."""

    skin: Colour
    hair: Colour
    hairdo: str
    beard: bool
    glasses: bool
    hat: Colour | None
    iris: Colour
    jaw: float


HAIRDOS = ["short", "short", "long", "long", "bob", "bun", "curly", "spiky", "bald", "hood"]


def make_look(rng: Random, fantastic: bool) -> Look:
    """A random person; `fantastic` allows the skins and hair of science fiction."""
    skin, hair = rng.choice(SKINS), rng.choice(HAIRS)
    if fantastic:
        skin = mix(skin, hsv(rng.random(), 0.5, 0.95), rng.choice([0.1, 0.35, 0.6]))
        hair = hsv(rng.random(), 0.65, 0.95)
    hairdo = rng.choice(HAIRDOS)
    return Look(
        skin=skin,
        hair=hair,
        hairdo=hairdo,
        beard=hairdo in ("short", "bald", "spiky") and rng.random() < 0.22,
        glasses=rng.random() < 0.07,
        hat=hsv(rng.random(), 0.6, 0.8) if hairdo != "hood" and rng.random() < 0.12 else None,
        iris=rng.choice([(70, 48, 36), (60, 100, 150), (70, 120, 80), (110, 80, 50), (90, 100, 110)]),
        jaw=rng.uniform(0.0, 0.14),
    )


def draw_head(pen: Pen, look: Look, expression: Expression, rng: Random) -> None:
    """Draw hair, face and expression in the frame described above."""
    skin = mix(look.skin, expression.tint, 0.16) if expression.tint else look.skin
    _hair_behind(pen, look)
    for side in (-1, 1):
        pen.oval(side * 0.76, 0.1, 0.13, 0.2, shade(skin, -0.08))
    pen.shape(_face_outline(look.jaw), skin, volume=True)
    if expression.blush:
        for side in (-1, 1):
            pen.oval(
                side * 0.48, 0.38, 0.17, 0.11, mix(skin, (236, 90, 90), 0.4 * expression.blush), outline=False
            )
    if look.beard:
        _beard(pen, look)
    ink = pen.canvas.contrast_ink(skin)
    for side in (-1, 1):
        _eye(pen.at(side * 0.34, 0.02, flip=side < 0), look, expression, skin, ink)
    _nose(pen, expression, skin, ink)
    _mouth(pen.at(0, 0.56), expression, skin, ink)
    for side in (-1, 1):
        _brow(pen.at(side * 0.34, -0.3, flip=side < 0), look, expression, ink)
    _hair_front(pen, look, rng)
    if look.glasses and not expression.tears:
        for side in (-1, 1):
            ring = [
                (side * 0.34 + 0.28 * math.cos(i * math.pi / 9), 0.03 + 0.26 * math.sin(i * math.pi / 9))
                for i in range(19)
            ]
            pen.line(ring, 0.04, mix(ink, skin, 0.25))
        pen.line([(-0.07, 0.0), (0.07, 0.0)], 0.05, ink)
    _water(pen, expression)


def _face_outline(jaw: float) -> list[tuple[float, float]]:
    points = []
    for i in range(32):
        angle = 2 * math.pi * i / 32
        x, y = math.cos(angle), math.sin(angle)
        width = 0.76 - (0.12 - jaw) * max(0.0, y) ** 1.5 - 0.03 * max(0.0, -y)
        points.append((width * math.copysign(abs(x) ** 0.86, x), 0.98 * y))
    return points


def _eye(pen: Pen, look: Look, face: Expression, skin: Colour, ink: Colour) -> None:
    """One eye; the outer corner is at +x."""
    if face.closed:
        bend = -0.22 if face.closed == "up" else 0.2
        pen.curve((-0.2, 0.04), (0.0, 0.04 + bend * 1.5), (0.2, 0.04), 0.095, ink)
        return
    rx, ry = 0.2 + 0.02 * (face.eyes - 1), 0.17 * face.eyes
    neon = pen.canvas.stroke.ink == "neon"
    pen.oval(0, 0, rx, ry, (255, 255, 252), outline=False, plain=True)
    radius = min(0.13 * face.pupil, ry * 0.95)
    y = face.gaze * 0.09
    pen.oval(0, y, radius, radius, look.iris, outline=False, plain=True)
    pen.oval(0, y, radius * 0.66, radius * 0.66, (16, 14, 18), outline=False, plain=True)
    pen.oval(
        -radius * 0.3,
        y - radius * 0.4,
        radius * 0.3,
        radius * 0.3,
        (255, 255, 255),
        outline=False,
        plain=True,
    )
    cover = pen.canvas.body(skin) if neon else skin
    inner, outer = -ry + 2 * ry * face.lid_inner, -ry + 2 * ry * face.lid_outer
    top = -ry - 0.08
    if face.lid_inner > 0.02 or face.lid_outer > 0.02:
        lid = [(-rx - 0.03, inner), (0, (inner + outer) / 2 - 0.03), (rx + 0.03, outer)]
        pen.shape([*lid, (rx + 0.03, top), (-rx - 0.03, top)], shade(cover, -0.06), outline=False, plain=True)
        pen.line(lid, 0.06, ink)
    else:
        pen.line(
            [(rx * math.cos(a), ry * math.sin(a)) for a in (math.pi * (1 + i / 10) for i in range(11))],
            0.05,
            ink,
        )
    if face.lower_lid > 0.02:
        level = ry - 2 * ry * face.lower_lid
        lid = [(-rx - 0.03, level + 0.03), (0, level), (rx + 0.03, level + 0.03)]
        pen.shape([*lid, (rx + 0.03, ry + 0.05), (-rx - 0.03, ry + 0.05)], cover, outline=False, plain=True)
        pen.line(lid, 0.04, ink)


def _brow(pen: Pen, look: Look, face: Expression, ink: Colour) -> None:
    """One brow as a tapering bar; the inner end is at -x."""
    inner, outer = (-0.23, -face.brow_inner), (0.27, -face.brow_outer + 0.04)
    middle = (0.04, (inner[1] + outer[1]) / 2 - face.brow_arch * 1.6)
    spine = bezier(inner, middle, outer, 7)
    colour = ink if pen.canvas.stroke.ink == "neon" else mix(look.hair, ink, 0.55)
    thick = [0.085, 0.09, 0.085, 0.08, 0.07, 0.05, 0.03]
    upper = [(x, y - t / 2) for (x, y), t in zip(spine, thick)]
    lower = [(x, y + t / 2) for (x, y), t in zip(spine, thick)]
    pen.shape([*upper, *reversed(lower)], colour, outline=False, plain=True)


def _nose(pen: Pen, face: Expression, skin: Colour, ink: Colour) -> None:
    tone = mix(shade(skin, -0.3), ink, 0.25)
    lift = 0.05 * min(face.wrinkles, 1.0)
    pen.curve((-0.02, 0.05), (0.17, 0.3 - lift), (-0.06, 0.3 - lift), 0.05, tone)
    if face.wrinkles > 0.5:
        for side in (-1, 1):
            pen.line([(side * 0.05, -0.22), (side * 0.07, -0.08)], 0.035, tone)
    if face.wrinkles > 1.0:
        for i in range(3):
            pen.curve((-0.13, 0.07 + i * 0.07), (0.0, 0.02 + i * 0.07), (0.13, 0.07 + i * 0.07), 0.03, tone)
        for side in (-1, 1):
            pen.curve((side * 0.17, 0.26), (side * 0.34, 0.34), (side * 0.44, 0.56), 0.035, tone)


def _mouth(pen: Pen, face: Expression, skin: Colour, ink: Colour) -> None:
    w, smile = face.width, face.smile
    left, right = (-w, -smile + face.skew), (w, -smile - face.skew)
    middle = smile * 0.55 - face.upper_lip
    count = 13

    def ripple(points: list[tuple[float, float]], sign: float) -> list[tuple[float, float]]:
        return [(x, y + sign * face.wavy * math.sin(i * 1.45)) for i, (x, y) in enumerate(points)]

    # A Bézier curve passes half-way to its bend: twice the distance puts the lip where it belongs.
    upper = ripple(bezier(left, (0, 2 * middle + smile), right, count), 1)
    if face.opening <= 0.01:
        pen.line(upper, 0.085, ink)
        if face.smile > 0:
            for side in (-1, 1):
                pen.curve(
                    (side * w * 1.0, -smile - 0.05),
                    (side * (w + 0.1), -smile),
                    (side * w * 1.02, -smile + 0.08),
                    0.04,
                    ink,
                )
        return
    upper = ripple(bezier(left, (0, 2 * (middle - face.opening * 0.3) + smile), right, count), 1)
    lower = ripple(bezier(left, (0, 2 * (middle + face.opening * 0.85) + smile), right, count), -1)
    pen.shape([*upper, *reversed(lower)], MOUTH, outline=False, plain=True)
    if face.tongue == 1:
        _between(pen, upper, lower, 0.62, 1.0, (222, 92, 96), trim=2)
    if face.teeth == "upper":
        _between(pen, upper, lower, 0.0, 0.34, TEETH, trim=1)
    elif face.teeth == "clenched":
        _between(pen, upper, lower, 0.08, 0.92, TEETH, trim=1)
        for i in (3, 5, 7, 9):
            pen.line([upper[i], lower[i]], 0.03, (120, 110, 110))
        pen.line(
            [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(upper[1:-1], lower[1:-1])],
            0.035,
            (120, 110, 110),
        )
    line = mix(ink, LIPS, 0.3) if pen.canvas.stroke.ink != "neon" else ink
    pen.line([*upper, *reversed(lower)], 0.065, line)
    if face.tongue == 2:
        x, y = 0.06, lower[count // 2][1] - 0.06
        pen.shape(
            [
                (x - 0.13, y),
                (x + 0.13, y),
                (x + 0.13, y + 0.2),
                (x + 0.06, y + 0.28),
                (x - 0.06, y + 0.28),
                (x - 0.13, y + 0.2),
            ],
            (226, 96, 110),
            plain=True,
        )
        pen.line([(x, y + 0.03), (x, y + 0.18)], 0.03, (160, 50, 66))


def _between(pen: Pen, upper: list, lower: list, start: float, end: float, fill: Colour, trim: int) -> None:
    """Fill the band between two shares of the way from the upper to the lower lip."""
    pairs = list(zip(upper, lower))[trim : len(upper) - trim]
    first = [(a[0] + (b[0] - a[0]) * start, a[1] + (b[1] - a[1]) * start) for a, b in pairs]
    last = [(a[0] + (b[0] - a[0]) * end, a[1] + (b[1] - a[1]) * end) for a, b in pairs]
    pen.shape([*first, *reversed(last)], fill, outline=False, plain=True)


def _drop(pen: Pen, x: float, y: float, size: float) -> None:
    points = [(0, -1.3)] + [
        (0.62 * math.cos(a), 0.1 + 0.62 * math.sin(a)) for a in (math.pi * (-0.05 + i / 7) for i in range(8))
    ]
    pen.at(x, y, size).shape(points, TEAR, outline=pen.canvas.stroke.ink != "darker", plain=True)


def _water(pen: Pen, face: Expression) -> None:
    for i in range(face.tears):
        side = 1 if i % 2 else -1
        if face.closed:  # weeping: streams
            pen.line([(side * 0.4, 0.12), (side * 0.46, 0.5 + 0.1 * (i // 2))], 0.1, TEAR, plain=True)
        else:
            _drop(pen, side * 0.4, 0.42 + 0.28 * (i % 2), 0.15)
    for i in range(face.sweat):
        _drop(pen, (-0.62, 0.66, 0.9)[i], (-0.42, -0.36, 0.06)[i], 0.13)


def _hair_behind(pen: Pen, look: Look) -> None:
    hair = shade(look.hair, -0.15)
    if look.hairdo == "long":
        pen.shape(
            [
                (-0.8, -0.4),
                (-0.5, -0.8),
                (0.5, -0.8),
                (0.8, -0.4),
                (1.0, 1.25),
                (0.6, 1.4),
                (-0.6, 1.4),
                (-1.0, 1.25),
            ],
            hair,
        )
    elif look.hairdo == "bob":
        pen.oval(0, -0.05, 0.98, 1.02, hair)
    elif look.hairdo == "bun":
        pen.oval(0, -1.18, 0.34, 0.32, look.hair, volume=True)
    elif look.hairdo == "curly":
        for i in range(11):
            angle = math.pi * (0.9 + 1.2 * i / 10)
            pen.oval(0.86 * math.cos(angle), 0.1 + 0.98 * math.sin(angle), 0.3, 0.3, hair)
    elif look.hairdo == "hood":
        pen.oval(0, 0.05, 1.08, 1.2, shade(look.hair, -0.05), volume=True)


def _hair_front(pen: Pen, look: Look, rng: Random) -> None:
    hair = look.hair
    part = rng.uniform(-0.45, 0.45)
    crown = [(math.cos(a) * 0.84, math.sin(a) * 1.08) for a in (math.pi * (1 + i / 12) for i in range(13))]
    if look.hairdo in ("short", "long", "bun"):
        fringe = [(0.72, -0.3), (0.5, -0.62), (part, -0.74), (-0.5, -0.6), (-0.72, -0.3)]
        pen.shape([*crown, *fringe], hair, volume=True)
    elif look.hairdo == "bob":
        pen.shape(
            [*crown, (0.86, 0.5), (0.66, 0.4), (0.62, -0.5), (-0.62, -0.5), (-0.66, 0.4), (-0.86, 0.5)],
            hair,
            volume=True,
        )
    elif look.hairdo == "curly":
        for i in range(6):
            pen.oval(-0.6 + 0.24 * i, -0.86 + 0.05 * abs(i - 2.5), 0.25, 0.22, hair)
    elif look.hairdo == "spiky":
        spikes = [(-0.8, -0.25)]
        for i in range(7):
            spikes += [(-0.86 + 0.27 * i, -1.28 + 0.1 * abs(i - 3)), (-0.68 + 0.25 * i, -0.78)]
        pen.shape([*spikes, (0.8, -0.25), (0.4, -0.62), (-0.4, -0.62)], hair)
    elif look.hairdo == "hood":
        rim = [
            (math.cos(a) * 0.86, math.sin(a) * 1.04)
            for a in (math.pi * (0.8 + 1.4 * i / 16) for i in range(17))
        ]
        pen.line(rim, 0.16, shade(hair, 0.15))
    if look.hat:
        pen.shape(
            [*[(x * 1.0, y * 1.06 - 0.03) for x, y in crown], (0.84, -0.5), (-0.84, -0.5)],
            look.hat,
            volume=True,
        )
        pen.box(-0.92, -0.58, 0.92, -0.44, shade(look.hat, -0.25))


def _beard(pen: Pen, look: Look) -> None:
    points = [(0.72 * math.cos(a), 0.1 + 0.92 * math.sin(a)) for a in (math.pi * i / 12 for i in range(13))]
    pen.shape(
        [*points, (-0.5, 0.34), (-0.3, 0.3), (0.3, 0.3), (0.5, 0.34)],
        mix(look.hair, look.skin, 0.12),
        outline=False,
    )
