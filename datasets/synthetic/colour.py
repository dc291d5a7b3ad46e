"""Colours as (red, green, blue) in 0…255: mixing, and the palette of one picture."""

import colorsys
from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]
INK: Colour = (28, 24, 34)
WHITE: Colour = (250, 250, 246)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from `first` to `second`; `share` in [0, 1]."""
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


def shade(colour: Colour, amount: float) -> Colour:
    """Lighter for positive amounts (1 = white), darker for negative ones (-1 = black)."""
    return mix(colour, (255, 255, 255), amount) if amount >= 0 else mix(colour, (0, 0, 0), -amount)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue (turns, any real), saturation and value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def luma(colour: Colour) -> float:
    """Brightness as the eye sees it (ITU-R BT.601), 0…255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


SKINS: list[Colour] = [
    (255, 222, 196), (244, 203, 170), (232, 184, 144), (214, 160, 118),
    (196, 140, 100), (172, 118, 82), (146, 98, 70), (122, 82, 60),
]  # fmt: skip
HAIRS: list[Colour] = [
    (36, 28, 30), (58, 38, 28), (98, 62, 36), (148, 98, 52),
    (206, 160, 84), (236, 208, 140), (170, 66, 34), (150, 150, 156), (226, 226, 230),
]  # fmt: skip
SKIES = [  # (top, horizon): clear, hazy, golden, pink, violet, green, grey, dark blue
    ((70, 140, 220), (190, 225, 245)), ((120, 170, 210), (225, 232, 228)),
    ((235, 150, 70), (255, 226, 160)), ((205, 110, 150), (255, 205, 180)),
    ((84, 70, 150), (215, 150, 190)), ((40, 120, 120), (190, 225, 190)),
    ((110, 118, 130), (200, 204, 206)), ((24, 34, 84), (86, 96, 160)),
]  # fmt: skip
GROUNDS = [(112, 160, 76), (150, 176, 90), (190, 160, 104), (150, 116, 84), (120, 128, 112), (92, 120, 110)]
WALLS = [
    (226, 208, 176), (186, 206, 200), (206, 186, 206), (176, 190, 214),
    (214, 180, 160), (196, 200, 168), (150, 140, 160), (128, 150, 150),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Palette:
    """What things are coloured like in one picture; drawn without regard to the emotion."""

    sky_top: Colour
    sky_low: Colour
    ground: Colour
    leaf: Colour
    wood: Colour
    stone: Colour
    water: Colour
    wall: Colour
    floor: Colour
    accents: tuple[Colour, ...]

    def accent(self, number: int) -> Colour:
        return self.accents[number % len(self.accents)]


def make_palette(rng: Random, vivid: float = 1.0) -> Palette:
    """A plausible palette: natural colours, jittered, and six accents spread around the colour circle.

    `vivid` scales the saturation of the accents.
    """

    def jitter(colour: Colour, hue: float = 0.03) -> Colour:
        h, s, v = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
        return hsv(
            h + rng.uniform(-hue, hue),
            s * rng.uniform(0.75, 1.25) + rng.uniform(0, 0.05),
            v * rng.uniform(0.82, 1.12),
        )

    sky = rng.choice(SKIES)
    start = rng.random()
    accents = [
        hsv(
            start + i * 0.618 + rng.uniform(-0.03, 0.03),
            rng.uniform(0.5, 0.85) * vivid,
            rng.uniform(0.7, 0.98),
        )
        for i in range(6)
    ]
    return Palette(
        sky_top=jitter(sky[0]),
        sky_low=jitter(sky[1]),
        ground=jitter(rng.choice(GROUNDS)),
        leaf=jitter(rng.choice([(70, 140, 70), (96, 150, 60), (60, 120, 96), (180, 130, 50), (150, 90, 60)])),
        wood=jitter(rng.choice([(120, 82, 52), (150, 108, 70), (96, 70, 58), (170, 130, 92)])),
        stone=jitter(rng.choice([(140, 140, 146), (160, 150, 136), (116, 120, 132), (178, 168, 160)])),
        water=jitter(
            rng.choice([(60, 130, 180), (70, 160, 170), (80, 110, 150), (110, 140, 150), (90, 100, 160)])
        ),
        wall=jitter(rng.choice(WALLS), 0.08),
        floor=jitter(
            rng.choice([(150, 112, 78), (176, 150, 120), (120, 120, 128), (190, 184, 170), (104, 84, 80)])
        ),
        accents=tuple(accents),
    )
