"""Scenes under a roof, and the plain backdrop. Each fills the whole picture."""

import math
from random import Random

from .backdrop import crowd, flags, room, wash, window
from .canvas import Pen
from .colour import Palette, hsv, mix, shade
from .objects import OBJECTS


def stage(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.78, (26, 20, 40), mix(palette.accent(0), (30, 20, 44), 0.6))
    for i in range(5):  # beams of light
        x, colour = wide * (0.1 + 0.2 * i), palette.accent(i)
        foot = wide * rng.uniform(0.15, 0.85)
        pen.shape(
            [(x - 0.015, 0.06), (x + 0.015, 0.06), (foot + 0.16, 0.8), (foot - 0.16, 0.8)],
            mix(colour, (40, 30, 56), 0.5),
            outline=False,
        )
        pen.oval(x, 0.05, 0.035, 0.03, mix(colour, (255, 255, 255), 0.6), glow=True)
    for side, edge in ((-1, 0), (1, wide)):
        for k in range(3):
            x = edge - side * 0.055 * k
            pen.shape(
                [(x, 0), (x - side * 0.07, 0), (x - side * 0.05, 0.8), (x, 0.82)],
                shade(palette.accent(3), -0.15 - 0.12 * (k % 2)),
            )
    wash(pen, 0.78, 1.01, shade(palette.wood, 0.1), shade(palette.wood, -0.35))
    for side in (0.14, 0.86):
        box = pen.at(wide * side, 0.82, 0.3)
        box.box(-0.28, -1, 0.28, 0, (40, 40, 46), volume=True)
        for y, r in ((-0.7, 0.16), (-0.28, 0.2)):
            box.oval(0, y, r, r, (110, 110, 118))
            box.oval(0, y, r * 0.4, r * 0.4, (30, 30, 34))
    crowd(pen, palette, rng, 0.9, 0.045, 0.6, dark=0.75)


def boxing_ring(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.6, (34, 30, 42), mix(palette.stone, (40, 36, 50), 0.6))
    for row in range(2):
        crowd(pen, palette, rng, 0.3 + 0.1 * row, 0.035, 0.2, dark=0.6)
    for x in (0.3, 0.5, 0.7):
        pen.shape(
            [(wide * x - 0.03, 0.0), (wide * x + 0.03, 0.0), (wide * x + 0.2, 0.55), (wide * x - 0.2, 0.55)],
            mix((255, 246, 210), (60, 54, 64), 0.75),
            outline=False,
        )
    mat = mix(palette.wall, (220, 226, 236), 0.4)
    pen.shape([(0.06, 0.66), (wide - 0.06, 0.66), (wide + 0.1, 1.02), (-0.1, 1.02)], mat)
    for side, x in ((-1, 0.08), (1, wide - 0.08)):
        pen.box(
            x - 0.025, 0.3, x + 0.025, 0.7, palette.accent(0) if side < 0 else palette.accent(1), volume=True
        )
    for i, y in enumerate((0.38, 0.48, 0.58)):
        pen.line(
            [(0.08, y), (wide / 2, y + 0.012), (wide - 0.08, y)],
            0.014,
            [(226, 50, 50), (246, 246, 246), (50, 80, 200)][i],
        )


def kitchen(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.78, tiles=True)
    cupboard = mix(palette.wood, palette.accent(2), 0.3)
    window(pen, palette, wide * 0.4, 0.1, 0.26, 0.26)
    for x in (0.02, 0.72):
        for k in range(2):
            pen.box(wide * x + 0.17 * k, 0.06, wide * x + 0.16 + 0.17 * k, 0.32, cupboard, volume=True)
            pen.oval(wide * x + 0.03 + 0.17 * k, 0.27, 0.009, 0.009, (230, 226, 210), outline=False)
    pen.box(0, 0.52, wide * 0.62, 0.56, mix(palette.stone, (255, 255, 255), 0.4))
    for k in range(4):
        pen.box(
            wide * 0.155 * k, 0.56, wide * 0.155 * (k + 1) - 0.01, 0.84, shade(cupboard, -0.1), volume=True
        )
    pen.box(wide * 0.64, 0.5, wide * 0.86, 0.86, (226, 228, 230), volume=True)
    pen.box(wide * 0.67, 0.62, wide * 0.83, 0.78, (60, 56, 60))
    pot = pen.at(wide * 0.75, 0.5, 0.12)
    pot.box(-0.55, -0.8, 0.55, 0, (170, 60, 54), volume=True)
    pot.line([(-0.75, -0.55), (0.75, -0.55)], 0.12, (60, 50, 50))
    for i in range(3):  # plates piled up
        pen.oval(wide * 0.2, 0.51 - 0.018 * i, 0.07, 0.016, (240, 240, 236))


def bathroom(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.7, tiles=True)
    pen.box(wide * 0.4, 0.1, wide * 0.62, 0.38, mix(palette.sky_low, (255, 255, 255), 0.4), glow=True)
    basin = pen.at(wide * 0.51, 0.74, 0.3)
    basin.box(-0.08, -0.6, 0.08, 0, (226, 228, 226))
    basin.shape([(-0.42, -0.84), (0.42, -0.84), (0.26, -0.56), (-0.26, -0.56)], (240, 240, 238), volume=True)
    basin.line([(0, -0.86), (0, -1.04), (0.12, -1.04)], 0.05, (150, 154, 162))
    OBJECTS["toilet"].draw(pen.at(wide * 0.84, 0.86, 0.42), palette, rng)
    tub = pen.at(wide * 0.13, 0.86, 0.34)
    tub.shape([(-0.7, -0.74), (0.66, -0.74), (0.5, 0), (-0.54, 0)], (238, 238, 236), volume=True)
    tub.line([(-0.74, -0.74), (0.7, -0.74)], 0.1, (246, 246, 244), outline=True)
    for _ in range(9):  # stains
        x, y = rng.uniform(0, wide), rng.uniform(0.1, 0.95)
        pen.oval(
            x,
            y,
            rng.uniform(0.01, 0.035),
            rng.uniform(0.01, 0.03),
            mix(palette.wall, (110, 100, 40), 0.5),
            outline=False,
        )


def bedroom(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.68)
    window(pen, palette, wide * 0.08, 0.12, 0.26, 0.3)
    bed = pen.at(wide * 0.72, 0.94, 0.62)
    bed.box(-0.62, -0.9, 0.62, -0.2, palette.wood, volume=True)
    bed.box(-0.6, -0.42, 0.6, 0, mix(palette.accent(1), (255, 255, 255), 0.25), volume=True)
    for x in (-0.3, 0.3):
        bed.shape(
            [(x - 0.24, -0.62), (x + 0.24, -0.62), (x + 0.26, -0.36), (x - 0.26, -0.36)],
            (246, 244, 240),
            volume=True,
        )
    bed.box(-0.62, -0.3, 0.62, -0.02, palette.accent(1), volume=True)
    for y in (-0.22, -0.12):
        bed.line([(-0.58, y), (0.58, y)], 0.03, mix(palette.accent(1), (255, 255, 255), 0.4))
    OBJECTS["lamp"].draw(pen.at(wide * 0.36, 0.76, 0.26), palette, rng)


def living_room(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.7)
    window(pen, palette, wide * 0.62, 0.1, 0.3, 0.3)
    frame = pen.at(wide * 0.26, 0.32, 0.2)
    frame.box(-0.7, -0.9, 0.7, 0.1, palette.wood)
    frame.box(-0.6, -0.8, 0.6, 0.0, palette.sky_low)
    frame.shape([(-0.6, 0), (-0.2, -0.5), (0.1, -0.2), (0.3, -0.4), (0.6, 0)], palette.leaf)
    sofa = pen.at(wide * 0.45, 0.88, 0.4)
    colour = palette.accent(3)
    sofa.box(-0.8, -0.86, 0.8, -0.3, colour, volume=True)
    sofa.box(-0.74, -0.42, 0.74, -0.06, shade(colour, 0.12), volume=True)
    for side in (-1, 1):
        sofa.box(side * 0.86 - 0.13, -0.6, side * 0.86 + 0.13, 0, shade(colour, -0.1), volume=True)
    sofa.line([(0, -0.42), (0, -0.06)], 0.02, shade(colour, -0.3))
    OBJECTS["lamp"].draw(pen.at(wide * 0.06, 0.86, 0.5), palette, rng)
    plant = pen.at(wide * 0.95, 0.86, 0.34)
    plant.shape([(-0.2, -0.3), (0.2, -0.3), (0.15, 0), (-0.15, 0)], palette.accent(1))
    for i in range(5):
        plant.curve((0, -0.3), (-0.2 + 0.1 * i, -0.7), (-0.4 + 0.2 * i, -0.84), 0.08, palette.leaf)


def office(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.72)
    for k in range(3):
        pen.box(wide * (0.06 + 0.32 * k), 0.08, wide * (0.3 + 0.32 * k), 0.36, palette.sky_low, glow=True)
        for i in range(5):
            y = 0.1 + 0.055 * i
            pen.line(
                [(wide * (0.06 + 0.32 * k), y), (wide * (0.3 + 0.32 * k), y)],
                0.008,
                mix(palette.wall, (255, 255, 255), 0.5),
            )
    pen.box(wide * 0.1, 0.64, wide * 0.9, 0.68, palette.wood, volume=True)
    for x in (0.13, 0.87):
        pen.line([(wide * x, 0.68), (wide * x, 0.94)], 0.02, (80, 80, 86))
    for x in (0.28, 0.7):
        pen.box(wide * x - 0.1, 0.44, wide * x + 0.1, 0.6, (40, 42, 50))
        pen.box(
            wide * x - 0.085,
            0.455,
            wide * x + 0.085,
            0.58,
            mix(palette.accent(0), (255, 255, 255), 0.4),
            outline=False,
            glow=True,
        )
        pen.line([(wide * x, 0.6), (wide * x, 0.64)], 0.02, (60, 60, 66))
    for i in range(4):
        pen.box(wide * 0.46, 0.61 - 0.018 * i, wide * 0.54, 0.625 - 0.018 * i, (244, 242, 234))


def catacomb(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    stone = mix(palette.stone, (70, 60, 56), 0.4)
    wash(pen, 0, 1.01, shade(stone, -0.5), shade(stone, -0.6))
    for i in range(4):  # arches into the dark
        half, top, tone = wide * (0.56 - 0.125 * i), -0.06 + 0.13 * i, shade(stone, -0.08 - 0.19 * i)
        outer = [
            (wide / 2 + half * math.cos(a), top + half * 0.9 + half * 0.9 * math.sin(a))
            for a in (math.pi * (1 + k / 12) for k in range(13))
        ]
        base = 1.02 - 0.075 * i
        pen.shape([(wide / 2 - half, base), *outer, (wide / 2 + half, base)], tone)
    half = wide * 0.14
    pen.shape(
        [
            (wide / 2 - half, 0.76),
            (wide / 2 - half, 0.5),
            (wide / 2, 0.38),
            (wide / 2 + half, 0.5),
            (wide / 2 + half, 0.76),
        ],
        (14, 10, 14),
    )
    for x, y in ((0.07, 0.62), (0.93, 0.62), (0.16, 0.7), (0.84, 0.7)):
        OBJECTS["skull"].draw(pen.at(wide * x, y, 0.12), palette, rng)
    for x in (0.2, 0.8):
        OBJECTS["flames"].draw(pen.at(wide * x, 0.46, 0.1), palette, rng)
        pen.line([(wide * x, 0.46), (wide * x, 0.54)], 0.018, (60, 40, 30))


def party(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    room(pen, palette, rng, 0.74)
    for i in range(3):
        flags(pen, palette, wide * (i / 3), 0.06, wide * ((i + 1) / 3), 0.06, 6)
    for x in (0.1, 0.9):
        OBJECTS["balloons"].draw(pen.at(wide * x, 0.62, 0.46), palette, rng)
    pen.shape(
        [(wide * 0.26, 0.72), (wide * 0.74, 0.72), (wide * 0.78, 0.94), (wide * 0.22, 0.94)],
        mix(palette.accent(4), (255, 255, 255), 0.5),
        volume=True,
    )
    OBJECTS["cake"].draw(pen.at(wide * 0.5, 0.73, 0.26), palette, rng)


def plain(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    tone = rng.choice(
        [palette.wall, palette.accent(4), palette.sky_low, palette.stone, hsv(rng.random(), 0.25, 0.85)]
    )
    wash(pen, 0, 0.8, shade(tone, 0.12), shade(tone, -0.06))
    wash(pen, 0.8, 1.01, shade(tone, -0.16), shade(tone, -0.26))
    kind, line = rng.randrange(4), shade(tone, rng.choice([-0.1, 0.16]))
    if kind == 0:
        for i in range(round(wide / 0.12) + 2):
            pen.line([(i * 0.12, 0), (i * 0.12 - 0.2, 0.8)], 0.03, line)
    elif kind == 1:
        for _ in range(4):
            pen.oval(
                wide * rng.random(),
                rng.uniform(0.1, 0.7),
                r := rng.uniform(0.05, 0.16),
                r,
                line,
                outline=False,
            )
    elif kind == 2:
        pen.oval(wide / 2, 0.42, 0.4, 0.4, line, outline=False)
