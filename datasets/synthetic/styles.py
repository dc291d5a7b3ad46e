"""The five picture styles, in the manner of Emo8: how each draws, and what it does to the finished picture.

Styles are drawn without regard to the emotion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from .canvas import Canvas, Stroke, coloured
from .colour import Palette, hsv, mix, shade


@dataclass(frozen=True, slots=True)
class Style:
    """One picture style."""

    name: str
    stroke: Stroke
    vivid: float  # saturation of the palette
    dim: float  # brightness of the finished picture
    background: Callable[[Canvas, Palette, Random, bool], None]  # after the scene, before what stands in it
    finish: Callable[[Image.Image, Canvas, Random], Image.Image]  # on the picture at its final size


def noise_field(rng: Random, width: int, height: int, cells: int) -> Image.Image:
    """Smooth noise, mode L around 128: a coarse random grid of about `cells` cells across, enlarged."""
    rows = max(2, round(cells * height / width))
    generator = np.random.default_rng(rng.getrandbits(64))
    grid = generator.integers(0, 256, (rows, cells), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def _modulate(image: Image.Image, field: Image.Image, strength: float) -> Image.Image:
    """Lighten and darken `image` by `field` (128 changes nothing)."""
    factors = 1 + (np.asarray(field, np.float32)[..., None] - 128) / 128 * strength
    return Image.fromarray((np.asarray(image) * factors).clip(0, 255).astype(np.uint8))


def _soften(canvas: Canvas, radius: float) -> None:
    """Blur what has been drawn so far, at a quarter of its size because that is cheap."""
    small = canvas.image.reduce(3).filter(ImageFilter.GaussianBlur(radius))
    canvas.replace(small.resize(canvas.image.size, Image.Resampling.BICUBIC))


def _leave(canvas: Canvas, palette: Palette, rng: Random, close: bool) -> None:
    del canvas, palette, rng, close


def _cartoon_finish(image: Image.Image, canvas: Canvas, rng: Random) -> Image.Image:
    del canvas, rng
    return image


def _brush(canvas: Canvas, palette: Palette, rng: Random, close: bool) -> None:
    """Lay brush strokes over the scene, each in the colour it finds, a little off."""
    del palette
    _soften(canvas, 1.2 if close else 0.6)
    width, height = canvas.image.size
    colours = np.asarray(canvas.image.resize((48, 36), Image.Resampling.BOX)).tolist()
    slant = rng.uniform(-0.6, 0.6)
    for _ in range(170):
        x, y = rng.random(), rng.random()
        length, thick = rng.uniform(0.03, 0.1) * height, rng.uniform(0.006, 0.022) * height
        colour = shade(tuple(colours[int(y * 35)][int(x * 47)]), rng.uniform(-0.12, 0.14))
        x0, y0, lean = x * width, y * height, slant + rng.uniform(-0.3, 0.3)
        canvas.draw.line((x0, y0, x0 + length, y0 + length * lean), fill=colour, width=max(2, round(thick)))
    _soften(canvas, 0.5)


def _natural_finish(image: Image.Image, canvas: Canvas, rng: Random) -> Image.Image:
    del canvas
    width, height = image.size
    image = _modulate(image, noise_field(rng, width, height, 7), 0.1)
    return _modulate(image, noise_field(rng, width, height, width // 2), 0.045)


def _depth_of_field(canvas: Canvas, palette: Palette, rng: Random, close: bool) -> None:
    del palette, rng
    if close:
        _soften(canvas, 1.6)


def _realistic_finish(image: Image.Image, canvas: Canvas, rng: Random) -> Image.Image:
    del canvas
    width, height = image.size
    glow = image.reduce(4).filter(ImageFilter.GaussianBlur(3)).resize(image.size, Image.Resampling.BICUBIC)
    image = Image.blend(image, ImageChops.soft_light(image, glow), 0.55)
    x, y = rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.5)
    vignette = Image.radial_gradient("L").transform(
        image.size,
        Image.Transform.AFFINE,
        (176 / width, 0, 128 - 176 * x, 0, 176 / height, 128 - 176 * y),
        Image.Resampling.BILINEAR,
    )
    shadow = vignette.point([round(255 - max(0, value - 50) * 0.62) for value in range(256)])
    image = ImageChops.multiply(image, Image.merge("RGB", (shadow, shadow, shadow)))
    return _modulate(image, noise_field(rng, width, height, width), 0.025)


def _night_grid(canvas: Canvas, palette: Palette, rng: Random, close: bool) -> None:
    """Darken the scene to a neon night, and lay a perspective grid over its ground."""
    if close:
        _soften(canvas, 0.8)
    hue = rng.random()
    veil = Image.new("RGB", canvas.image.size, hsv(hue, 0.7, 0.3))
    canvas.replace(Image.blend(canvas.image, veil, 0.3))
    pen, line = canvas.pen, mix(hsv(hue + 0.45, 0.7, 1.0), palette.accent(0), 0.3)
    horizon = rng.uniform(0.66, 0.76)
    vanish = canvas.wide * rng.uniform(0.35, 0.65)
    for i in range(-7, 8):
        pen.line([(vanish + i * 0.05, horizon), (vanish + i * 0.42, 1.02)], 0.004, line, glow=True)
    for i in range(6):
        y = horizon + (1 - horizon) * (i / 6) ** 1.9
        pen.line([(0, y), (canvas.wide, y)], 0.004, line, glow=True)
    for _ in range(rng.choice([1, 1, 2])):
        x, y, r = rng.uniform(0.08, 0.92) * canvas.wide, rng.uniform(0.06, 0.3), rng.uniform(0.05, 0.13)
        planet = palette.accent(rng.randrange(6))
        pen.oval(x, y, r, r, planet)
        ring = pen.at(x, y, r, rng.uniform(-35, 35))
        ring.line(
            [(-1.7, 0.1), (-0.6, 0.32), (0.6, 0.32), (1.7, 0.1)], 0.12, mix(planet, (255, 255, 255), 0.5)
        )


def _neon_finish(image: Image.Image, canvas: Canvas, rng: Random) -> Image.Image:
    del rng
    if canvas.light is not None:
        blurred = canvas.light.filter(ImageFilter.GaussianBlur(1.3)).resize(
            image.size, Image.Resampling.BICUBIC
        )
        image = ImageChops.screen(image, blurred.point([min(255, round(v * 1.15)) for v in range(256)] * 3))
    lines = np.full((image.height, 1), 255, np.uint8)
    lines[::3] = 222
    scan = Image.fromarray(lines).resize(image.size, Image.Resampling.NEAREST)
    return ImageChops.multiply(image, Image.merge("RGB", (scan, scan, scan)))


def _halftone(canvas: Canvas, palette: Palette, rng: Random, close: bool) -> None:
    """Flatten the scene towards two inks and print halftone dots on its upper part."""
    ink, paper = shade(palette.accent(1), -0.45), mix(palette.accent(0), (255, 255, 255), 0.6)
    duotone = coloured(canvas.image.convert("L"), [ink, paper])
    canvas.replace(Image.blend(canvas.image, duotone, rng.uniform(0.25, 0.6)))
    if close:
        _soften(canvas, 1.0)
    step = 0.034
    dots = mix(palette.accent(2), paper, 0.5)
    for row in range(9):
        for column in range(int(canvas.wide / step) + 1):
            radius = 0.3 * step * (1 - row / 9)
            x, y = (column + (row % 2) / 2) * step * canvas.unit, (row + 0.5) * step * canvas.unit
            r = radius * canvas.unit
            canvas.draw.rectangle((x - r, y - r, x + r, y + r), fill=dots)


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style("cartoon", Stroke(0.0095, "black", "none"), 1.0, 1.05, _leave, _cartoon_finish),
        Style("natural", Stroke(0.004, "darker", "wash"), 0.72, 1.0, _brush, _natural_finish),
        Style("realistic", Stroke(0.0, "darker", "soft"), 0.72, 0.95, _depth_of_field, _realistic_finish),
        Style("science_fiction", Stroke(0.0075, "neon", "none"), 1.0, 0.72, _night_grid, _neon_finish),
        Style("advertising_cover", Stroke(0.0, "darker", "step"), 0.9, 1.0, _halftone, _cartoon_finish),
    )
}


# What a picture's light and colour may hint at, where its palette is a cue: brightness, saturation, hue.
MOODS = {
    "amusement": (0.62, 1.35, 0.11), "awe": (0.5, 1.1, 0.6), "contentment": (0.6, 0.95, 0.22),
    "excitement": (0.56, 1.5, 0.93), "anger": (0.38, 1.2, 0.01), "disgust": (0.42, 0.8, 0.24),
    "fear": (0.28, 0.5, 0.62), "sadness": (0.38, 0.3, 0.58),
}  # fmt: skip


def grade(
    image: Image.Image, rng: Random, strength: float, mood: str | None = None, dim: float = 1.0
) -> Image.Image:
    """Give the picture an exposure, saturation and tint of its own, whatever it shows.

    This is what keeps the emotion out of the mean colour: brightness is pulled towards a target drawn from
    a wide range, with the share `strength` in [0, 1] (0 leaves the picture alone).
    """
    if strength <= 0:
        return image
    image = Image.blend(image, ImageOps.autocontrast(image, cutoff=0.5, preserve_tone=True), 0.8)
    target, saturation = rng.uniform(0.3, 0.68), 1 + (rng.uniform(0.35, 1.4) - 1) * strength
    tint = hsv(rng.random(), rng.uniform(0, 0.3) * strength, 1.0)
    if mood:
        target, saturation, hue = MOODS[mood]
        tint = hsv(hue, 0.35, 1.0)
    mean = max(ImageStat.Stat(image.reduce(4).convert("L")).mean[0] / 255, 0.02)
    wanted = mean + (target - mean) * strength * 0.8
    gamma = min(max(np.log(min(wanted, 0.95)) / np.log(min(mean, 0.95)), 0.45), 2.2)
    curve = [255 * (value / 255) ** float(gamma) for value in range(256)]
    target *= dim
    peak = sum(tint) / 3
    tables = [min(255, round(value * channel / peak)) for channel in tint for value in curve]
    image = image.point(tables)
    grey = image.convert("L").convert("RGB")
    return Image.blend(grey, image, saturation)
