"""The parts that scenes are put together from: skies, hills, trees, water, buildings, rooms, crowds."""

import math
from random import Random

from PIL import Image

from .canvas import Pen, Point, coloured
from .colour import Colour, Palette, mix, shade


def wash(pen: Pen, y1: float, y2: float, top: Colour, bottom: Colour) -> None:
    """A band over the whole width, from `top` at height y1 to `bottom` at y2."""
    canvas = pen.canvas
    start = pen.to(0, y1)[1]
    end = pen.to(0, y2)[1]
    first, last = max(0, round(start)), min(canvas.image.height, math.ceil(end))
    if last > first:
        ramp = Image.linear_gradient("L").resize((1, last - first), Image.Resampling.BILINEAR)
        band = coloured(ramp, [top, bottom]).resize(
            (canvas.image.width, last - first), Image.Resampling.NEAREST
        )
        canvas.image.paste(band, (0, first))


def sky(pen: Pen, palette: Palette, rng: Random, horizon: float, body: bool = True) -> None:
    """A sky down to the horizon, perhaps with a sun or moon and clouds."""
    wash(pen, 0, horizon + 0.01, palette.sky_top, palette.sky_low)
    wide = pen.canvas.wide
    if body and rng.random() < 0.5:
        x, y, r = rng.uniform(0.1, 0.9) * wide, rng.uniform(0.08, 0.3), rng.uniform(0.045, 0.075)
        pale = mix(palette.sky_low, (255, 250, 220), 0.75)
        pen.oval(x, y, r * 1.5, r * 1.5, mix(palette.sky_top, pale, 0.35), outline=False)
        pen.oval(x, y, r, r, pale, glow=True)
    for _ in range(rng.choice([0, 1, 2, 3])):
        cloud(
            pen,
            rng.uniform(0, wide),
            rng.uniform(0.06, 0.32),
            rng.uniform(0.06, 0.12),
            mix(palette.sky_low, (255, 255, 255), 0.55),
        )


def cloud(pen: Pen, x: float, y: float, size: float, colour: Colour) -> None:
    for dx, dy, r in ((-1.0, 0.1, 0.55), (-0.3, -0.25, 0.75), (0.5, -0.1, 0.65), (1.1, 0.15, 0.45)):
        pen.oval(x + dx * size, y + dy * size, r * size, r * size * 0.8, colour, outline=False)
    pen.oval(x, y + 0.3 * size, 1.5 * size, 0.35 * size, shade(colour, -0.06), outline=False)


def ridge(
    pen: Pen,
    rng: Random,
    base: float,
    height: float,
    colour: Colour,
    steps: int,
    rough: float,
    close: float = 1.02,
) -> list[Point]:
    """A mountain or hill line across the picture, filled down to `close`; returns the line."""
    wide = pen.canvas.wide
    points: list[Point] = []
    phase, turns = rng.random() * 6.3, rng.uniform(0.7, 1.5)
    for i in range(steps + 1):
        wave = 0.5 + 0.5 * math.sin(phase + turns * 2 * math.pi * i / steps)
        jag = (0.5 if i % 2 else -0.5) * rough
        points.append(
            (
                -0.05 + (wide + 0.1) * i / steps,
                base - height * (wave + jag + rng.uniform(-0.15, 0.15) * rough),
            )
        )
    pen.shape([(-0.1, close), *points, (wide + 0.1, close)], colour)
    return points


def ground(pen: Pen, palette: Palette, horizon: float, colour: Colour | None = None) -> None:
    base = colour or palette.ground
    wash(pen, horizon, 1.01, mix(base, palette.sky_low, 0.25), shade(base, -0.15))


def tufts(pen: Pen, rng: Random, top: float, colour: Colour, count: int = 14) -> None:
    for _ in range(count):
        x, y = rng.uniform(0, pen.canvas.wide), rng.uniform(top, 1.0)
        h = 0.02 + 0.03 * (y - top)
        for dx in (-0.5, 0.0, 0.5):
            pen.line([(x, y), (x + dx * h, y - h)], 0.006, colour)


def waves(pen: Pen, rng: Random, top: float, bottom: float, colour: Colour, height: float, rows: int) -> None:
    """Rows of waves; `height` decides between a calm lake and a storm."""
    wide = pen.canvas.wide
    for row in range(rows):
        share = row / max(rows - 1, 1)
        y = top + (bottom - top) * share
        tall = height * (0.35 + 0.65 * share)
        length = 0.16 + 0.25 * share
        tone = mix(shade(colour, 0.12), shade(colour, -0.3), share)
        shift, points = rng.random() * length, []
        x = -length - shift
        while x < wide + length:
            points += [
                (x, y),
                (x + length * 0.3, y - tall * 0.5),
                (x + length * 0.55, y - tall),
                (x + length * 0.7, y - tall * 0.35),
            ]
            x += length
        pen.shape([(-0.3, 1.05), *points, (wide + 0.3, 1.05)], tone)
        if tall > 0.03:
            for x0, y0 in points[2::4]:
                pen.line(
                    [(x0 - 0.05, y0 + tall * 0.25), (x0, y0), (x0 + 0.035, y0 + tall * 0.4)],
                    0.012,
                    shade(tone, 0.6),
                )


def round_tree(pen: Pen, palette: Palette, rng: Random, x: float, y: float, height: float) -> None:
    local = pen.at(x, y, height)
    local.line([(0, 0), (0, -0.5)], 0.09, palette.wood, outline=True)
    leaf = shade(palette.leaf, rng.uniform(-0.15, 0.12))
    for dx, dy, r in ((-0.19, -0.5, 0.2), (0.2, -0.52, 0.2), (0, -0.74, 0.27)):
        local.oval(dx, dy, r, r, leaf, volume=height > 0.3)


def fir(pen: Pen, palette: Palette, x: float, y: float, height: float, snow: bool = False) -> None:
    local = pen.at(x, y, height)
    local.box(-0.04, -0.16, 0.04, 0, palette.wood)
    for i, (w, top, low) in enumerate(((0.3, -0.6, -0.12), (0.24, -0.8, -0.38), (0.17, -1.0, -0.62))):
        local.shape([(0, top), (w, low), (-w, low)], shade(palette.leaf, -0.25 + 0.06 * i))
        if snow:
            local.shape(
                [
                    (0, top),
                    (w * 0.5, top + (low - top) * 0.5),
                    (0, top + (low - top) * 0.36),
                    (-w * 0.5, top + (low - top) * 0.5),
                ],
                (244, 248, 252),
                outline=False,
            )


def bare_trunk(pen: Pen, rng: Random, x: float, y: float, height: float, colour: Colour) -> None:
    local = pen.at(x, y, height)
    local.line([(0, 0.02), (rng.uniform(-0.04, 0.04), -1)], 0.07, colour)
    for i in range(6):
        side = 1 if i % 2 else -1
        level, reach = -0.34 - 0.11 * i, rng.uniform(0.14, 0.26)
        local.line(
            [(0, level), (side * reach * 0.6, level - 0.08), (side * reach, level - 0.2)], 0.028, colour
        )
        local.line([(side * reach * 0.6, level - 0.08), (side * reach * 1.15, level - 0.09)], 0.016, colour)


def building(
    pen: Pen, rng: Random, x1: float, x2: float, top: float, base: float, colour: Colour, lit: float = 0.4
) -> None:
    pen.box(x1, top, x2, base, colour, volume=True)
    columns = max(1, round((x2 - x1) / 0.075))
    rows = max(1, round((base - top) / 0.1))
    for column in range(columns):
        for row in range(rows):
            x = x1 + (x2 - x1) * (column + 0.28) / columns
            y = top + (base - top) * (row + 0.25) / rows
            light = rng.random() < lit
            pen.box(
                x,
                y,
                x + (x2 - x1) * 0.45 / columns,
                y + (base - top) * 0.42 / rows,
                (250, 226, 140) if light else shade(colour, -0.4),
                outline=False,
                glow=light,
            )


def room(pen: Pen, palette: Palette, rng: Random, horizon: float, tiles: bool = False) -> None:
    """A wall and a floor, with a skirting board."""
    wide = pen.canvas.wide
    wash(pen, 0, horizon, shade(palette.wall, 0.05), shade(palette.wall, -0.14))
    if tiles:
        line = shade(palette.wall, -0.2)
        for i in range(1, 7):
            pen.line([(0, horizon * i / 7), (wide, horizon * i / 7)], 0.005, line)
        for i in range(1, round(wide / 0.1)):
            pen.line([(i * 0.1, 0), (i * 0.1, horizon)], 0.005, line)
    elif rng.random() < 0.4:
        for i in range(round(wide / 0.09) + 1):
            pen.line([(i * 0.09, 0), (i * 0.09, horizon)], 0.02, shade(palette.wall, 0.1))
    wash(pen, horizon, 1.01, shade(palette.floor, -0.1), shade(palette.floor, 0.08))
    for i in range(-3, 9):
        pen.line(
            [(wide * (0.5 + (i - 2.5) * 0.13), horizon), (wide * (0.5 + (i - 2.5) * 0.3), 1.01)],
            0.005,
            shade(palette.floor, -0.28),
        )
    pen.box(-0.05, horizon - 0.03, wide + 0.05, horizon, mix(palette.wall, (255, 255, 255), 0.4))


def window(
    pen: Pen, palette: Palette, x: float, y: float, width: float, height: float, curtains: bool = True
) -> None:
    frame = mix(palette.wood, (255, 255, 255), 0.5)
    pen.box(x, y, x + width, y + height, frame)
    pen.box(x + 0.015, y + 0.015, x + width - 0.015, y + height - 0.015, palette.sky_low, glow=True)
    pen.line([(x + width / 2, y), (x + width / 2, y + height)], 0.012, frame)
    pen.line([(x, y + height / 2), (x + width, y + height / 2)], 0.012, frame)
    if curtains:
        colour = palette.accent(5)
        for side, edge in ((-1, x), (1, x + width)):
            pen.shape(
                [
                    (edge + side * 0.05, y - 0.03),
                    (edge - side * 0.05, y - 0.03),
                    (edge - side * 0.02, y + height * 0.6),
                    (edge + side * 0.04, y + height + 0.05),
                ],
                colour,
                volume=True,
            )


def crowd(
    pen: Pen, palette: Palette, rng: Random, y: float, size: float, raised: float, dark: float = 0.0
) -> None:
    """A row of heads seen from behind, some with raised arms."""
    x = -size
    while x < pen.canvas.wide + size:
        colour = mix(mix(palette.accent(rng.randrange(6)), palette.stone, 0.3), (16, 14, 24), dark)
        top = y + rng.uniform(-0.3, 0.3) * size
        pen.oval(x, top + size * 1.7, size * 1.15, size * 1.2, colour)
        if rng.random() < raised:
            for side in (-1, 1):
                pen.line(
                    [(x + side * size * 0.8, top + size * 1.3), (x + side * size * 1.3, top - size * 1.2)],
                    size * 0.45,
                    colour,
                    outline=True,
                )
        pen.oval(
            x,
            top,
            size * 0.68,
            size * 0.78,
            mix(rng.choice([(60, 44, 36), (30, 26, 28), (150, 104, 60)]), (16, 14, 24), dark),
        )
        x += size * rng.uniform(1.8, 2.5)


def flags(pen: Pen, palette: Palette, x1: float, y1: float, x2: float, y2: float, count: int) -> None:
    """A string of bunting that sags between two points."""
    line = []
    for i in range(count + 1):
        t = i / count
        line.append((x1 + (x2 - x1) * t, y1 + (y2 - y1) * t + 0.1 * 4 * t * (1 - t) * abs(x2 - x1) * 0.5))
    pen.line(line, 0.006, (90, 80, 80))
    half = abs(x2 - x1) / count * 0.4
    for i, (x, y) in enumerate(line[:-1]):
        pen.shape([(x, y), (x + 2 * half, y), (x + half, y + half * 2.2)], palette.accent(i), glow=True)
