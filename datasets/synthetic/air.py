"""Weather, light and what hangs in the air: drawn partly behind, partly in front of people and things."""

import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from .backdrop import cloud
from .canvas import Canvas
from .colour import Colour, Palette, hsv, mix, shade

Draw = Callable[[Canvas, Palette, Random], None]


def _veil(canvas: Canvas, colour: Colour, strength: float, top: float = 0.0, bottom: float = 1.0) -> None:
    """Mix a colour into a band of the picture, most at its foot."""
    y1, y2 = round(top * canvas.unit), round(bottom * canvas.unit)
    if y2 <= y1:
        return
    ramp = Image.linear_gradient("L").point([round(value * strength) for value in range(256)])
    mask = ramp.resize((canvas.image.width, y2 - y1))
    canvas.image.paste(colour, (0, y1, canvas.image.width, y2), mask)


def _paste_soft(
    canvas: Canvas, colour: Colour, shapes: list[list[tuple[float, float]]], strength: int, blur: float
) -> None:
    """Lay soft-edged, see-through shapes over the picture; `strength` is their opacity, 0…255."""
    unit = canvas.unit / 6
    mask = Image.new("L", (canvas.image.width // 6, canvas.image.height // 6))
    draw = ImageDraw.Draw(mask)
    for shape in shapes:
        draw.polygon([(x * unit, y * unit) for x, y in shape], fill=strength)
    mask = mask.filter(ImageFilter.GaussianBlur(blur)).resize(canvas.image.size, Image.Resampling.BILINEAR)
    canvas.image.paste(colour, (0, 0, *canvas.image.size), mask)


def rain(canvas: Canvas, palette: Palette, rng: Random) -> None:
    pen, slant = canvas.pen, rng.uniform(-0.05, 0.05)
    tone = mix(palette.sky_low, (236, 244, 255), 0.6)
    for _ in range(110):
        x, y, length = rng.uniform(-0.1, canvas.wide), rng.uniform(-0.1, 1), rng.uniform(0.07, 0.15)
        pen.line([(x, y), (x + slant, y + length)], 0.0075, tone, glow=True)


def rain_clouds(canvas: Canvas, palette: Palette, rng: Random) -> None:
    grey = mix(palette.stone, (92, 98, 112), 0.5)
    for i in range(7):
        cloud(
            canvas.pen,
            canvas.wide * i / 6,
            rng.uniform(0.0, 0.07),
            rng.uniform(0.09, 0.13),
            shade(grey, rng.uniform(-0.15, 0.1)),
        )


def snow(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for _ in range(60):
        r = rng.uniform(0.005, 0.013)
        canvas.pen.oval(
            rng.uniform(0, canvas.wide), rng.random(), r, r, (250, 252, 255), outline=False, glow=True
        )


def fog(canvas: Canvas, palette: Palette, rng: Random) -> None:
    colour = mix(palette.sky_low, (214, 218, 226), 0.6)
    _veil(canvas, colour, 0.85, 0.1, 1.0)


def low_fog(canvas: Canvas, palette: Palette, rng: Random) -> None:
    _veil(canvas, mix(palette.sky_low, (220, 224, 230), 0.6), 0.6, 0.72, 1.0)


def lightning(canvas: Canvas, palette: Palette, rng: Random) -> None:
    rain_clouds(canvas, palette, rng)
    for _ in range(rng.choice([1, 2])):
        x, y, points = rng.choice([rng.uniform(0.06, 0.26), rng.uniform(0.74, 0.94)]) * canvas.wide, 0.06, []
        while y < 0.66:
            points.append((x, y))
            x, y = x + rng.uniform(-0.09, 0.09), y + rng.uniform(0.07, 0.13)
        canvas.pen.line(points, 0.03, (206, 214, 255))
        canvas.pen.line(points, 0.016, (255, 255, 240), glow=True)
        if len(points) > 3:
            fork = points[2]
            canvas.pen.line(
                [fork, (fork[0] + 0.1, fork[1] + 0.1), (fork[0] + 0.08, fork[1] + 0.2)],
                0.01,
                (255, 255, 240),
                glow=True,
            )


def stars(canvas: Canvas, palette: Palette, rng: Random) -> None:
    """A starry sky with ribbons of northern light."""
    pen, wide = canvas.pen, canvas.wide
    night = Image.new("RGB", (canvas.image.width, round(canvas.unit * 0.5)), (16, 20, 52))
    fade = (
        Image.linear_gradient("L").rotate(180).resize(night.size).point([round(v * 0.85) for v in range(256)])
    )
    canvas.image.paste(night, (0, 0), fade)
    hue = rng.uniform(0.3, 0.85)
    for k in range(3):
        base, phase = 0.16 + 0.08 * k, rng.random() * 6
        edge = [(wide * i / 20, base + 0.05 * math.sin(phase + i * 0.5)) for i in range(21)]
        ribbon = [*edge, *((x, y - 0.13) for x, y in reversed(edge))]
        _paste_soft(canvas, hsv(hue + 0.07 * k, 0.6, 0.9), [ribbon], 190, 2.0)
    for _ in range(60):
        r = rng.choice([0.006, 0.008, 0.013])
        pen.oval(rng.uniform(0, wide), rng.uniform(0, 0.45), r, r, (255, 254, 236), outline=False, glow=True)


def sunbeams(canvas: Canvas, palette: Palette, rng: Random) -> None:
    pen, x = canvas.pen, rng.choice([0.08, 0.92]) * canvas.wide
    beams = []
    for i in range(5):
        angle = math.radians(52 + 17 * i + rng.uniform(-4, 4))
        if x > canvas.wide / 2:
            angle = math.pi - angle + math.radians(50)
        ends = [(x + 1.9 * math.cos(angle + w), 0.02 + 1.9 * math.sin(angle + w)) for w in (-0.06, 0.06)]
        beams.append([(x, 0.02), *ends])
    _paste_soft(canvas, (255, 246, 206), beams, 165, 1.0)
    pen.oval(x, 0.04, 0.1, 0.1, (255, 248, 214), outline=False, glow=True)


def confetti(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for i in range(60):
        bit = canvas.pen.at(
            rng.uniform(0, canvas.wide),
            rng.random() ** 1.3 * 0.95,
            rng.uniform(0.018, 0.032),
            rng.uniform(0, 180),
        )
        colour = palette.accent(i)
        if i % 3:
            bit.box(-0.7, -0.35, 0.7, 0.35, colour, outline=False, glow=True)
        else:
            bit.curve((-1.1, 0), (0, 1.4), (1.1, 0), 0.4, colour, glow=True)


def fireworks(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for i in range(4):
        x, y = canvas.wide * (0.12 + 0.25 * i) + rng.uniform(-0.06, 0.06), rng.uniform(0.12, 0.36)
        size, colour = rng.uniform(0.14, 0.21), mix(palette.accent(i), (255, 255, 255), 0.25)
        for k in range(14):
            angle = 2 * math.pi * k / 14
            a, b = 0.3, rng.uniform(0.85, 1.1)
            canvas.pen.line(
                [
                    (x + size * a * math.cos(angle), y + size * a * math.sin(angle)),
                    (x + size * b * math.cos(angle), y + size * b * math.sin(angle)),
                ],
                0.01,
                colour,
                glow=True,
            )
            canvas.pen.oval(
                x + size * b * math.cos(angle),
                y + size * b * math.sin(angle),
                0.01,
                0.01,
                (255, 255, 240),
                outline=False,
                glow=True,
            )


def smoke(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for side in (0.1, 0.5, 0.9):
        x, puffs = canvas.wide * (side + rng.uniform(-0.08, 0.08)), []
        for k in range(8):
            r = 0.04 + 0.016 * k
            centre = (x + 0.025 * k + rng.uniform(-0.02, 0.02), 0.72 - 0.1 * k)
            puffs.append([(centre[0] + r * math.cos(a), centre[1] + r * math.sin(a)) for a in range(7)])
        _paste_soft(canvas, mix((50, 46, 50), palette.sky_low, 0.15), puffs, 215, 1.2)


def embers(canvas: Canvas, palette: Palette, rng: Random) -> None:
    fire = mix(palette.accent(rng.randrange(6)), (255, 210, 90), 0.55)
    for i in range(60):
        x, y, r = rng.uniform(0, canvas.wide), rng.uniform(0.05, 1), rng.uniform(0.008, 0.016)
        canvas.pen.line([(x, y), (x + 0.016, y - 0.034)], r, shade(fire, 0.2 * (i % 3)), glow=True)


def stink(canvas: Canvas, palette: Palette, rng: Random) -> None:
    fumes = mix(palette.accent(rng.randrange(6)), (150, 170, 70), 0.4)
    for i in range(6):
        x = canvas.wide * (i + 0.5 + rng.uniform(-0.3, 0.3)) / 6
        y = rng.uniform(0.62, 0.92)
        points = [(x + 0.028 * math.sin(k * 1.5), y - 0.045 * k) for k in range(9)]
        canvas.pen.line(points, 0.016, fumes, glow=True)


def flies(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for _ in range(17):
        fly = canvas.pen.at(
            rng.uniform(0, canvas.wide),
            rng.uniform(0.04, 0.9),
            rng.uniform(0.02, 0.032),
            rng.uniform(0, 360),
        )
        for side in (-1, 1):
            fly.oval(side * 0.7, -0.2, 0.75, 0.36, (222, 228, 236), outline=False, glow=True)
        fly.oval(0, 0, 0.46, 0.75, (26, 26, 28), outline=False, glow=True)


def leaves(canvas: Canvas, palette: Palette, rng: Random) -> None:
    for _ in range(26):
        leaf = canvas.pen.at(
            rng.uniform(0, canvas.wide), rng.random(), rng.uniform(0.014, 0.024), rng.uniform(0, 360)
        )
        leaf.shape(
            [(-1, 0), (-0.2, -0.55), (1, 0), (-0.2, 0.55)],
            rng.choice([(190, 110, 50), (166, 80, 44), (200, 150, 70)]),
            outline=False,
        )


def _nothing(canvas: Canvas, palette: Palette, rng: Random) -> None:
    del canvas, palette, rng


AIRS: dict[str, tuple[Draw, Draw]] = {  # what is drawn behind, and what in front of people and things
    "clear": (_nothing, _nothing),
    "rain": (rain_clouds, rain),
    "snow": (_nothing, snow),
    "fog": (fog, low_fog),
    "lightning": (lightning, _nothing),
    "stars": (stars, _nothing),
    "sunbeams": (sunbeams, _nothing),
    "confetti": (_nothing, confetti),
    "fireworks": (fireworks, _nothing),
    "embers": (smoke, embers),
    "stench": (stink, flies),
    "leaves": (_nothing, leaves),
}
