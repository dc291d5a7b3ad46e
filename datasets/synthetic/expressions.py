"""Facial expressions as numbers: where brows, lids and the corners of the mouth go.

The unit is half the height of a head; heights are positive upwards.
"""

from dataclasses import dataclass, replace
from random import Random

from .colour import Colour


@dataclass(frozen=True, slots=True)
class Expression:
    """The geometry of one expression; `label` is the EmoSet value that it stands for, None if neutral."""

    label: str | None
    brow_inner: float = 0.0  # height of the brow's inner end, + is raised
    brow_outer: float = 0.0
    brow_arch: float = 0.08
    eyes: float = 1.0  # opening: 1 relaxed, 1.4 staring
    closed: str = ""  # "up" ∩ laughing, "down" ∪ resting, "" open
    lid_inner: float = 0.12  # how far the upper lid hangs over the eye (share of its height), inner end
    lid_outer: float = 0.12
    lower_lid: float = 0.0
    pupil: float = 1.0
    gaze: float = 0.0  # + looks down
    smile: float = 0.0  # height of the mouth's corners: + up, - down
    width: float = 0.34  # half the width of the mouth
    opening: float = 0.0
    upper_lip: float = 0.0  # lift of the middle of the upper lip
    teeth: str = ""  # "upper", "clenched"
    tongue: float = 0.0  # 1: shows in the mouth, 2: hangs out
    skew: float = 0.0  # one corner higher than the other
    wavy: float = 0.0
    wrinkles: float = 0.0  # on the nose and between the brows
    blush: float = 0.0
    tears: int = 0
    sweat: int = 0
    tint: Colour | None = None


EXPRESSIONS: dict[str, Expression] = {
    "laugh": Expression("happy", brow_inner=0.12, brow_outer=0.1, brow_arch=0.12, closed="up", smile=0.24,
                        width=0.46, opening=0.46, teeth="upper", tongue=1, blush=0.6),
    "smile": Expression("happy", brow_inner=0.05, brow_outer=0.02, brow_arch=0.1, closed="down", smile=0.2,
                        width=0.36, blush=0.9),
    "thrill": Expression("happy", brow_inner=0.16, brow_outer=0.16, brow_arch=0.14, eyes=1.35, lid_inner=0,
                         lid_outer=0, pupil=1.25, smile=0.16, width=0.42, opening=0.42, teeth="upper",
                         tongue=1),
    "wonder": Expression("surprise", brow_inner=0.22, brow_outer=0.2, brow_arch=0.16, eyes=1.4, lid_inner=0,
                         lid_outer=0, pupil=1.15, gaze=-0.35, width=0.15, opening=0.34),
    "rage": Expression("angry", brow_inner=-0.24, brow_outer=0.2, brow_arch=0.02, eyes=1.0, lid_inner=0.52,
                       lid_outer=0.0, lower_lid=0.12, pupil=0.75, smile=-0.14, width=0.4, opening=0.3,
                       teeth="clenched", wrinkles=1, tint=(226, 60, 40)),
    "glare": Expression("angry", brow_inner=-0.24, brow_outer=0.16, brow_arch=0.02, eyes=0.95, lid_inner=0.56,
                        lid_outer=0.06, lower_lid=0.14, pupil=0.8, smile=-0.2, width=0.32, wrinkles=0.8,
                        tint=(220, 80, 50)),
    "revulsion": Expression("disgust", brow_inner=-0.14, brow_outer=0.0, brow_arch=0.06, eyes=0.62,
                            lid_inner=0.34, lid_outer=0.3, lower_lid=0.3, pupil=0.8, smile=-0.16, width=0.36,
                            opening=0.16, upper_lip=0.14, tongue=2, skew=0.06, wavy=0.03, wrinkles=1.5,
                            tint=(120, 170, 70)),
    "sneer": Expression("disgust", brow_inner=-0.12, brow_outer=0.04, brow_arch=0.05, eyes=0.7,
                        lid_inner=0.36,
                        lid_outer=0.3, lower_lid=0.34, pupil=0.8, gaze=0.2, smile=-0.1, width=0.34,
                        upper_lip=0.06, skew=0.16, wavy=0.07, wrinkles=1.5, tint=(140, 170, 90)),
    "terror": Expression("fear", brow_inner=0.3, brow_outer=-0.02, brow_arch=0.08, eyes=1.5, lid_inner=0,
                         lid_outer=0, pupil=0.42, smile=-0.12, width=0.34, opening=0.46, wavy=0.015, sweat=3,
                         tint=(190, 205, 235)),
    "dread": Expression("fear", brow_inner=0.26, brow_outer=-0.04, brow_arch=0.06, eyes=1.35, lid_inner=0,
                        lid_outer=0, pupil=0.5, smile=-0.1, width=0.36, opening=0.16, teeth="clenched",
                        wavy=0.06, sweat=2, tint=(190, 205, 235)),
    "grief": Expression("sad", brow_inner=0.24, brow_outer=-0.14, brow_arch=0.02, eyes=0.85, lid_inner=0.05,
                        lid_outer=0.45, gaze=0.4, smile=-0.2, width=0.28, tears=2),
    "weeping": Expression("sad", brow_inner=0.26, brow_outer=-0.12, brow_arch=0.02, closed="down", smile=-0.2,
                          width=0.34, opening=0.2, wavy=0.02, tears=4),
    "neutral": Expression(None),
}  # fmt: skip


def vary(expression: Expression, rng: Random) -> Expression:
    """The same expression on another face: every number a little off."""
    changes = {}
    for name in ("brow_inner", "brow_outer", "smile", "width", "opening", "eyes", "pupil"):
        changes[name] = getattr(expression, name) * rng.uniform(0.86, 1.18)
    return replace(expression, **changes)
