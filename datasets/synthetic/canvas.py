"""A supersampled canvas, and the pen that draws on it in whatever style the picture has.

The unit is the picture's height: x runs from 0 to `Canvas.wide`, y from 0 (top) to 1. A `Pen` carries an
affine frame, so that things are drawn in coordinates of their own and then placed, turned or mirrored.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .colour import INK, Colour, luma, mix, shade

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a style draws: what its outlines, fills and volumes look like."""

    outline: float  # width of outlines in picture heights; 0 draws none
    ink: str  # colour of outlines: "black" | "darker" | "neon"
    volume: str  # how round things are shaded: "none" | "soft" | "step" | "wash"


_ROUND = Image.radial_gradient("L").transform(  # light from the upper left: the centre of the gradient, moved
    (128, 128), Image.Transform.AFFINE, (1.15, 0, 48, 0, 1.15, 52), Image.Resampling.BILINEAR
)
_STEP = Image.new("L", (64, 64), 0)
ImageDraw.Draw(_STEP).polygon([(38, 0), (64, 0), (64, 64), (26, 64)], fill=255)
_SHADOW = Image.radial_gradient("L").point([max(0, round(190 - value * 1.05)) for value in range(256)])
_WASH = (
    ImageOps.flip(Image.linear_gradient("L"))
    .rotate(18, Image.Resampling.BILINEAR, expand=False)
    .resize((64, 64))
)


def coloured(grey: Image.Image, inks: list[Colour]) -> Image.Image:
    """A grey picture in colours: black becomes the first ink, white the last, evenly spaced between."""
    stops = np.linspace(0, 255, len(inks))
    table = np.stack([np.interp(np.arange(256), stops, channel) for channel in zip(*inks)], axis=1)
    paletted = grey.copy()
    paletted.putpalette(table.round().astype(np.uint8).tobytes())
    return paletted.convert("RGB")


class Canvas:
    """An RGB picture of `width` × `height` pixels, drawn `supersample` times larger."""

    def __init__(self, width: int, height: int, stroke: Stroke, supersample: int = 3) -> None:
        self.width, self.height, self.stroke = width, height, stroke
        self.wide = width / height
        self.unit = height * supersample  # canvas pixels in one picture height
        self.image = Image.new("RGB", (width * supersample, self.unit), (128, 128, 128))
        self.draw = ImageDraw.Draw(self.image)
        # Neon light is collected apart, at half the final size, and added blurred at the end.
        self.light_scale = 0.5 / supersample
        self.light = Image.new("RGB", (width // 2, height // 2)) if stroke.ink == "neon" else None
        self.light_draw = ImageDraw.Draw(self.light) if self.light else None
        self._extents: list[list[float]] = []

    @property
    def pen(self) -> "Pen":
        return Pen(self, self.unit, 0.0, 0.0, self.unit, 0.0, 0.0)

    @contextmanager
    def measured(self) -> Iterator[list[float]]:
        """Collect [x1, y1, x2, y2] of all that is drawn inside the block, in picture heights."""
        extent = [math.inf, math.inf, -math.inf, -math.inf]
        self._extents.append(extent)
        try:
            yield extent
        finally:
            self._extents.pop()
            extent[:] = [value / self.unit for value in extent]

    def replace(self, image: Image.Image) -> None:
        """Go on drawing on `image` (same size as the canvas)."""
        self.image = image
        self.draw = ImageDraw.Draw(image)

    def result(self) -> Image.Image:
        """The picture at its final size, antialiased."""
        return self.image.resize((self.width, self.height), Image.Resampling.BOX)

    # What follows works in canvas pixels.

    def _grow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        for extent in self._extents:
            extent[0], extent[1] = min(extent[0], x1), min(extent[1], y1)
            extent[2], extent[3] = max(extent[2], x2), max(extent[3], y2)

    def _ink(self, fill: Colour) -> Colour:
        if self.stroke.ink == "neon":
            bright = max(fill)
            lifted = mix(fill, (255, 255, 255), 0.25) if bright > 40 else (90, 220, 240)
            return (min(255, lifted[0] + 20), min(255, lifted[1] + 30), min(255, lifted[2] + 50))
        return mix(fill, INK, 0.55) if self.stroke.ink == "darker" else INK

    def body(self, fill: Colour) -> Colour:
        """The colour that a body of colour `fill` is painted in."""
        return mix(shade(fill, -0.42), (22, 24, 70), 0.3) if self.stroke.ink == "neon" else fill

    def polygon(
        self, points: list[Point], fill: Colour, outline: bool, volume: bool, glow: bool, plain: bool
    ) -> None:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
        self._grow(x1, y1, x2, y2)
        if x2 < 0 or y2 < 0 or x1 > self.image.width or y1 > self.image.height:
            return
        if volume and self.stroke.volume != "none" and x2 - x1 > 8 and y2 - y1 > 8:
            self._shaded(points, (math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)), fill)
        else:
            self.draw.polygon(points, fill=fill if glow or plain else self.body(fill))
        if outline and self.stroke.outline:
            ink = self._ink(fill)
            self.draw.line(
                [*points, points[0], points[1]], fill=ink, width=self._outline_width, joint="curve"
            )
            if self.light_draw:
                scaled = [(x * self.light_scale, y * self.light_scale) for x, y in [*points, points[0]]]
                self.light_draw.polygon(scaled, fill=(0, 0, 0))
                self.light_draw.line(scaled, fill=ink, width=1)
        elif self.light_draw:
            scaled = [(x * self.light_scale, y * self.light_scale) for x, y in points]
            self.light_draw.polygon(scaled, fill=mix((0, 0, 0), fill, 0.6) if glow else (0, 0, 0))

    @property
    def _outline_width(self) -> int:
        return max(1, round(self.stroke.outline * self.unit))

    def _shaded(self, points: list[Point], box: tuple[int, int, int, int], fill: Colour) -> None:
        """Fill a shape with light from the upper left, in the manner of the style."""
        x1, y1 = max(box[0], 0), max(box[1], 0)
        x2, y2 = min(box[2], self.image.width), min(box[3], self.image.height)
        if x2 <= x1 or y2 <= y1:
            return
        mask = Image.new("1", (x2 - x1, y2 - y1))
        ImageDraw.Draw(mask).polygon([(x - x1, y - y1) for x, y in points], fill=1)
        kind = self.stroke.volume
        source = {"soft": _ROUND, "step": _STEP, "wash": _WASH}[kind]
        # The part of the gradient that belongs to the visible part of the shape.
        across, down = (box[2] - box[0]) / source.width, (box[3] - box[1]) / source.height
        part = ((x1 - box[0]) / across, (y1 - box[1]) / down, (x2 - box[0]) / across, (y2 - box[1]) / down)
        ramp = source.resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR, box=part)
        if kind == "soft":
            inks = [shade(fill, 0.36), fill, mix(shade(fill, -0.66), (20, 20, 50), 0.2)]
        elif kind == "step":
            inks = [fill, shade(fill, -0.2)]
        else:
            inks = [shade(fill, -0.16), shade(fill, 0.16)]
        self.image.paste(coloured(ramp, inks), (x1, y1), mask)

    def line(
        self,
        points: list[Point],
        width: float,
        fill: Colour,
        outline: bool,
        volume: bool,
        glow: bool,
        plain: bool,
    ) -> None:
        half = width / 2
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        self._grow(min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half)
        if outline and self.stroke.outline:
            ink = self._ink(fill)
            self._round_line(points, width + 2 * self._outline_width, ink)
            if self.light_draw:
                scaled = [(x * self.light_scale, y * self.light_scale) for x, y in points]
                self.light_draw.line(scaled, fill=ink, width=round(width * self.light_scale) + 1)
                self.light_draw.line(
                    scaled, fill=(0, 0, 0), width=max(0, round(width * self.light_scale) - 1)
                )
        elif self.light_draw and glow:
            scaled = [(x * self.light_scale, y * self.light_scale) for x, y in points]
            self.light_draw.line(scaled, fill=fill, width=max(1, round(width * self.light_scale)))
        if volume and self.stroke.volume in ("soft", "step") and width > 5:
            self._round_line(points, width, shade(fill, -0.34 if self.stroke.volume == "soft" else -0.2))
            shift = width * 0.1
            moved = [(x - shift, y - shift * 0.6) for x, y in points]
            self._round_line(moved, width * 0.74, fill)
            if self.stroke.volume == "soft":
                moved = [(x - shift * 1.6, y - shift) for x, y in points]
                self._round_line(moved, width * 0.34, shade(fill, 0.12))
        else:
            self._round_line(points, width, fill if glow or plain or not outline else self.body(fill))

    def _round_line(self, points: list[Point], width: float, fill: Colour) -> None:
        self.draw.line(points, fill=fill, width=max(1, round(width)), joint="curve" if width > 3 else None)
        if width > 3:
            half = width / 2
            for x, y in (points[0], points[-1]):
                self.draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def shadow(self, x: float, y: float, across: float, down: float) -> None:
        """A shadow on the ground around (x, y), in picture heights; neon styles have none."""
        if self.stroke.ink == "neon":
            return
        box = [round(v * self.unit) for v in (x - across, y - down, x + across, y + down)]
        size = (max(box[2] - box[0], 1), max(box[3] - box[1], 1))
        if self.stroke.volume == "soft":
            mask = _SHADOW.resize(size)
        else:
            mask = Image.new("L", size)
            ImageDraw.Draw(mask).ellipse((0, 0, size[0] - 1, size[1] - 1), fill=72)
        self.image.paste((16, 14, 30), (box[0], box[1]), mask)

    def contrast_ink(self, fill: Colour) -> Colour:
        """A line colour for small features (brows, lids) that stands out from `fill` in this style."""
        if self.stroke.ink == "neon":
            return (150, 255, 250)
        return mix(INK, fill, 0.06) if luma(fill) > 110 else (8, 4, 6)


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws in a frame of its own: x' = a·x + c·y + e, y' = b·x + d·y + f, in canvas pixels."""

    canvas: Canvas
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def at(self, x: float, y: float, scale: float = 1.0, angle: float = 0.0, flip: bool = False) -> "Pen":
        """A pen whose origin is at (x, y) here: scaled, turned clockwise by `angle` degrees, mirrored."""
        cos, sin = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
        side = -1.0 if flip else 1.0
        (x0, y0) = self.to(x, y)
        return Pen(
            self.canvas,
            (self.a * cos + self.c * sin) * side,
            (self.b * cos + self.d * sin) * side,
            -self.a * sin + self.c * cos,
            -self.b * sin + self.d * cos,
            x0,
            y0,
        )

    def to(self, x: float, y: float) -> Point:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    @property
    def size(self) -> float:
        """Canvas pixels in one unit of this pen."""
        return math.sqrt(abs(self.a * self.d - self.b * self.c))

    def shape(
        self,
        points: Sequence[Point],
        fill: Colour,
        outline: bool = True,
        volume: bool = False,
        glow: bool = False,
        plain: bool = False,
    ) -> None:
        """A closed shape. In neon styles `glow` shapes give light, and `plain` ones keep their colour."""
        self.canvas.polygon([self.to(x, y) for x, y in points], fill, outline, volume, glow, plain)

    def box(self, x1: float, y1: float, x2: float, y2: float, fill: Colour, **how: bool) -> None:
        self.shape([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], fill, **how)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour, **how: bool) -> None:
        count = 12 if max(rx, ry) * self.size < 12 else 28
        turn = 2 * math.pi / count
        self.shape(
            [(x + rx * math.cos(i * turn), y + ry * math.sin(i * turn)) for i in range(count)], fill, **how
        )

    def line(
        self,
        points: Sequence[Point],
        width: float,
        fill: Colour,
        outline: bool = False,
        volume: bool = False,
        glow: bool = False,
        plain: bool = False,
    ) -> None:
        """A line with round ends and joints; with `outline` it is drawn as a body, a limb or a pole."""
        self.canvas.line(
            [self.to(x, y) for x, y in points], width * self.size, fill, outline, volume, glow, plain
        )

    def curve(self, start: Point, bend: Point, end: Point, width: float, fill: Colour, **how: bool) -> None:
        """A line along a quadratic Bézier curve."""
        self.line(bezier(start, bend, end), width, fill, **how)


def bezier(start: Point, bend: Point, end: Point, count: int = 9) -> list[Point]:
    """`count` points along the quadratic Bézier curve from `start` to `end`."""
    points = []
    for i in range(count):
        t = i / (count - 1)
        u, v, w = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append((u * start[0] + v * bend[0] + w * end[0], u * start[1] + v * bend[1] + w * end[1]))
    return points
