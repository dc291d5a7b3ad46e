"""Objects that go with amusement, awe, contentment and excitement; see `objects` for the frame."""

import math
from random import Random

from .canvas import Pen, bezier
from .colour import Palette, mix, shade


def balloons(pen: Pen, palette: Palette, rng: Random) -> None:
    for i, (x, y) in enumerate([(-0.24, -0.62), (0.22, -0.7), (0.0, -0.8)]):
        colour = palette.accent(i)
        pen.curve((x, y + 0.2), (x * 0.3, -0.3), (0, 0), 0.016, (90, 90, 96))
        pen.shape([(x - 0.03, y + 0.24), (x + 0.03, y + 0.24), (x, y + 0.18)], colour)
        pen.oval(x, y, 0.165, 0.2, colour, volume=True)
        pen.oval(x - 0.06, y - 0.08, 0.03, 0.05, mix(colour, (255, 255, 255), 0.75), outline=False)


def teddy_bear(pen: Pen, palette: Palette, rng: Random) -> None:
    fur = rng.choice([(176, 122, 70), (206, 160, 110), (140, 96, 66)])
    pale = mix(fur, (255, 236, 206), 0.6)
    for side in (-1, 1):
        pen.oval(side * 0.24, -0.09, 0.13, 0.1, fur, volume=True)
        pen.oval(side * 0.27, -0.09, 0.06, 0.06, pale, outline=False)
        pen.oval(side * 0.28, -0.42, 0.1, 0.13, fur, volume=True)
        pen.oval(side * 0.2, -0.94, 0.1, 0.1, fur)
    pen.oval(0, -0.3, 0.26, 0.27, fur, volume=True)
    pen.oval(0, -0.28, 0.15, 0.17, pale, outline=False)
    pen.oval(0, -0.74, 0.26, 0.23, fur, volume=True)
    pen.oval(0, -0.67, 0.12, 0.09, pale, outline=False)
    pen.oval(0, -0.71, 0.045, 0.03, (40, 30, 30), glow=True)
    for side in (-1, 1):
        pen.oval(side * 0.1, -0.79, 0.03, 0.035, (30, 24, 24), glow=True)
    pen.curve((-0.06, -0.64), (0, -0.6), (0.06, -0.64), 0.02, (40, 30, 30))


def ice_cream(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.shape([(-0.2, -0.55), (0.2, -0.55), (0, 0)], (222, 170, 100), volume=True)
    for i in range(3):
        pen.line([(-0.15 + 0.12 * i, -0.52), (-0.02 + 0.05 * i, -0.2)], 0.018, (170, 116, 60))
    for i, (x, y) in enumerate([(-0.12, -0.62), (0.12, -0.62), (0, -0.8)]):
        pen.oval(x, y, 0.17, 0.16, mix(palette.accent(i), (255, 255, 255), 0.4), volume=True)
    pen.oval(0.02, -0.97, 0.06, 0.06, (220, 40, 60), volume=True)


def cake(pen: Pen, palette: Palette, rng: Random) -> None:
    icing = mix(palette.accent(0), (255, 255, 255), 0.55)
    pen.oval(0, -0.04, 0.52, 0.06, (220, 220, 226))
    for y1, y2, w, colour in (
        (-0.36, -0.04, 0.42, icing),
        (-0.62, -0.36, 0.3, mix(palette.accent(1), (255, 255, 255), 0.5)),
    ):
        pen.box(-w, y1, w, y2, colour, volume=True)
        for i in range(7):
            pen.oval(-w + w * (2 * i + 1) / 7, y1 + 0.03, w / 6.5, 0.06, (255, 248, 240), outline=False)
    for i in range(4):
        x = -0.2 + 0.133 * i
        pen.box(x - 0.02, -0.8, x + 0.02, -0.62, palette.accent(i + 2))
        pen.oval(x, -0.87, 0.035, 0.07, (255, 200, 60), glow=True)


def kite(pen: Pen, palette: Palette, rng: Random) -> None:
    a, b = palette.accent(0), palette.accent(3)
    pen.curve((0, -0.35), (0.3, -0.2), (-0.1, 0), 0.018, (60, 60, 70))
    pen.shape([(0, -1), (0.3, -0.72), (0, -0.34), (-0.3, -0.72)], a, volume=True)
    pen.shape([(0, -1), (0.3, -0.72), (0, -0.72)], b)
    pen.shape([(0, -0.34), (-0.3, -0.72), (0, -0.72)], b)
    for y in (-0.22, -0.1):
        pen.shape([(0.08, y), (0.2, y - 0.05), (0.2, y + 0.05)], b)


def clown(pen: Pen, palette: Palette, rng: Random) -> None:
    for side in (-1, 1):
        for dx, dy in ((0.3, -0.5), (0.36, -0.66), (0.32, -0.36)):
            pen.oval(side * dx, dy, 0.13, 0.13, palette.accent(1))
    pen.oval(0, -0.46, 0.3, 0.36, (250, 240, 232), volume=True)
    pen.shape([(-0.17, -0.78), (0.17, -0.78), (0.02, -1.08)], palette.accent(2), volume=True)
    for side in (-1, 1):
        pen.oval(side * 0.12, -0.55, 0.045, 0.07, (30, 30, 60), glow=True)
        pen.line([(side * 0.12, -0.7), (side * 0.12, -0.4)], 0.02, palette.accent(0))
    pen.oval(0, -0.43, 0.075, 0.075, (226, 40, 40), volume=True)
    pen.shape(
        [*bezier((-0.2, -0.32), (0, -0.16), (0.2, -0.32)), *bezier((0.2, -0.32), (0, -0.04), (-0.2, -0.32))],
        (200, 30, 50),
        glow=True,
    )


def flowers(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.shape(
        [(-0.16, -0.36), (0.16, -0.36), (0.2, -0.12), (0.1, 0), (-0.1, 0), (-0.2, -0.12)],
        palette.accent(4),
        volume=True,
    )
    for i, (x, y) in enumerate([(-0.3, -0.62), (0.28, -0.66), (-0.12, -0.84), (0.13, -0.88), (0, -0.64)]):
        pen.curve((0, -0.34), (x * 0.4, -0.5), (x, y), 0.03, palette.leaf)
        petal = mix(palette.accent(i), (255, 255, 255), 0.12)
        for k in range(6):
            angle = k * math.pi / 3
            pen.oval(
                x + 0.085 * math.cos(angle), y + 0.085 * math.sin(angle), 0.062, 0.062, petal, outline=False
            )
        pen.oval(x, y, 0.05, 0.05, (250, 206, 70), outline=False, glow=True)


def coffee_cup(pen: Pen, palette: Palette, rng: Random) -> None:
    colour = mix(palette.accent(0), (255, 255, 255), 0.4)
    pen.oval(0, -0.05, 0.46, 0.07, shade(colour, -0.15))
    ring = [
        (0.3 + 0.15 * math.cos(a), -0.33 + 0.14 * math.sin(a))
        for a in (math.pi * (-0.6 + i / 9) for i in range(12))
    ]
    pen.line(ring, 0.055, colour, outline=True)
    pen.shape([(-0.33, -0.55), (0.33, -0.55), (0.24, -0.1), (-0.24, -0.1)], colour, volume=True)
    pen.oval(0, -0.55, 0.33, 0.07, (92, 58, 36))
    for x in (-0.12, 0.1):
        pen.line(
            [(x, -0.66), (x + 0.06, -0.76), (x - 0.03, -0.86), (x + 0.04, -0.98)],
            0.03,
            (236, 236, 240),
            glow=True,
        )


def book(pen: Pen, palette: Palette, rng: Random) -> None:
    cover = palette.accent(1)
    for side in (-1, 1):
        pen.shape([(0, -0.86), (side * 0.64, -1.0), (side * 0.64, -0.12), (0, 0)], cover)
        pen.shape(
            [(0, -0.84), (side * 0.58, -0.96), (side * 0.58, -0.18), (0, -0.06)],
            (250, 246, 234),
            outline=False,
        )
        for i in range(4):
            y = -0.72 + 0.16 * i
            pen.line([(side * 0.1, y - 0.01), (side * 0.48, y - 0.09)], 0.03, (150, 146, 140))


def cat(pen: Pen, palette: Palette, rng: Random) -> None:
    fur = rng.choice([(230, 150, 70), (120, 116, 120), (60, 56, 62), (236, 226, 210)])
    pen.line([(0.26, -0.08), (0.5, -0.14), (0.52, -0.36), (0.44, -0.48)], 0.1, fur, outline=True, volume=True)
    pen.shape(
        [*bezier((-0.28, 0), (-0.3, -0.62), (0, -0.62)), *bezier((0, -0.62), (0.34, -0.6), (0.3, 0))],
        fur,
        volume=True,
    )
    for side in (-1, 1):
        pen.shape([(side * 0.26, -0.72), (side * 0.24, -1.04), (side * 0.06, -0.88)], fur)
        pen.oval(side * 0.1, -0.03, 0.085, 0.05, fur)
    pen.oval(0, -0.72, 0.27, 0.2, fur, volume=True)
    for side in (-1, 1):
        pen.curve((side * 0.06, -0.74), (side * 0.11, -0.69), (side * 0.17, -0.74), 0.03, (30, 26, 30))
        for dy in (0.0, 0.06):
            pen.line([(side * 0.12, -0.65 + dy), (side * 0.36, -0.68 + dy * 2)], 0.012, (240, 240, 240))
    pen.shape([(-0.03, -0.68), (0.03, -0.68), (0, -0.64)], (220, 110, 120), glow=True)


def butterfly(pen: Pen, palette: Palette, rng: Random) -> None:
    for side in (-1, 1):
        pen.oval(side * 0.26, -0.66, 0.24, 0.26, palette.accent(0), volume=True)
        pen.oval(side * 0.22, -0.28, 0.17, 0.18, palette.accent(2), volume=True)
        pen.oval(side * 0.28, -0.68, 0.1, 0.11, mix(palette.accent(0), (255, 255, 255), 0.6), outline=False)
        pen.curve((0, -0.84), (side * 0.05, -1.0), (side * 0.16, -1.0), 0.02, (40, 36, 40))
    pen.oval(0, -0.5, 0.05, 0.36, (50, 40, 40))


def picnic_basket(pen: Pen, palette: Palette, rng: Random) -> None:
    handle = [
        (0.4 * math.cos(a), -0.5 + 0.46 * math.sin(a)) for a in (math.pi * (1 + i / 10) for i in range(11))
    ]
    pen.line(handle, 0.06, (150, 106, 60), outline=True)
    for x, colour in ((-0.2, (210, 50, 50)), (0.02, (240, 190, 70)), (0.24, (120, 180, 80))):
        pen.oval(x, -0.5, 0.14, 0.14, colour, volume=True)
    pen.shape([(-0.5, -0.46), (0.5, -0.46), (0.4, 0), (-0.4, 0)], (186, 138, 82), volume=True)
    for i in range(3):
        pen.line([(-0.44, -0.34 + 0.13 * i), (0.44, -0.34 + 0.13 * i)], 0.025, (130, 90, 50))


def foot_ball(pen: Pen, palette: Palette, rng: Random) -> None:
    ball = pen.at(0, -0.5, 1, -28)
    points = [*bezier((-0.62, 0), (0, -0.72), (0.62, 0)), *bezier((0.62, 0), (0, 0.72), (-0.62, 0))]
    ball.shape(points, (146, 78, 40), volume=True)
    for x in (-0.38, 0.38):
        ball.line([(x, -0.17), (x, 0.17)], 0.05, (246, 244, 236))
    ball.line([(-0.2, 0), (0.2, 0)], 0.04, (246, 244, 236))
    for x in (-0.15, -0.05, 0.05, 0.15):
        ball.line([(x, -0.07), (x, 0.07)], 0.03, (246, 244, 236))


def guitar(pen: Pen, palette: Palette, rng: Random) -> None:
    colour = palette.accent(0)
    pen.line([(0, -0.45), (0, -0.95)], 0.075, (90, 60, 40), outline=True)
    pen.box(-0.07, -1.04, 0.07, -0.9, (60, 40, 30))
    pen.oval(0, -0.42, 0.17, 0.15, colour, volume=True)
    pen.oval(0, -0.19, 0.24, 0.19, colour, volume=True)
    pen.oval(0, -0.33, 0.075, 0.075, (40, 26, 20), outline=False)
    for x in (-0.02, 0.02):
        pen.line([(x, -0.14), (x, -0.95)], 0.01, (250, 246, 220))


def microphone(pen: Pen, palette: Palette, rng: Random) -> None:
    pen.shape([(-0.13, -0.7), (0.13, -0.7), (0.08, 0), (-0.08, 0)], (52, 52, 60), volume=True)
    pen.oval(0, -0.8, 0.21, 0.2, (170, 174, 184), volume=True)
    for dx in (-0.1, 0.0, 0.1):
        pen.line([(dx, -0.94), (dx, -0.66)], 0.018, (100, 102, 112))
    pen.box(-0.16, -0.7, 0.16, -0.63, palette.accent(0))


def motorcycle(pen: Pen, palette: Palette, rng: Random) -> None:
    for x in (-0.55, 0.55):
        pen.oval(x, -0.28, 0.28, 0.28, (40, 40, 46))
        pen.oval(x, -0.28, 0.15, 0.15, (176, 176, 184))
    paint = palette.accent(0)
    pen.line([(0.55, -0.28), (0.36, -0.86), (0.2, -0.92)], 0.06, (150, 150, 160), outline=True)
    pen.shape([(-0.6, -0.62), (-0.1, -0.58), (0.36, -0.76), (0.3, -0.4), (-0.3, -0.3)], paint, volume=True)
    pen.shape([(-0.66, -0.72), (-0.06, -0.66), (-0.1, -0.56), (-0.6, -0.6)], (44, 36, 36))
    pen.oval(0.44, -0.72, 0.09, 0.09, (255, 240, 170), glow=True)
    pen.line([(-0.7, -0.24), (-0.1, -0.24)], 0.06, (190, 190, 198))


def cup(pen: Pen, palette: Palette, rng: Random) -> None:
    gold = (240, 190, 60)
    for side in (-1, 1):
        ring = [
            (side * (0.3 + 0.14 * math.cos(a)), -0.72 + 0.16 * math.sin(a))
            for a in (math.pi * (-0.6 + i / 8) for i in range(11))
        ]
        pen.line(ring, 0.05, gold, outline=True)
    pen.box(-0.24, -0.14, 0.24, 0, (90, 60, 44), volume=True)
    pen.shape([(-0.05, -0.4), (0.05, -0.4), (0.12, -0.14), (-0.12, -0.14)], gold, volume=True)
    pen.shape(
        [(-0.33, -0.98), (0.33, -0.98), (0.24, -0.55), (0.08, -0.38), (-0.08, -0.38), (-0.24, -0.55)],
        gold,
        volume=True,
    )
    pen.oval(0, -0.98, 0.33, 0.05, shade(gold, -0.3))


def surfboard(pen: Pen, palette: Palette, rng: Random) -> None:
    board = pen.at(0, 0, 1, 10)
    board.shape(
        [*bezier((-0.02, -1), (-0.28, -0.6), (-0.12, 0)), *bezier((0.12, 0), (0.28, -0.6), (0.02, -1))],
        palette.accent(0),
        volume=True,
    )
    board.line([(0, -0.92), (0, -0.05)], 0.03, (255, 255, 255))
    board.shape(
        [(-0.19, -0.55), (0.19, -0.55), (0.17, -0.38), (-0.17, -0.38)], palette.accent(2), outline=False
    )


def whale(pen: Pen, palette: Palette, rng: Random) -> None:
    blue = (70, 96, 140)
    pen.shape(
        [(0.5, -0.4), (0.72, -0.92), (0.92, -0.74), (0.84, -0.98), (0.98, -1.0), (0.86, -0.5), (0.62, -0.16)],
        blue,
    )
    pen.shape(
        [
            *bezier((-0.8, -0.3), (-0.7, -0.8), (-0.1, -0.68)),
            *bezier((-0.1, -0.68), (0.4, -0.6), (0.7, -0.36)),
            *bezier((0.62, -0.14), (0.2, 0.06), (-0.4, 0)),
            (-0.7, -0.08),
        ],
        blue,
        volume=True,
    )
    pen.shape([*bezier((-0.78, -0.2), (-0.4, -0.2), (0.0, -0.06)), (-0.4, 0), (-0.7, -0.08)], (214, 226, 236))
    pen.oval(-0.5, -0.36, 0.035, 0.04, (16, 16, 24), glow=True)
    for side in (-1, 1):
        pen.curve((-0.3, -0.7), (-0.3, -1.0), (-0.3 + side * 0.2, -0.92), 0.05, (200, 232, 250), glow=True)


def castle(pen: Pen, palette: Palette, rng: Random) -> None:
    stone, roof = shade(palette.stone, 0.15), palette.accent(1)
    pen.box(-0.34, -0.46, 0.34, 0, stone, volume=True)
    for x, top, w in ((-0.38, -0.62, 0.11), (0.38, -0.62, 0.11), (0.0, -0.74, 0.13)):
        pen.box(x - w, top, x + w, 0 if x else -0.4, stone, volume=True)
        pen.shape([(x - w * 1.25, top), (x + w * 1.25, top), (x, top - 0.26)], roof, volume=True)
        pen.oval(x, top + 0.12, 0.03, 0.055, (250, 226, 140), glow=True)
    pen.shape([(-0.09, 0), (-0.09, -0.16), (0, -0.24), (0.09, -0.16), (0.09, 0)], palette.wood)


def rocket(pen: Pen, palette: Palette, rng: Random) -> None:
    for scale, colour in ((1.0, (240, 120, 40)), (0.55, (255, 226, 110))):
        pen.shape(
            [
                (-0.1 * scale, -0.26),
                (0.1 * scale, -0.26),
                (0.05, -0.1),
                (0, -0.26 + 0.28 * scale),
                (-0.05, -0.1),
            ],
            colour,
            outline=False,
            glow=True,
        )
    for side in (-1, 1):
        pen.shape([(side * 0.14, -0.5), (side * 0.32, -0.22), (side * 0.12, -0.27)], palette.accent(0))
    pen.shape(
        [
            *bezier((-0.14, -0.25), (-0.26, -0.75), (0, -1.0)),
            *bezier((0, -1.0), (0.26, -0.75), (0.14, -0.25)),
        ],
        (236, 238, 242),
        volume=True,
    )
    pen.shape(
        [*bezier((-0.13, -0.8), (-0.06, -0.96), (0, -1.0)), *bezier((0, -1.0), (0.06, -0.96), (0.13, -0.8))],
        palette.accent(0),
    )
    pen.oval(0, -0.62, 0.075, 0.075, (110, 190, 236), glow=True)
