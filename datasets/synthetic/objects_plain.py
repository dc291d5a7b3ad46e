"""Objects that go with no emotion, and things to hold; see `objects` for the frame."""

import math
from random import Random

from .canvas import Pen
from .colour import Palette, hsv, shade


def broom(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.line([(0, -0.25), (0, -1)], 0.05, palette.wood, outline=True)
    pen.shape([(-0.06, -0.28), (0.06, -0.28), (0.17, 0), (-0.17, 0)], (206, 166, 84), volume=True)


def balls(pen: Pen, palette: Palette, rng: Random) -> None:
    for i in range(5):
        angle = math.pi * (0.12 + 0.19 * i)
        pen.oval(
            0.5 * math.cos(angle), -0.42 - 0.5 * math.sin(angle), 0.115, 0.115, palette.accent(i), volume=True
        )


def tree(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.line([(0, 0), (0, -0.5)], 0.12, palette.wood, outline=True, volume=True)
    for x, y, r in ((-0.2, -0.55, 0.2), (0.2, -0.55, 0.2), (0, -0.76, 0.25)):
        pen.oval(x, y, r, r, palette.leaf, volume=True)


def house(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.box(-0.42, -0.58, 0.42, 0, palette.wall, volume=True)
    pen.shape([(-0.52, -0.56), (0, -1), (0.52, -0.56)], palette.accent(3), volume=True)
    pen.box(-0.09, -0.3, 0.09, 0, palette.wood)
    for x in (-0.26, 0.26):
        pen.box(x - 0.09, -0.46, x + 0.09, -0.28, (190, 216, 236), glow=True)


def car(pen: Pen, palette: Palette, rng: Random) -> None:
    paint = palette.accent(2)
    pen.shape([(-0.5, -0.5), (-0.3, -0.94), (0.34, -0.94), (0.6, -0.5)], paint, volume=True)
    pen.shape([(-0.38, -0.54), (-0.24, -0.84), (0.0, -0.84), (0.0, -0.54)], (190, 216, 236))
    pen.shape([(0.06, -0.54), (0.06, -0.84), (0.28, -0.84), (0.46, -0.54)], (190, 216, 236))
    pen.shape([(-0.86, -0.16), (-0.84, -0.5), (0.7, -0.54), (0.9, -0.4), (0.92, -0.16)], paint, volume=True)
    for x in (-0.5, 0.54):
        pen.oval(x, -0.17, 0.17, 0.17, (36, 36, 40))
        pen.oval(x, -0.17, 0.08, 0.08, (180, 180, 186))


def chair(pen: Pen, palette: Palette, rng: Random) -> None:
    for x in (-0.22, 0.22):
        pen.line([(x, 0), (x, -0.98)], 0.06, palette.wood, outline=True)
    pen.box(-0.22, -0.9, 0.22, -0.66, palette.wood, volume=True)
    pen.shape([(-0.28, -0.46), (0.28, -0.46), (0.34, -0.36), (-0.34, -0.36)], palette.accent(2), volume=True)
    for x in (-0.3, 0.3):
        pen.line([(x, 0.03), (x, -0.36)], 0.06, palette.wood, outline=True)


def dog(pen: Pen, palette: Palette, rng: Random) -> None:
    fur = rng.choice([(190, 140, 90), (90, 76, 66), (226, 214, 196)])
    pen.line([(0.34, -0.34), (0.52, -0.6)], 0.08, fur, outline=True)
    for x in (-0.2, -0.08, 0.18, 0.3):
        pen.line([(x, -0.3), (x, -0.03)], 0.1, fur, outline=True)
    pen.oval(0.06, -0.42, 0.36, 0.2, fur, volume=True)
    pen.oval(-0.28, -0.74, 0.22, 0.22, fur, volume=True)
    pen.oval(-0.42, -0.66, 0.14, 0.1, shade(fur, 0.25))
    pen.oval(-0.53, -0.7, 0.045, 0.04, (30, 26, 28), glow=True)
    pen.oval(-0.12, -0.72, 0.08, 0.18, shade(fur, -0.3))
    pen.oval(-0.33, -0.79, 0.03, 0.035, (24, 20, 22), glow=True)


def lamp(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.line([(0, 0), (0, -0.66)], 0.05, (80, 76, 80), outline=True)
    pen.oval(0, -0.02, 0.2, 0.04, (80, 76, 80))
    pen.shape(
        [(-0.18, -1), (0.18, -1), (0.32, -0.6), (-0.32, -0.6)],
        hsv(rng.uniform(0.08, 0.16), 0.45, 0.98),
        glow=True,
    )
