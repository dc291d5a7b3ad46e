"""Scenes out of doors that people made: fairs, fields, streets, ruins, graves."""

import math
from random import Random

from . import backdrop
from .backdrop import building, crowd, flags, ground, ridge, sky, tufts, wash
from .canvas import Pen
from .colour import Palette, mix, shade
from .objects import OBJECTS


def amusement_park(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.75, body=False)
    x, y, r = wide * rng.choice([0.27, 0.73]), 0.4, 0.31
    steel = mix(palette.stone, (255, 255, 255), 0.3)
    for side in (-1, 1):
        pen.line([(x, y), (x + side * 0.2, 0.8)], 0.025, steel, outline=True)
    for scale in (1.0, 0.86):
        ring = [
            (x + r * scale * math.cos(a), y + r * scale * math.sin(a))
            for a in (2 * math.pi * i / 32 for i in range(33))
        ]
        pen.line(ring, 0.014, steel, glow=True)
    for i in range(10):
        angle = 2 * math.pi * i / 10
        cx, cy = x + r * math.cos(angle), y + r * math.sin(angle)
        pen.line([(x, y), (cx, cy)], 0.008, steel)
        pen.oval(cx, cy + 0.03, 0.042, 0.042, palette.accent(i), volume=True)
    ground(pen, palette, 0.76, mix(palette.ground, (214, 190, 150), 0.5))
    for i, tx in enumerate((wide - x, wide - x + 0.34 * (1 if x > wide / 2 else -1) * -1)):
        _tent(pen.at(tx, 0.84, 0.42 - 0.08 * i), palette, i)
    flags(pen, palette, 0, 0.08, wide, 0.1, 14)


def _tent(pen: Pen, palette: Palette, shift: int) -> None:
    for i in range(6):
        colour = palette.accent(shift) if i % 2 else (250, 246, 238)
        a, b = -0.48 + 0.16 * i, -0.32 + 0.16 * i
        pen.shape([(a, 0), (b, 0), (b, -0.45), (a, -0.45)], colour)
        pen.shape([(a * 1.15, -0.45), (b * 1.15, -0.45), (0, -0.92)], colour)
    pen.line([(0, -0.92), (0, -1.1)], 0.02, (90, 80, 80))
    pen.shape([(0, -1.1), (0.16, -1.04), (0, -0.99)], palette.accent(shift + 2))


def playground(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.66)
    ridge(pen, rng, 0.66, 0.07, mix(palette.leaf, palette.sky_low, 0.3), 12, 0.1)
    ground(pen, palette, 0.68)
    swing = pen.at(wide * 0.24, 0.86, 0.62)
    for side in (-1, 1):
        swing.line([(side * 0.3, -0.95), (side * 0.42, 0)], 0.05, palette.accent(0), outline=True)
    swing.line([(-0.32, -0.95), (0.32, -0.95)], 0.05, palette.accent(0), outline=True)
    for x in (-0.14, 0.14):
        swing.line([(x - 0.05, -0.95), (x, -0.3)], 0.014, (80, 80, 84))
        swing.line([(x + 0.05, -0.95), (x + 0.1, -0.3)], 0.014, (80, 80, 84))
        swing.line([(x - 0.03, -0.29), (x + 0.13, -0.29)], 0.04, palette.accent(1), outline=True)
    slide = pen.at(wide * 0.8, 0.86, 0.6)
    for x in (0.16, 0.3):
        slide.line([(x, 0), (x, -0.9)], 0.04, palette.accent(2), outline=True)
    for i in range(5):
        slide.line([(0.16, -0.15 - 0.16 * i), (0.3, -0.15 - 0.16 * i)], 0.03, palette.accent(2))
    slide.line([(0.14, -0.84), (-0.2, -0.3), (-0.45, -0.06)], 0.13, palette.accent(3), outline=True)


def football_field(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.3, palette.sky_top, palette.sky_low)
    wash(pen, 0.2, 0.5, mix(palette.stone, (60, 60, 72), 0.4), palette.stone)
    for row in range(3):
        crowd(pen, palette, rng, 0.24 + 0.085 * row, 0.026, 0.4, dark=0.15)
    for x in (0.08, 0.92):
        pen.line([(x * wide, 0.34), (x * wide, 0.05)], 0.016, (150, 150, 158))
        for dx in (-0.045, 0, 0.045):
            pen.oval(x * wide + dx, 0.05, 0.02, 0.024, (255, 252, 226), glow=True)
    grass = mix((70, 150, 66), palette.leaf, 0.35)
    for i in range(6):
        y1, y2 = 0.5 + 0.5 * (i / 6) ** 1.5, 0.5 + 0.5 * ((i + 1) / 6) ** 1.5
        pen.box(-0.05, y1, wide + 0.05, y2 + 0.01, shade(grass, 0.08 if i % 2 else -0.06), outline=False)
        pen.line([(0, y1), (wide, y1)], 0.008, (240, 244, 238))
    for dx in (-0.5, 0.5):
        pen.line([(wide * (0.5 + dx * 0.6), 0.5), (wide * (0.5 + dx * 1.3), 1.02)], 0.012, (240, 244, 238))
    goal = pen.at(wide * rng.uniform(0.35, 0.65), 0.52, 0.4)
    goal.line([(0, 0), (0, -0.4)], 0.04, (240, 210, 70), outline=True)
    goal.line([(-0.4, -1), (-0.4, -0.4), (0.4, -0.4), (0.4, -1)], 0.04, (240, 210, 70), outline=True)


def raceway(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.4)
    for row in range(2):
        crowd(pen, palette, rng, 0.3 + 0.08 * row, 0.025, 0.3)
    wash(pen, 0.48, 1.01, shade(palette.stone, -0.3), shade(palette.stone, -0.45))
    for side in (-1, 1):
        for i in range(7):
            t1, t2 = (i / 7) ** 1.6, ((i + 1) / 7) ** 1.6
            x1, x2 = wide * (0.5 + side * (0.08 + 0.5 * t1)), wide * (0.5 + side * (0.08 + 0.5 * t2))
            w1, w2 = 0.012 + 0.06 * t1, 0.012 + 0.06 * t2
            y1, y2 = 0.48 + 0.53 * t1, 0.48 + 0.53 * t2
            pen.shape(
                [(x1 - w1, y1), (x1 + w1, y1), (x2 + w2, y2), (x2 - w2, y2)],
                (226, 60, 60) if i % 2 else (248, 246, 242),
                outline=False,
            )
    for row in range(3):
        for column in range(round(wide / 0.06) + 1):
            pen.box(
                column * 0.06,
                0.42 + 0.022 * row,
                column * 0.06 + 0.06,
                0.442 + 0.022 * row,
                (24, 24, 28) if (row + column) % 2 else (248, 248, 248),
                outline=False,
            )


def street(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.5, body=False)
    x = -0.05
    while x < wide:
        width = rng.uniform(0.16, 0.28)
        tone = mix(palette.wall, palette.accent(rng.randrange(6)), rng.uniform(0.1, 0.35))
        building(pen, rng, x, x + width, rng.uniform(0.08, 0.36), 0.74, shade(tone, -0.15))
        x += width + 0.01
    wash(pen, 0.74, 0.82, shade(palette.stone, 0.2), palette.stone)
    wash(pen, 0.82, 1.01, shade(palette.stone, -0.45), shade(palette.stone, -0.35))
    for i in range(5):
        pen.box(wide * (i + 0.1) / 5, 0.905, wide * (i + 0.55) / 5, 0.925, (236, 232, 216), outline=False)
    lamp = wide * rng.choice([0.12, 0.5, 0.88])
    pen.line([(lamp, 0.8), (lamp, 0.3), (lamp + 0.07, 0.28)], 0.014, (50, 50, 58))
    pen.oval(lamp + 0.08, 0.3, 0.03, 0.022, (255, 244, 190), glow=True)


def alley(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.7, palette.sky_top, palette.sky_low)
    brick = shade(mix((150, 84, 66), palette.wall, 0.3), -0.25)
    for side in (-1, 1):
        edge, inner = (0, wide * 0.36) if side < 0 else (wide, wide * 0.64)
        pen.shape(
            [(edge, -0.02), (inner, 0.14), (inner, 0.7), (edge, 1.02)],
            brick if side < 0 else shade(brick, -0.25),
        )
        for row in range(9):
            t = row / 9
            pen.line([(edge, t * 1.04), (inner, 0.14 + t * 0.56)], 0.006, shade(brick, -0.4))
        for i in range(2):
            x1, x2 = edge + (inner - edge) * (0.22 + 0.38 * i), edge + (inner - edge) * (0.42 + 0.34 * i)
            pen.shape(
                [(x1, 0.22 + 0.04 * i), (x2, 0.26 + 0.03 * i), (x2, 0.42), (x1, 0.44)],
                (250, 220, 130) if rng.random() < 0.3 else shade(brick, -0.6),
                glow=False,
            )
    pen.shape(
        [(wide * 0.36, 0.7), (wide * 0.64, 0.7), (wide + 0.02, 1.02), (-0.02, 1.02)],
        shade(palette.stone, -0.45),
        outline=False,
    )
    for x, y in ((0.3, 0.84), (0.62, 0.78), (0.5, 0.93)):
        pen.oval(wide * x, y, 0.09, 0.018, mix(palette.sky_low, palette.stone, 0.4), outline=False)
    OBJECTS["bin"].draw(pen.at(wide * rng.choice([0.2, 0.8]), 0.9, 0.28), palette, rng)


def landfill(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.6, mix(palette.sky_top, (140, 130, 90), 0.4), mix(palette.sky_low, (190, 180, 120), 0.4))
    muck = mix(palette.ground, (96, 84, 56), 0.6)
    ridge(pen, rng, 0.62, 0.22, shade(muck, 0.1), 14, 0.4)
    ridge(pen, rng, 0.8, 0.2, muck, 16, 0.5)
    for _ in range(46):
        x, y = rng.uniform(0, wide), rng.uniform(0.58, 1.0)
        size, kind = rng.uniform(0.02, 0.055), rng.randrange(4)
        bit = pen.at(x, y, size, rng.uniform(-60, 60))
        colour = mix(palette.accent(rng.randrange(6)), muck, 0.4)
        if kind == 0:
            bit.box(-0.6, -0.5, 0.6, 0.5, colour)
        elif kind == 1:
            bit.oval(0, 0, 1.0, 0.9, (44, 44, 50))
            bit.shape([(-0.3, -0.8), (0.3, -0.8), (0, -1.3)], (44, 44, 50))
        elif kind == 2:
            bit.box(-0.25, -1.0, 0.25, 0.6, (100, 150, 110))
            bit.box(-0.1, -1.4, 0.1, -1.0, (100, 150, 110))
        else:
            bit.shape([(-0.8, 0.3), (-0.2, -0.6), (0.7, -0.3), (0.5, 0.6)], (190, 170, 130))


def ruin(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.7)
    ground(pen, palette, 0.7)
    stone = palette.stone
    pen.shape(
        [
            (0.02, 0.8),
            (0.02, 0.32),
            (0.1, 0.26),
            (0.16, 0.36),
            (0.24, 0.3),
            (0.3, 0.48),
            (0.4, 0.52),
            (0.42, 0.8),
        ],
        stone,
        volume=True,
    )
    pen.shape([(0.12, 0.8), (0.12, 0.56), (0.19, 0.46), (0.26, 0.56), (0.26, 0.8)], shade(stone, -0.6))
    for i in range(4):
        x = wide * (0.5 + 0.14 * i)
        top = rng.uniform(0.16, 0.5)
        pen.box(x - 0.045, top, x + 0.045, 0.8, shade(stone, 0.08), volume=True)
        for dx in (-0.02, 0.015):
            pen.line([(x + dx, top + 0.03), (x + dx, 0.79)], 0.007, shade(stone, -0.25))
        if top < 0.34:
            pen.box(x - 0.065, top - 0.03, x + 0.065, top + 0.02, stone)
        else:
            pen.shape(
                [
                    (x - 0.045, top),
                    (x - 0.02, top - 0.05),
                    (x + 0.01, top - 0.01),
                    (x + 0.045, top - 0.04),
                    (x + 0.045, top + 0.01),
                ],
                shade(stone, 0.08),
            )
    for _ in range(10):
        block = pen.at(
            rng.uniform(0, wide), rng.uniform(0.78, 0.95), rng.uniform(0.03, 0.07), rng.uniform(-30, 30)
        )
        block.box(-0.7, -0.5, 0.7, 0.5, shade(stone, rng.uniform(-0.2, 0.1)))
    tufts(pen, rng, 0.8, palette.leaf, 8)


def cemetery(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.62)
    ridge(pen, rng, 0.62, 0.05, mix(palette.leaf, palette.sky_low, 0.5), 10, 0.2)
    ground(pen, palette, 0.62, mix(palette.ground, palette.leaf, 0.4))
    backdrop.bare_trunk(pen, rng, wide * rng.choice([0.1, 0.9]), 0.72, 0.6, shade(palette.wood, -0.5))
    for row in range(3):
        size = 0.15 + 0.085 * row
        for i in range(6 - row):
            x = wide * (i + 0.5 + rng.uniform(-0.2, 0.2)) / (6 - row)
            y = 0.7 + 0.115 * row
            if rng.random() < 0.36:
                cross = pen.at(x, y, size, rng.uniform(-7, 7))
                cross.line([(0, 0), (0, -1)], 0.14, shade(palette.stone, -0.1), outline=True)
                cross.line([(-0.28, -0.68), (0.28, -0.68)], 0.14, shade(palette.stone, -0.1), outline=True)
            else:
                OBJECTS["tombstone"].draw(pen.at(x, y, size, rng.uniform(-6, 6)), palette, rng)


def haunted_house(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.8)
    ridge(pen, rng, 0.86, 0.12, shade(palette.ground, -0.45), 8, 0.1)
    house = pen.at(wide * rng.uniform(0.3, 0.7), 0.84, 0.72)
    dark = mix(palette.wood, (36, 30, 44), 0.65)
    house.box(-0.34, -0.56, 0.34, 0, dark, volume=True)
    house.box(0.1, -0.84, 0.32, -0.5, dark, volume=True)
    house.shape([(-0.42, -0.54), (-0.1, -0.84), (0.18, -0.54)], shade(dark, -0.3))
    house.shape([(0.05, -0.82), (0.21, -1.12), (0.37, -0.82)], shade(dark, -0.3))
    for x, y in ((-0.2, -0.36), (0.06, -0.36), (0.21, -0.7), (-0.1, -0.64)):
        house.shape(
            [
                (x - 0.05, y + 0.1),
                (x - 0.05, y - 0.05),
                (x, y - 0.1),
                (x + 0.05, y - 0.05),
                (x + 0.05, y + 0.1),
            ],
            (240, 206, 90),
            glow=True,
        )
        house.line([(x, y + 0.1), (x, y - 0.1)], 0.014, dark)
    house.shape([(-0.08, 0), (-0.08, -0.16), (0, -0.22), (0.08, -0.16), (0.08, 0)], (18, 14, 18))
    for x in (0.08, 0.92):
        backdrop.bare_trunk(pen, rng, wide * x, 0.92, 0.6, (34, 26, 30))
    wash(pen, 0.93, 1.01, shade(palette.ground, -0.5), shade(palette.ground, -0.6))
    for i in range(round(wide / 0.07)):
        pen.line(
            [(i * 0.07 + 0.02, 0.98), (i * 0.07 + 0.02 + rng.uniform(-0.01, 0.01), 0.86)], 0.014, (30, 24, 28)
        )
