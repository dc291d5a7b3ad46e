"""Objects that go with anger, disgust, fear and sadness; see `objects` for the frame."""

import math
from random import Random

from .canvas import Pen, bezier
from .colour import Palette, mix, shade


def boxing_gloves(pen: Pen, palette: Palette, rng: Random) -> None:
    red = rng.choice([(206, 40, 40), (40, 60, 170), (190, 50, 60)])
    for side in (-1, 1):
        glove = pen.at(side * 0.26, 0, 1, side * 8, flip=side < 0)
        glove.box(-0.17, -0.26, 0.17, 0, (240, 236, 226))
        glove.oval(0, -0.56, 0.25, 0.34, red, volume=True)
        glove.oval(-0.21, -0.46, 0.1, 0.19, shade(red, -0.1), volume=True)
        glove.line([(0.04, -0.82), (0.12, -0.7)], 0.03, shade(red, 0.4))


def sword(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.shape(
        [(-0.05, -0.26), (-0.05, -0.9), (0, -1.0), (0.05, -0.9), (0.05, -0.26)], (206, 212, 224), volume=True
    )
    pen.line([(0, -0.28), (0, -0.9)], 0.012, (130, 136, 150))
    pen.line([(-0.15, -0.25), (0.15, -0.25)], 0.06, (190, 150, 60), outline=True)
    pen.line([(0, -0.22), (0, -0.04)], 0.055, (90, 54, 34), outline=True)
    pen.oval(0, -0.02, 0.04, 0.04, (190, 150, 60))


def hammer(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.line([(0, 0), (0, -0.8)], 0.09, palette.wood, outline=True, volume=True)
    pen.shape(
        [(-0.28, -1), (0.2, -1), (0.28, -0.9), (0.28, -0.8), (0.2, -0.74), (-0.28, -0.74)],
        (120, 124, 134),
        volume=True,
    )


def tank(pen: Pen, palette: Palette, rng: Random) -> None:
    green = (104, 112, 76)
    pen.line([(0.1, -0.74), (0.86, -0.9)], 0.085, shade(green, -0.2), outline=True)
    pen.shape([(-0.3, -0.62), (-0.22, -0.92), (0.2, -0.92), (0.32, -0.62)], green, volume=True)
    pen.shape([(-0.78, -0.38), (-0.6, -0.64), (0.62, -0.64), (0.8, -0.38)], shade(green, -0.1), volume=True)
    pen.shape([(-0.82, -0.36), (0.82, -0.36), (0.62, 0), (-0.62, 0)], (54, 54, 52))
    for i in range(5):
        pen.oval(-0.52 + 0.26 * i, -0.17, 0.115, 0.115, (130, 130, 120))


def flames(pen: Pen, palette: Palette, rng: Random) -> None:
    for scale, colour in ((1.0, (226, 70, 30)), (0.7, (250, 150, 40)), (0.42, (255, 226, 110))):
        inner = pen.at(0, 0, scale)
        inner.shape(
            [
                (-0.34, 0),
                (-0.42, -0.3),
                (-0.28, -0.62),
                (-0.18, -0.4),
                (-0.04, -1.0),
                (0.14, -0.5),
                (0.28, -0.74),
                (0.42, -0.3),
                (0.34, 0),
            ],
            colour,
            outline=scale == 1.0,
            glow=True,
        )


def bin_(pen: Pen, palette: Palette, rng: Random) -> None:
    grey = rng.choice([(120, 130, 124), (96, 116, 90), (130, 124, 112)])
    for i in range(5):
        x, y = -0.22 + 0.11 * i, -0.74 - 0.08 * (i % 3)
        pen.oval(x, y, 0.14, 0.12, [(120, 100, 60), (90, 110, 50), (150, 140, 120)][i % 3])
    pen.shape([(-0.3, -0.7), (0.3, -0.7), (0.22, 0), (-0.22, 0)], grey, volume=True)
    for x in (-0.14, 0.0, 0.14):
        pen.line([(x, -0.62), (x * 0.8, -0.06)], 0.025, shade(grey, -0.3))
    pen.line([(-0.34, -0.7), (0.34, -0.7)], 0.07, shade(grey, -0.15), outline=True)
    slime = (130, 160, 40)
    pen.shape(
        [
            (-0.26, -0.72),
            (0.12, -0.72),
            (0.08, -0.5),
            (0.02, -0.66),
            (-0.06, -0.4),
            (-0.12, -0.64),
            (-0.2, -0.54),
        ],
        slime,
        glow=True,
    )
    _flies(pen, rng, 7, 0.42, -0.9)


def _flies(pen: Pen, rng: Random, count: int, spread: float, height: float) -> None:
    for _ in range(count):
        fly = pen.at(rng.uniform(-spread, spread), height + rng.uniform(-0.16, 0.22), 0.085)
        for side in (-1, 1):
            fly.oval(side * 0.4, -0.3, 0.42, 0.22, (214, 222, 230), outline=False, glow=True)
        fly.oval(0, 0, 0.3, 0.4, (24, 24, 26), outline=False, glow=True)


def toilet(pen: Pen, palette: Palette, rng: Random) -> None:
    white = (232, 232, 224)
    pen.box(-0.3, -1.0, 0.3, -0.52, white, volume=True)
    pen.shape(
        [(-0.2, 0), (0.2, 0), (0.15, -0.24), (0.34, -0.46), (-0.34, -0.46), (-0.15, -0.24)],
        white,
        volume=True,
    )
    pen.oval(0, -0.47, 0.37, 0.11, white)
    pen.oval(0, -0.47, 0.28, 0.075, (116, 120, 40))
    for x, y in ((-0.22, -0.3), (0.18, -0.18), (0.08, -0.84)):
        pen.oval(x, y, 0.06, 0.05, (126, 108, 50), outline=False)
    _flies(pen, rng, 4, 0.3, -0.7)


def cockroach(pen: Pen, palette: Palette, rng: Random) -> None:
    brown = rng.choice([(96, 50, 26), (70, 44, 30), (60, 66, 34)])
    for side in (-1, 1):
        for i in range(3):
            y = -0.62 + 0.17 * i
            pen.line(
                [(side * 0.15, y), (side * 0.42, y - 0.1 + 0.1 * i), (side * 0.5, y + 0.02 + 0.09 * i)],
                0.045,
                shade(brown, -0.35),
            )
        pen.curve((side * 0.06, -0.86), (side * 0.14, -1.05), (side * 0.42, -1.0), 0.025, shade(brown, -0.35))
    pen.oval(0, -0.42, 0.24, 0.4, brown, volume=True)
    pen.line([(0, -0.7), (0, -0.06)], 0.025, shade(brown, -0.4))
    for i in range(3):
        pen.line([(-0.2, -0.22 - 0.14 * i), (0.2, -0.22 - 0.14 * i)], 0.014, shade(brown, -0.3))
    pen.oval(0, -0.76, 0.17, 0.1, shade(brown, 0.12), volume=True)


def worm(pen: Pen, palette: Palette, rng: Random) -> None:
    apple = rng.choice([(140, 150, 50), (150, 96, 50)])
    pen.oval(0, -0.36, 0.42, 0.36, apple, volume=True)
    for x, y, r in ((-0.2, -0.4, 0.1), (0.12, -0.2, 0.07), (-0.05, -0.14, 0.05)):
        pen.oval(x, y, r, r * 0.8, shade(apple, -0.5), outline=False)
    pink = (226, 140, 130)
    points = [(0.16, -0.42), (0.24, -0.62), (0.12, -0.76), (0.2, -0.92), (0.36, -0.96)]
    pen.line(points, 0.12, pink, outline=True, volume=True)
    for x, y in points[1:4]:
        pen.line([(x - 0.05, y), (x + 0.05, y + 0.02)], 0.02, shade(pink, -0.3))
    pen.oval(0.38, -0.98, 0.02, 0.02, (30, 20, 20), glow=True)


def rotten_fish(pen: Pen, palette: Palette, rng: Random) -> None:
    flesh = (140, 160, 120)
    pen.shape([(0.34, -0.3), (0.66, -0.56), (0.6, -0.3), (0.66, -0.04)], flesh)
    pen.line([(-0.2, -0.3), (0.42, -0.3)], 0.045, (236, 232, 214), outline=True)
    for i in range(4):
        x = -0.06 + 0.12 * i
        pen.line([(x, -0.48), (x, -0.12)], 0.035, (236, 232, 214), outline=True)
    pen.shape(
        [
            *bezier((-0.14, -0.54), (-0.5, -0.56), (-0.66, -0.3)),
            *bezier((-0.66, -0.3), (-0.5, -0.04), (-0.14, -0.06)),
        ],
        flesh,
        volume=True,
    )
    pen.line([(-0.46, -0.42), (-0.36, -0.32)], 0.035, (30, 30, 30))
    pen.line([(-0.46, -0.32), (-0.36, -0.42)], 0.035, (30, 30, 30))
    for x in (-0.3, 0.05, 0.34):
        pen.line(
            [(x, -0.64), (x + 0.06, -0.74), (x - 0.05, -0.84), (x + 0.03, -0.96)],
            0.035,
            (150, 180, 60),
            glow=True,
        )
    _flies(pen, rng, 5, 0.5, -0.72)


def spider(pen: Pen, palette: Palette, rng: Random) -> None:
    black = (34, 30, 38)
    pen.line([(0, -1.6), (0, -0.7)], 0.014, (220, 220, 226), glow=True)
    for side in (-1, 1):
        for i, (ky, fy) in enumerate(((-0.92, -0.5), (-0.78, -0.26), (-0.62, -0.04), (-0.42, 0.06))):
            reach = 0.52 - 0.03 * i
            pen.line([(side * 0.12, -0.5), (side * reach * 0.75, ky), (side * reach, fy)], 0.05, black)
    pen.oval(0, -0.36, 0.26, 0.3, black, volume=True)
    pen.oval(0, -0.66, 0.16, 0.14, shade(black, 0.1), volume=True)
    pen.shape(
        [(-0.08, -0.46), (0.08, -0.46), (-0.08, -0.2), (0.08, -0.2)], (206, 30, 30), outline=False, glow=True
    )
    for side in (-1, 1):
        pen.oval(side * 0.06, -0.69, 0.035, 0.04, (240, 60, 50), outline=False, glow=True)


def snake(pen: Pen, palette: Palette, rng: Random) -> None:
    skin = rng.choice([(80, 130, 50), (150, 120, 40), (90, 90, 96)])
    for y, w in ((-0.08, 0.44), (-0.2, 0.34), (-0.31, 0.24)):
        pen.oval(0, y, w, 0.1, skin, volume=True)
    pen.line(
        [(0.1, -0.36), (0.22, -0.56), (-0.04, -0.7), (0.0, -0.86)], 0.15, skin, outline=True, volume=True
    )
    for x, y in ((0.16, -0.48), (0.1, -0.64), (-0.02, -0.76)):
        pen.line([(x - 0.05, y), (x + 0.05, y)], 0.04, shade(skin, -0.45))
    pen.oval(-0.06, -0.9, 0.19, 0.11, skin, volume=True)
    for x in (-0.12, 0.02):
        pen.oval(x, -0.93, 0.035, 0.035, (250, 220, 40), glow=True)
        pen.line([(x, -0.95), (x, -0.91)], 0.02, (20, 20, 20))
    pen.line([(-0.24, -0.88), (-0.38, -0.86), (-0.46, -0.92)], 0.022, (220, 40, 40), glow=True)
    pen.line([(-0.38, -0.86), (-0.46, -0.8)], 0.022, (220, 40, 40), glow=True)


def skull(pen: Pen, palette: Palette, rng: Random) -> None:
    bone = (232, 226, 206)
    pen.shape([(-0.24, -0.34), (0.24, -0.34), (0.2, -0.02), (-0.2, -0.02)], bone, volume=True)
    pen.oval(0, -0.62, 0.42, 0.38, bone, volume=True)
    for side in (-1, 1):
        pen.oval(side * 0.17, -0.56, 0.12, 0.13, (24, 18, 22), glow=True)
        pen.oval(side * 0.17, -0.54, 0.03, 0.03, (230, 60, 40), outline=False, glow=True)
    pen.shape([(0, -0.44), (0.06, -0.32), (-0.06, -0.32)], (24, 18, 22), glow=True)
    for i in range(5):
        pen.line([(-0.14 + 0.07 * i, -0.22), (-0.14 + 0.07 * i, -0.04)], 0.024, (70, 60, 56))


def ghost(pen: Pen, palette: Palette, rng: Random) -> None:
    pale = (226, 234, 244)
    hem = [(0.36 - 0.12 * i, 0.0 if i % 2 else -0.14) for i in range(7)]
    dome = [
        (0.36 * math.cos(a), -0.6 - 0.4 * math.sin(a)) for a in (math.pi * (1 - i / 12) for i in range(13))
    ]
    pen.shape([*dome, *hem], pale, volume=True)
    for side in (-1, 1):
        pen.oval(side * 0.14, -0.64, 0.075, 0.12, (20, 18, 30), glow=True)
    pen.oval(0, -0.38, 0.09, 0.14, (20, 18, 30), glow=True)


def bat(pen: Pen, palette: Palette, rng: Random) -> None:
    dark = (44, 36, 54)
    for side in (-1, 1):
        pen.shape(
            [
                (side * 0.06, -0.6),
                (side * 0.4, -0.9),
                (side * 0.86, -0.74),
                (side * 0.7, -0.5),
                (side * 0.56, -0.6),
                (side * 0.4, -0.36),
                (side * 0.26, -0.5),
                (side * 0.08, -0.3),
            ],
            dark,
        )
        pen.shape([(side * 0.04, -0.72), (side * 0.14, -0.94), (side * 0.16, -0.66)], dark)
    pen.oval(0, -0.5, 0.15, 0.24, shade(dark, 0.08), volume=True)
    for side in (-1, 1):
        pen.oval(side * 0.06, -0.6, 0.04, 0.04, (250, 210, 60), outline=False, glow=True)
        pen.shape(
            [(side * 0.02, -0.46), (side * 0.08, -0.46), (side * 0.05, -0.36)],
            (250, 250, 250),
            outline=False,
            glow=True,
        )


def shark(pen: Pen, palette: Palette, rng: Random) -> None:
    grey = (96, 112, 128)
    pen.shape(
        [*bezier((-0.7, 0), (-0.5, -0.9), (0.2, -0.96)), *bezier((0.2, -0.96), (0.62, -0.6), (0.7, 0))],
        grey,
        volume=True,
    )
    pen.shape(
        [*bezier((-0.3, -0.06), (0.1, -0.6), (0.5, -0.1)), (0.4, 0), (-0.2, 0)], (110, 20, 30), glow=True
    )
    for i in range(6):
        x = -0.16 + 0.12 * i
        y = -0.08 - 0.25 * math.sin((x + 0.3) / 0.8 * math.pi)
        pen.shape([(x - 0.06, y), (x + 0.06, y), (x, y + 0.13)], (255, 255, 250), outline=False, glow=True)
    pen.oval(0.06, -0.68, 0.05, 0.05, (16, 16, 20), glow=True)
    pen.line([(-0.06, -0.78), (0.12, -0.72)], 0.04, shade(grey, -0.5))


def coffin(pen: Pen, palette: Palette, rng: Random) -> None:
    wood = shade(palette.wood, -0.25)
    outer = [(-0.18, -1), (0.18, -1), (0.34, -0.68), (0.2, 0), (-0.2, 0), (-0.34, -0.68)]
    pen.shape(outer, wood, volume=True)
    pen.shape([(x * 0.82, -0.5 + (y + 0.5) * 0.9) for x, y in outer], shade(wood, 0.12))
    for a, b in (((0, -0.84), (0, -0.36)), ((-0.13, -0.68), (0.13, -0.68))):
        pen.line([a, b], 0.06, (220, 190, 110), glow=True)


def candle(pen: Pen, palette: Palette, rng: Random) -> None:
    for x, height in ((-0.26, 0.5), (0.0, 0.72), (0.26, 0.4)):
        pen.box(x - 0.1, -height, x + 0.1, 0, (238, 230, 206), volume=True)
        pen.line([(x, -height), (x, -height - 0.06)], 0.02, (40, 34, 30))
        pen.shape(
            [
                (x - 0.05, -height - 0.08),
                (x, -height - 0.26),
                (x + 0.05, -height - 0.08),
                (x, -height - 0.03),
            ],
            (255, 190, 60),
            outline=False,
            glow=True,
        )
    pen.oval(0, 0, 0.46, 0.05, shade(palette.wood, -0.2))


def tombstone(pen: Pen, palette: Palette, rng: Random) -> None:
    stone = palette.stone
    dome = [
        (0.34 * math.cos(a), -0.62 - 0.36 * math.sin(a)) for a in (math.pi * (1 - i / 10) for i in range(11))
    ]
    pen.shape([(-0.34, 0), *dome, (0.34, 0)], stone, volume=True)
    dark = shade(stone, -0.45)
    pen.line([(0, -0.84), (0, -0.52)], 0.05, dark)
    pen.line([(-0.11, -0.74), (0.11, -0.74)], 0.05, dark)
    for y in (-0.4, -0.28):
        pen.line([(-0.18, y), (0.18, y)], 0.035, dark)
    pen.oval(0, 0, 0.46, 0.06, shade(palette.leaf, -0.25))


def wilted_flower(pen: Pen, palette: Palette, rng: Random) -> None:
    stem, petal = (110, 116, 70), mix(palette.accent(0), (130, 110, 100), 0.55)
    pen.shape(
        [(-0.16, -0.4), (0.16, -0.4), (0.12, 0), (-0.12, 0)], shade(palette.accent(3), -0.2), volume=True
    )
    for side in (-1, 1):
        pen.line(
            [*bezier((0, -0.38), (side * 0.02, -1.06), (side * 0.28, -0.94)), (side * 0.38, -0.72)],
            0.035,
            stem,
        )
        for dx in (-0.09, 0.0, 0.09):
            pen.oval(side * 0.4 + dx, -0.6 + abs(dx), 0.05, 0.12, petal)
    pen.shape([(0.1, -0.5), (0.3, -0.42), (0.32, -0.34)], stem)
    for x in (-0.4, 0.3, 0.48):
        pen.oval(x, -0.02, 0.07, 0.025, petal)


def bare_tree(pen: Pen, palette: Palette, rng: Random) -> None:
    wood = shade(palette.wood, -0.35)

    def branch(x: float, y: float, angle: float, length: float, width: float, depth: int) -> None:
        x2, y2 = x + length * math.sin(angle), y - length * math.cos(angle)
        pen.line([(x, y), (x2, y2)], width, wood)
        if depth:
            for turn in (-0.55, 0.5):
                branch(x2, y2, angle + turn + rng.uniform(-0.2, 0.2), length * 0.68, width * 0.62, depth - 1)

    branch(0, 0, rng.uniform(-0.1, 0.1), 0.38, 0.09, 3)


def umbrella(pen: Pen, palette: Palette, rng: Random) -> None:
    colour = rng.choice([(50, 50, 58), shade(palette.accent(0), -0.2), shade(palette.accent(2), -0.3)])
    pen.line([(0, 0), (0, -0.9)], 0.035, (70, 60, 56))
    dome = [
        (0.62 * math.cos(a), -0.62 - 0.36 * math.sin(a)) for a in (math.pi * (1 - i / 14) for i in range(15))
    ]
    hem = [(0.62 - 0.155 * i, -0.62 - (0.05 if i % 2 else 0)) for i in range(1, 8)]
    pen.shape([*dome, *hem], colour, volume=True)
    for x in (-0.3, 0.0, 0.3):
        pen.curve((0, -0.97), (x * 0.8, -0.86), (x, -0.66), 0.014, shade(colour, -0.35))
