"""People: bodies in poses, drawn from a skeleton of angles, with a head from `faces`.

A body is drawn in its own frame: feet at (0, 0), crown of a standing person at y = -1. Angles of limbs are
in degrees outwards from hanging down: 0 hangs, 90 points sideways, 180 points up.
"""

import math
from dataclasses import dataclass
from random import Random

from .canvas import Pen, Point
from .colour import Colour, Palette, hsv, mix, shade
from .expressions import EXPRESSIONS, vary
from .faces import draw_head, make_look

Limb = tuple[float, float]  # angle of the upper and of the lower half


@dataclass(frozen=True, slots=True)
class Pose:
    """A posture. Sides are the viewer's: left is -x."""

    left_arm: Limb
    right_arm: Limb
    left_leg: Limb = (6.0, 2.0)
    right_leg: Limb = (6.0, 2.0)
    lean: float = 0.0  # of the trunk, degrees clockwise
    drop: float = 0.0  # how much lower the hips are than when standing
    lift: float = 0.0  # how far the body is off the ground
    tilt: float = 0.0  # of the head, degrees clockwise
    sink: float = 0.0  # how far the head sinks between the shoulders
    legs_last: bool = False  # knees in front of the trunk
    action: str | None = None  # the EmoSet action that it stands for, as spelt there
    holds: str | None = None  # an object of `objects` in the right hand
    expression: str | None = None  # an expression that the action calls for


POSES: dict[str, Pose] = {
    "stand": Pose((10, 6), (10, 6)),
    "walk": Pose((22, 4), (24, 30), (18, -6), (16, 24)),
    "wave": Pose((10, 4), (112, 168)),
    "belly_laugh": Pose((38, -58), (40, -62), (12, 4), (12, 4), lean=9, tilt=-14, action="laughing"),
    "juggle": Pose((52, 128), (52, 132), (10, 4), (10, 4), action="juggling balls", holds="balls"),
    "dance": Pose((132, 168), (72, 20), (6, 2), (48, -12), lean=-10, tilt=8),
    "tongue_out": Pose((62, 158), (62, 158), (10, 2), (10, 2), action="sticking tongue out"),
    "eat_ice": Pose((12, 6), (34, 142), tilt=6, action="eating ice cream", holds="ice_cream"),
    "balloon": Pose((14, 8), (118, 160), holds="balloons"),
    "arms_wide": Pose((100, 104), (100, 104), (8, 4), (8, 4), tilt=-8),
    "gaze_up": Pose((14, -30), (120, 128), (6, 2), (6, 2), tilt=-16),
    "climb": Pose((150, 176), (108, 170), (52, -30), (20, -8), lean=4, lift=0.02, action="rock climbing"),
    "lotus": Pose((34, -34), (34, -34), (84, -78), (84, -78), drop=0.335, legs_last=True, action="yoga"),
    "read": Pose((20, -62), (20, -62), (78, -50), (78, -50), drop=0.31, tilt=5, sink=0.02, legs_last=True,
                 action="reading book", holds="book"),
    "recline": Pose((140, -140), (140, -140), (16, 0), (40, -20), lean=-6, tilt=-8),
    "stroke_cat": Pose((24, -50), (26, -56), (70, -60), (70, -60), drop=0.32, tilt=6, legs_last=True,
                       action="petting cat", holds="cat"),
    "cheer": Pose((152, 170), (152, 170), (16, 8), (16, 8), tilt=-6, action="celebrating"),
    "leap": Pose((140, 158), (140, 158), (62, -40), (58, -44), lift=0.12, tilt=-6),
    "kick": Pose((96, 82), (58, 40), (4, 0), (74, 84), lean=-14, lift=0.02, action="kicking field goal",
                 holds="foot_ball"),
    "guitar": Pose((44, -76), (58, -20), (14, 6), (16, 8), lean=5, tilt=8, action="playing guitar",
                   holds="guitar"),
    "sing": Pose((104, 128), (34, 150), (12, 6), (12, 6), lean=-4, tilt=-8, action="singing",
                 holds="microphone"),
    "pump_fist": Pose((40, -30), (74, 176), (18, 6), (14, 6), lean=-4, action="pumping fist"),
    "punch": Pose((40, 140), (86, 92), (22, 8), (26, 4), lean=12, sink=0.02, action="boxing ",
                  holds="gloves"),
    "point": Pose((42, -52), (88, 88), (14, 6), (16, 6), lean=10, sink=0.01),
    "fists": Pose((56, -18), (56, -18), (20, 8), (20, 8), lean=0, sink=0.03),
    "arms_crossed": Pose((26, -74), (26, -74), (14, 6), (14, 6), sink=0.02),
    "swing_sword": Pose((58, 96), (126, 150), (26, 6), (22, 8), lean=-8, action="sword fighting",
                        holds="sword"),
    "hold_off": Pose((30, 140), (84, 108), (22, 8), (10, 2), lean=-16, tilt=-14, sink=0.01),
    "cover_mouth": Pose((20, -46), (36, 163), (8, 3), (8, 3), lean=-6, tilt=6, sink=0.02),
    "sick": Pose((30, -60), (38, -66), (14, 4), (14, 4), lean=24, tilt=20, sink=0.03),
    "sweep": Pose((30, -40), (34, -30), (14, 6), (14, 6), lean=8, tilt=-8, action="sweeping floor",
                  holds="broom"),
    "hands_on_cheeks": Pose((44, 158), (44, 158), (8, 2), (8, 2), sink=0.02),
    "cower": Pose((86, 172), (86, 172), (60, -52), (60, -52), drop=0.2, sink=0.05, tilt=8, lean=6),
    "flee": Pose((64, 10), (70, 150), (44, -46), (52, 10), lean=-14, lift=0.02, action="jogging"),
    "shield": Pose((70, 130), (100, 178), (24, 8), (10, 4), lean=-18, sink=0.05, tilt=-8),
    "holding_snake": Pose((60, 80), (60, 80), (10, 4), (10, 4), lean=-4, action="holding snake",
                          holds="snake"),
    "slump": Pose((4, -4), (4, -4), (4, 2), (4, 2), drop=0.02, sink=0.09, tilt=16, lean=3),
    "hug_knees": Pose((34, -44), (34, -44), (150, 2), (150, 2), drop=0.33, sink=0.06, tilt=10,
                      legs_last=True),
    "weep": Pose((38, 164), (38, 164), (6, 2), (6, 2), sink=0.08, tilt=8, action="crying",
                 expression="weeping"),
    "umbrella": Pose((8, 4), (42, 158), (4, 2), (4, 2), sink=0.05, tilt=8, holds="umbrella"),
    "kneel": Pose((18, -30), (18, -30), (26, -60), (26, -60), drop=0.2, sink=0.07, tilt=14),
}  # fmt: skip

SHOULDER, HIP = -0.655, -0.36  # heights of shoulders and hips of a standing body
UPPER_ARM, FOREARM, THIGH, SHIN = 0.145, 0.14, 0.185, 0.175
HEAD = 0.158  # half the height of a head


@dataclass(frozen=True, slots=True)
class Clothes:
    top: Colour
    bottom: Colour
    shoes: Colour
    sleeves: bool
    skirt: bool
    stripes: Colour | None


def make_clothes(rng: Random, palette: Palette) -> Clothes:
    top = rng.choice([*palette.accents, (236, 234, 228), (60, 62, 74), hsv(rng.random(), 0.4, 0.7)])
    return Clothes(
        top=top,
        bottom=rng.choice(
            [(54, 62, 92), (70, 66, 64), (120, 104, 84), shade(palette.accent(rng.randrange(6)), -0.35)]
        ),
        shoes=rng.choice([(40, 36, 40), (120, 78, 50), (230, 230, 230)]),
        sleeves=rng.random() < 0.6,
        skirt=rng.random() < 0.25,
        stripes=mix(top, (255, 255, 255), 0.5) if rng.random() < 0.2 else None,
    )


@dataclass(frozen=True, slots=True)
class Hands:
    """Where things can be held, in the body's frame."""

    left: Point
    right: Point
    left_foot: Point
    right_foot: Point
    chest: Point


def _limb(start: Point, limb: Limb, lengths: tuple[float, float], side: float) -> tuple[Point, Point]:
    first, second = math.radians(limb[0]), math.radians(limb[1])
    joint = (start[0] + side * lengths[0] * math.sin(first), start[1] + lengths[0] * math.cos(first))
    end = (joint[0] + side * lengths[1] * math.sin(second), joint[1] + lengths[1] * math.cos(second))
    return joint, end


def draw_person(
    pen: Pen, pose_name: str, expression: str, palette: Palette, rng: Random, fantastic: bool
) -> Hands:
    """Draw one person and return where the hands and feet came to lie."""
    pose, look, clothes = POSES[pose_name], make_look(rng, fantastic), make_clothes(rng, palette)

    def off(limb: Limb) -> Limb:
        return limb[0] + rng.uniform(-6, 6), limb[1] + rng.uniform(-6, 6)

    raised = pen.at(0, -pose.lift)
    hip = (0.0, HIP + pose.drop)
    lean = math.radians(pose.lean)
    trunk = SHOULDER - HIP
    neck = (hip[0] - trunk * math.sin(lean), hip[1] + trunk * math.cos(lean))
    across = (0.125 * math.cos(lean), 0.125 * math.sin(lean))
    shoulders = {side: (neck[0] + side * across[0], neck[1] + side * across[1] + 0.012) for side in (-1, 1)}
    legs = {
        side: (
            hip_joint := (hip[0] + side * 0.058, hip[1]),
            *_limb(hip_joint, off(limb), (THIGH, SHIN), side),
        )
        for side, limb in ((-1, pose.left_leg), (1, pose.right_leg))
    }
    arms = {
        side: (shoulders[side], *_limb(shoulders[side], off(limb), (UPPER_ARM, FOREARM), side))
        for side, limb in ((-1, pose.left_arm), (1, pose.right_arm))
    }

    def draw_legs() -> None:
        for side, (start, knee, foot) in legs.items():
            raised.line([start, knee, foot], 0.078, clothes.bottom, outline=True, volume=True)
            raised.oval(foot[0] + side * 0.022, foot[1] - 0.005, 0.056, 0.032, clothes.shoes, volume=True)

    if not pose.legs_last:
        draw_legs()
    _trunk(raised, hip, shoulders, clothes)
    if pose.legs_last:
        draw_legs()
    raised.line(
        [(neck[0], neck[1] + 0.02), (neck[0], neck[1] - 0.05)], 0.07, shade(look.skin, -0.12), outline=True
    )
    centre = (neck[0] - math.sin(-lean) * 0.13, neck[1] - 0.045 - HEAD + pose.sink)
    face = EXPRESSIONS[pose.expression or expression]
    draw_head(
        raised.at(*centre, HEAD, pose.tilt + pose.lean * 0.4 + rng.uniform(-4, 4)), look, vary(face, rng), rng
    )
    for side, (start, elbow, hand) in arms.items():
        raised.line(
            [start, elbow, hand],
            0.064,
            clothes.top if clothes.sleeves else look.skin,
            outline=True,
            volume=True,
        )
        if not clothes.sleeves:
            raised.line(
                [start, ((start[0] + elbow[0]) / 2, (start[1] + elbow[1]) / 2)],
                0.078,
                clothes.top,
                outline=True,
            )
        _hand(raised, elbow, hand, look.skin, side)
    lift = -pose.lift
    return Hands(
        *((p[0], p[1] + lift) for p in (arms[-1][2], arms[1][2], legs[-1][2], legs[1][2])),
        chest=((neck[0] + hip[0]) / 2, (neck[1] + hip[1]) / 2 + lift),
    )


def _trunk(pen: Pen, hip: Point, shoulders: dict[int, Point], clothes: Clothes) -> None:
    left, right = shoulders[-1], shoulders[1]
    waist = ((left[0] + right[0]) / 2 * 0.35 + hip[0] * 0.65, (left[1] + hip[1] * 2) / 3)
    points = [
        (left[0] - 0.015, left[1] + 0.02),
        (left[0] + 0.03, left[1] - 0.025),
        (right[0] - 0.03, right[1] - 0.025),
        (right[0] + 0.015, right[1] + 0.02),
        (waist[0] + 0.095, waist[1]),
        (hip[0] + 0.1, hip[1] + 0.03),
        (hip[0] - 0.1, hip[1] + 0.03),
        (waist[0] - 0.095, waist[1]),
    ]
    if clothes.skirt:
        flare = [
            (hip[0] - 0.09, hip[1] - 0.02),
            (hip[0] + 0.09, hip[1] - 0.02),
            (hip[0] + 0.17, hip[1] + 0.14),
            (hip[0] - 0.17, hip[1] + 0.14),
        ]
        pen.shape(flare, clothes.top, volume=True)
    pen.shape(points, clothes.top, volume=True)
    if clothes.stripes:
        for share in (0.3, 0.55, 0.8):
            y = left[1] + (hip[1] - left[1]) * share
            x = (left[0] + right[0]) / 2 + (hip[0] - (left[0] + right[0]) / 2) * share
            pen.line([(x - 0.085, y), (x + 0.085, y)], 0.03, clothes.stripes)


def _hand(pen: Pen, elbow: Point, hand: Point, skin: Colour, side: float) -> None:
    del side
    angle = math.atan2(hand[1] - elbow[1], hand[0] - elbow[0])
    for spread in (-0.75, 0.0, 0.75):
        tip = (hand[0] + 0.048 * math.cos(angle + spread), hand[1] + 0.048 * math.sin(angle + spread))
        pen.line([hand, tip], 0.021, skin, outline=True)
    pen.oval(*hand, 0.036, 0.036, skin)
