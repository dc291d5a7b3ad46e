"""Scenes out of doors, without buildings. Every scene fills the whole picture."""

import math
from random import Random

from . import backdrop
from .backdrop import ground, ridge, sky, tufts, wash, waves
from .canvas import Pen
from .colour import Palette, mix, shade
from .objects import OBJECTS

SNOW = (240, 245, 250)


def beach(pen: Pen, palette: Palette, rng: Random) -> None:
    wide, horizon = pen.canvas.wide, rng.uniform(0.38, 0.5)
    sky(pen, palette, rng, horizon)
    wash(pen, horizon, 0.72, palette.water, mix(palette.water, (220, 240, 236), 0.4))
    for i in range(4):
        y = horizon + 0.05 + i * 0.05
        pen.line(
            [(wide * rng.random(), y), (wide * rng.random(), y + 0.004)],
            0.008,
            mix(palette.water, (255, 255, 255), 0.6),
        )
    sand = mix((236, 208, 150), palette.ground, 0.2)
    shore = [(wide * i / 8, 0.66 + 0.03 * math.sin(i * 1.3 + rng.random())) for i in range(9)]
    pen.line(shore, 0.03, (250, 252, 250))
    pen.shape([(0, 1.02), *shore, (wide, 1.02)], sand, outline=False)
    x = wide * rng.choice([0.12, 0.86])
    parasol = pen.at(x, 0.9, 0.5, rng.uniform(-14, 14))
    parasol.line([(0, 0), (0, -0.9)], 0.03, (230, 226, 214), outline=True)
    for i in range(4):
        a, b = -0.5 + 0.25 * i, -0.25 + 0.25 * i
        parasol.shape(
            [(a, -0.62), (b, -0.62), (b * 0.6, -0.82), (0, -0.98), (a * 0.6, -0.82)],
            palette.accent(i % 2),
            volume=False,
        )
    palm = pen.at(wide - x + rng.uniform(-0.1, 0.1), 0.78, 0.66)
    trunk = [(0, 0), (0.03, -0.4), (0.12, -0.8)]
    palm.line(trunk, 0.06, palette.wood, outline=True)
    for i in range(6):
        angle = math.pi * (0.95 + 0.22 * i)
        tip = (0.12 + 0.4 * math.cos(angle), -0.78 + 0.26 * math.sin(angle) + 0.1)
        palm.curve(
            (0.12, -0.8),
            (0.12 + 0.3 * math.cos(angle), -0.86 + 0.34 * math.sin(angle)),
            tip,
            0.055,
            shade(palette.leaf, 0.05 * (i % 3)),
            outline=True,
        )


def mountain_snowy(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.75)
    rock = mix(palette.stone, palette.sky_top, 0.3)
    ridge(pen, rng, 0.6, 0.14, mix(rock, palette.sky_low, 0.55), 10, 0.5)
    peaks = sorted(
        [(rng.uniform(0.2, 0.35), rng.uniform(0.08, 0.2)), (rng.uniform(0.62, 0.85), rng.uniform(0.16, 0.3))],
        key=lambda p: -p[1],
    )
    for px, top in peaks:
        x, half = px * wide, rng.uniform(0.5, 0.62) * (0.84 - top)
        pen.shape(
            [
                (x - half, 0.82),
                (x - half * 0.45, top + 0.36),
                (x, top),
                (x + half * 0.5, top + 0.32),
                (x + half, 0.82),
            ],
            rock,
        )
        pen.shape(
            [
                (x, top),
                (x + half * 0.5, top + 0.32),
                (x + half, 0.82),
                (x + half * 0.2, 0.82),
                (x + 0.04, top + 0.3),
            ],
            shade(rock, -0.25),
            outline=False,
        )
        cap = [
            (x, top),
            (x + half * 0.42, top + 0.27),
            (x + half * 0.24, top + 0.22),
            (x + half * 0.1, top + 0.31),
            (x - half * 0.06, top + 0.21),
            (x - half * 0.2, top + 0.3),
            (x - half * 0.39, top + 0.3),
        ]
        pen.shape(cap, SNOW, outline=False, glow=True)
    snow = mix(SNOW, palette.sky_low, 0.25)
    wash(pen, 0.8, 1.01, SNOW, snow)
    ridge(pen, rng, 0.84, 0.03, snow, 8, 0.2)
    for _ in range(7):
        x, y = rng.uniform(0, wide), rng.uniform(0.8, 0.92)
        backdrop.fir(pen, palette, x, y, rng.uniform(0.14, 0.24), snow=True)


def sky_scene(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 1.01, palette.sky_top, palette.sky_low)
    if rng.random() < 0.5:
        for i in range(5):  # a rainbow
            radius = 0.85 - 0.035 * i
            arc = [
                (wide * 0.5 + radius * math.cos(a), 1.0 + radius * 0.95 * math.sin(a))
                for a in (math.pi * (1 + k / 20) for k in range(21))
            ]
            pen.line(
                arc,
                0.036,
                [(226, 70, 70), (240, 160, 60), (240, 226, 90), (90, 190, 110), (90, 120, 220)][i],
                glow=True,
            )
    else:
        x, y = wide * rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.5)
        pale = mix(palette.sky_low, (255, 252, 226), 0.7)
        for i in range(14):  # rays from behind a cloud
            angle = 2 * math.pi * (i + rng.uniform(-0.2, 0.2)) / 14
            pen.shape(
                [
                    (x, y),
                    (x + 1.6 * math.cos(angle - 0.09), y + 1.6 * math.sin(angle - 0.09)),
                    (x + 1.6 * math.cos(angle + 0.09), y + 1.6 * math.sin(angle + 0.09)),
                ],
                mix(palette.sky_low, pale, 0.5),
                outline=False,
            )
        pen.oval(x, y, 0.12, 0.12, pale, glow=True)
    white = mix(palette.sky_low, (255, 255, 255), 0.6)
    for _ in range(6):
        backdrop.cloud(pen, rng.uniform(0, wide), rng.uniform(0.1, 0.7), rng.uniform(0.06, 0.14), white)
    for i in range(7):
        backdrop.cloud(
            pen, wide * i / 6, rng.uniform(0.86, 0.98), rng.uniform(0.14, 0.2), shade(white, -0.04 * (i % 3))
        )


def waterfall(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.4)
    rock = palette.stone
    x1, x2 = wide * 0.36, wide * 0.64
    for side, edge in ((-1, x1), (1, x2)):
        far = -0.1 if side < 0 else wide + 0.1
        pen.shape(
            [
                (far, 0.16),
                (edge - side * -0.18, 0.13),
                (edge, 0.18),
                (edge - side * 0.02, 0.5),
                (edge + side * 0.03, 0.86),
                (far, 0.9),
            ],
            rock,
            volume=True,
        )
        for _ in range(6):
            x, y = edge + side * rng.uniform(0.08, 0.4), rng.uniform(0.25, 0.75)
            pen.line([(x, y), (x + rng.uniform(-0.06, 0.06), y + 0.1)], 0.012, shade(rock, -0.3))
        for _ in range(4):
            backdrop.fir(pen, palette, edge + side * rng.uniform(0.06, 0.5), 0.19, rng.uniform(0.12, 0.2))
    fall = mix(palette.water, (245, 250, 255), 0.7)
    pen.shape([(x1, 0.18), (x2, 0.18), (x2 + 0.02, 0.8), (x1 - 0.02, 0.8)], fall, glow=True)
    for _ in range(16):
        x = rng.uniform(x1 + 0.01, x2 - 0.01)
        pen.line(
            [(x, rng.uniform(0.18, 0.4)), (x, rng.uniform(0.5, 0.8))],
            0.008,
            rng.choice([palette.water, (255, 255, 255)]),
        )
    wash(pen, 0.82, 1.01, palette.water, shade(palette.water, -0.2))
    for i in range(9):
        pen.oval(
            x1 - 0.1 + (x2 - x1 + 0.2) * i / 8, 0.82, 0.06, 0.035, (246, 250, 252), outline=False, glow=True
        )


def canyon(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.5)
    rock = mix((204, 116, 70), palette.accent(0), 0.25)
    for depth in range(3):
        tone = mix(rock, palette.sky_low, 0.6 - 0.25 * depth)
        top, x = 0.34 + 0.1 * depth, -0.1
        points = [(-0.1, 1.02)]
        while x < wide + 0.1:  # tables of rock with steep sides
            width, level = rng.uniform(0.15, 0.35), top + rng.uniform(0, 0.16)
            points += [(x, level), (x + width, level)]
            x += width + rng.uniform(0.0, 0.06)
        points.append((wide + 0.1, 1.02))
        pen.shape(points, tone)
        for k in range(3):
            y = top + 0.22 + 0.08 * k
            pen.line(
                [(-0.1, y), (wide * 0.5, y + rng.uniform(-0.02, 0.02)), (wide + 0.1, y)],
                0.014,
                shade(tone, -0.14),
            )
    pen.shape(
        [(-0.1, 0.82), (wide * 0.4, 0.86), (wide + 0.1, 0.8), (wide + 0.1, 1.02), (-0.1, 1.02)],
        shade(rock, -0.3),
    )


def ocean(pen: Pen, palette: Palette, rng: Random) -> None:
    horizon = rng.uniform(0.4, 0.55)
    sky(pen, palette, rng, horizon)
    wash(pen, horizon, 1.01, palette.water, shade(palette.water, -0.25))
    waves(pen, rng, horizon + 0.08, 0.98, palette.water, rng.uniform(0.015, 0.03), 5)
    if rng.random() < 0.6:
        _boat(pen, palette, pen.canvas.wide * rng.uniform(0.25, 0.75), horizon + 0.1, 0.22, 0)


def storm_sea(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    dark = mix(palette.sky_top, (40, 42, 56), 0.5)
    wash(pen, 0, 0.6, shade(dark, -0.2), mix(dark, palette.sky_low, 0.3))
    for _ in range(7):
        backdrop.cloud(
            pen,
            rng.uniform(0, wide),
            rng.uniform(0.02, 0.22),
            rng.uniform(0.1, 0.18),
            shade(dark, rng.uniform(-0.1, 0.15)),
        )
    water = mix(palette.water, (40, 60, 80), 0.4)
    waves(pen, rng, 0.55, 0.7, water, 0.16, 2)
    _boat(pen, palette, wide * rng.uniform(0.3, 0.7), 0.66, 0.3, rng.choice([-26, 26]))
    waves(pen, rng, 0.74, 1.0, water, 0.24, 3)


def _boat(pen: Pen, palette: Palette, x: float, y: float, size: float, angle: float) -> None:
    boat = pen.at(x, y, size, angle)
    boat.line([(0, -0.2), (0, -1)], 0.04, palette.wood)
    boat.shape([(0.04, -0.96), (0.4, -0.3), (0.04, -0.3)], (250, 246, 236))
    boat.shape([(-0.04, -0.86), (-0.3, -0.3), (-0.04, -0.3)], palette.accent(0))
    boat.shape([(-0.5, -0.22), (0.54, -0.22), (0.36, 0.04), (-0.36, 0.04)], palette.wood)


def forest_path(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.7, mix(palette.sky_low, palette.leaf, 0.35), mix(palette.sky_low, palette.leaf, 0.15))
    ground(pen, palette, 0.62, mix(palette.ground, palette.leaf, 0.4))
    path = mix(palette.ground, (206, 176, 130), 0.6)
    pen.shape(
        [(wide * 0.47, 0.62), (wide * 0.53, 0.62), (wide * 0.8, 1.02), (wide * 0.2, 1.02)],
        path,
        outline=False,
    )
    for depth in range(3):
        for _ in range(5 - depth):
            side = rng.choice([-1, 1])
            x = wide * (0.5 + side * rng.uniform(0.1 + 0.09 * depth, 0.55))
            height, base = 0.55 + 0.2 * depth, 0.64 + 0.1 * depth
            backdrop.round_tree(pen, palette, rng, x, base, height)
    tufts(pen, rng, 0.75, shade(palette.leaf, -0.2))


def dark_forest(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    low = mix(palette.sky_low, palette.stone, 0.4)
    wash(pen, 0, 0.8, shade(palette.sky_top, -0.35), low)
    ground(pen, palette, 0.72, shade(palette.ground, -0.35))
    for depth in range(3):
        colour = mix(low, (26, 20, 24), 0.35 + 0.3 * depth)
        for _ in range(6 - depth):
            backdrop.bare_trunk(
                pen, rng, rng.uniform(0, wide), 0.76 + 0.1 * depth, 0.66 + 0.16 * depth, colour
            )
    for _ in range(3):  # eyes in the dark
        x, y = rng.uniform(0.05, 0.95) * wide, rng.uniform(0.42, 0.66)
        for dx in (-0.02, 0.02):
            pen.oval(x + dx, y, 0.013, 0.011, (250, 226, 80), outline=False, glow=True)


def park(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.6)
    ridge(pen, rng, 0.64, 0.08, mix(palette.leaf, palette.sky_low, 0.4), 14, 0.1)
    ground(pen, palette, 0.66, mix(palette.ground, palette.leaf, 0.45))
    for x in (0.08, 0.3, 0.9):
        backdrop.round_tree(
            pen,
            palette,
            rng,
            wide * (x + rng.uniform(-0.05, 0.05)),
            rng.uniform(0.68, 0.78),
            rng.uniform(0.4, 0.58),
        )
    bench = pen.at(wide * rng.choice([0.24, 0.76]), 0.86, 0.3)
    for x in (-0.5, 0.5):
        bench.line([(x, 0), (x, -0.36)], 0.08, (70, 66, 70))
    for y in (-0.36, -0.56, -0.74):
        bench.line([(-0.66, y), (0.66, y)], 0.1, palette.wood, outline=True)
    tufts(pen, rng, 0.76, shade(palette.leaf, -0.2))


def botanical_garden(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    sky(pen, palette, rng, 0.5)
    ridge(pen, rng, 0.52, 0.1, shade(palette.leaf, -0.1), 16, 0.15)
    ground(pen, palette, 0.55, mix(palette.ground, palette.leaf, 0.6))
    for row in range(4):
        y, size = 0.6 + 0.11 * row, 0.016 + 0.011 * row
        for i in range(9 - row):
            x = wide * (i + 0.5 + rng.uniform(-0.3, 0.3)) / (9 - row)
            pen.line([(x, y + size * 2), (x, y)], size * 0.35, shade(palette.leaf, -0.15))
            colour = palette.accent(row + i % 2)
            for k in range(5):
                angle = k * 2 * math.pi / 5
                pen.oval(
                    x + size * math.cos(angle),
                    y + size * math.sin(angle),
                    size * 0.75,
                    size * 0.75,
                    colour,
                    outline=False,
                )
            pen.oval(x, y, size * 0.6, size * 0.6, (250, 210, 80), outline=False, glow=True)


def battlefield(pen: Pen, palette: Palette, rng: Random) -> None:
    wide = pen.canvas.wide
    wash(pen, 0, 0.7, mix(palette.sky_top, (70, 60, 60), 0.5), mix(palette.sky_low, (226, 130, 70), 0.4))
    ridge(pen, rng, 0.64, 0.06, mix(palette.ground, (70, 60, 56), 0.5), 12, 0.6)
    for _ in range(3):
        x = rng.uniform(0.05, 0.95) * wide
        for k in range(5):
            r = 0.05 + 0.022 * k
            pen.oval(
                x + 0.02 * k,
                0.56 - 0.1 * k,
                r,
                r * 0.9,
                mix((60, 54, 56), palette.sky_low, 0.1 * k),
                outline=False,
            )
        OBJECTS["flames"].draw(pen.at(x, 0.66, 0.2), palette, rng)
    ground(pen, palette, 0.66, mix(palette.ground, (86, 70, 60), 0.6))
    for _ in range(5):
        x, y = rng.uniform(0, wide), rng.uniform(0.7, 0.95)
        pen.oval(x, y, 0.1, 0.025, shade(palette.ground, -0.5), outline=False)
    for i in range(7):  # a tangle of stakes and wire
        x = wide * i / 6
        pen.line([(x - 0.04, 0.8), (x + 0.04, 0.7)], 0.014, (50, 42, 40))
        pen.line([(x - 0.04, 0.7), (x + 0.04, 0.8)], 0.014, (50, 42, 40))
    pen.line([(0, 0.75), (wide, 0.75)], 0.006, (40, 36, 40))
