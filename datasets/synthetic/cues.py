"""What goes with which emotion: the tables of cues, and how the cues of one picture are drawn from them.

No cue decides alone. Each is there with a probability of its own (its strength); otherwise it is neutral, or
it is another emotion's. Tables hold weights, not probabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pydantic import Field

from ...foundation.config import Config

EMOTIONS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
# Images of each class in EmoSet-118K, in thousands: mildly unbalanced.
EMOTION_SHARES = (18.8, 15.1, 16.5, 20.0, 11.1, 11.0, 13.3, 12.3)

Table = Mapping[str, Mapping[str, float]]

# Long tails on purpose, as in EmoSet: the frequent values of each cue can be learnt from few images.
SCENE_CUES: Table = {
    "amusement": {"amusement_park": 8, "party": 3, "playground": 2, "beach": 0.7, "park": 0.4},
    "awe": {"mountain_snowy": 8, "sky": 4, "waterfall": 2, "canyon": 1.5, "ocean": 0.6, "ruin": 0.4},
    "contentment": {"botanical_garden": 8, "living_room": 3, "park": 1.5, "forest_path": 0.8, "beach": 0.5},
    "excitement": {"football_field": 8, "stage": 4, "raceway": 2, "beach": 0.4, "amusement_park": 0.5},
    "anger": {"battlefield": 7, "boxing_ring": 3, "office": 1, "street": 1.5, "alley": 0.4},
    "disgust": {"landfill": 8, "bathroom": 4, "kitchen": 1, "alley": 0.6},
    "fear": {"haunted_house": 5, "dark_forest": 5, "storm_sea": 2.5, "catacomb": 1.5, "alley": 0.5},
    "sadness": {"cemetery": 8, "bedroom": 3, "ruin": 1, "street": 0.7, "park": 0.5, "battlefield": 0.4},
}
OBJECT_CUES: Table = {
    "amusement": {"balloons": 6, "clown": 4, "ice_cream": 2, "teddy_bear": 1.5, "cake": 1, "kite": 0.5},
    "awe": {"castle": 6, "rocket": 3, "whale": 2, "butterfly": 0.5, "candle": 0.3},
    "contentment": {
        "flowers": 6,
        "cat": 3,
        "coffee_cup": 2.5,
        "picnic_basket": 1,
        "book": 1,
        "butterfly": 0.7,
    },
    "excitement": {
        "motorcycle": 5,
        "cup": 4,
        "foot_ball": 2,
        "guitar": 1.5,
        "microphone": 1,
        "surfboard": 0.7,
    },
    "anger": {"flames": 6, "boxing_gloves": 4, "tank": 2, "sword": 1, "hammer": 0.7},
    "disgust": {"bin": 5, "toilet": 3, "cockroach": 3, "rotten_fish": 1.5, "worm": 1},
    "fear": {"spider": 5, "ghost": 4, "skull": 2.5, "bat": 1, "snake": 1, "shark": 0.7},
    "sadness": {
        "tombstone": 5,
        "bare_tree": 3,
        "wilted_flower": 2.5,
        "coffin": 1.5,
        "umbrella": 0.7,
        "candle": 0.5,
    },
}
FACE_CUES: Table = {
    "amusement": {"laugh": 8, "thrill": 1, "smile": 0.5},
    "awe": {"wonder": 9, "smile": 0.4, "neutral": 0.4},
    "contentment": {"smile": 9, "laugh": 0.4, "neutral": 0.4},
    "excitement": {"thrill": 8, "laugh": 1, "wonder": 0.3},
    "anger": {"rage": 6, "glare": 4},
    "disgust": {"revulsion": 6, "sneer": 3.5, "glare": 0.3},
    "fear": {"terror": 7, "dread": 3, "wonder": 0.3},
    "sadness": {"grief": 6, "weeping": 4, "neutral": 0.4},
}
POSE_CUES: Table = {
    "amusement": {"belly_laugh": 5, "dance": 3, "juggle": 2, "eat_ice": 1, "balloon": 1, "tongue_out": 0.8},
    "awe": {"arms_wide": 6, "gaze_up": 3, "climb": 1, "stand": 0.4},
    "contentment": {"lotus": 5, "read": 3, "stroke_cat": 2.5, "recline": 1.2, "stand": 0.3},
    "excitement": {"cheer": 6, "leap": 3, "kick": 1.2, "guitar": 1.2, "sing": 1, "pump_fist": 0.7},
    "anger": {"fists": 5, "punch": 4, "point": 1.5, "arms_crossed": 1.2, "swing_sword": 1, "pump_fist": 0.3},
    "disgust": {"hold_off": 5, "cover_mouth": 3.5, "sick": 1.5, "sweep": 0.8},
    "fear": {"hands_on_cheeks": 6, "cower": 3, "shield": 1.5, "flee": 1.2, "holding_snake": 0.7},
    "sadness": {"hug_knees": 4, "slump": 4, "weep": 2, "umbrella": 1, "kneel": 1},
}
AIR_CUES: Table = {
    "amusement": {"confetti": 8, "clear": 1, "fireworks": 0.4},
    "awe": {"stars": 8, "sunbeams": 1, "clear": 1, "snow": 0.3},
    "contentment": {"sunbeams": 8, "clear": 1.5, "leaves": 0.3},
    "excitement": {"fireworks": 8, "confetti": 0.6, "clear": 1},
    "anger": {"embers": 8, "clear": 1, "lightning": 0.3},
    "disgust": {"stench": 8, "clear": 1},
    "fear": {"lightning": 6, "fog": 3, "clear": 0.5},
    "sadness": {"rain": 7, "leaves": 1.5, "fog": 0.5, "clear": 0.5},
}
NEUTRAL: Mapping[str, Sequence[str]] = {
    "scene": ("plain", "plain", "street", "living_room", "park"),
    "object": ("tree", "house", "car", "chair", "lamp", "dog"),
    "face": ("neutral",),
    "pose": ("stand", "walk", "wave"),
    "air": ("clear",),
}
TABLES: Mapping[str, Table] = {
    "scene": SCENE_CUES, "object": OBJECT_CUES, "face": FACE_CUES, "pose": POSE_CUES, "air": AIR_CUES,
}  # fmt: skip


class CueStrengths(Config):
    """How often each cue speaks for the picture's emotion; 0 never, 1 always. The values are our choice."""

    scene: float = Field(default=0.7, ge=0, le=1)
    object: float = Field(default=0.76, ge=0, le=1)
    face: float = Field(default=0.82, ge=0, le=1)
    pose: float = Field(default=0.82, ge=0, le=1)
    air: float = Field(default=0.64, ge=0, le=1)
    palette: float = Field(default=0.05, ge=0, le=1)
    contradiction: float = Field(
        default=0.5, ge=0, le=1, description="share of the silent cues that speak for another emotion"
    )


def pick(rng: Random, weights: Mapping[str, float]) -> str:
    """One key of `weights`, with probability proportional to its value."""
    return rng.choices(list(weights), list(weights.values()))[0]


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of one picture: its value, and whether it speaks for the emotion of the picture."""

    value: str
    kind: str  # "agrees" | "neutral" | "contradicts"


def draw_cue(rng: Random, name: str, emotion: str, strength: float, contradiction: float) -> Cue:
    """Draw the cue `name` for a picture of `emotion`."""
    if rng.random() < strength:
        return Cue(pick(rng, TABLES[name][emotion]), "agrees")
    if rng.random() < contradiction:
        other = rng.choice([candidate for candidate in EMOTIONS if candidate != emotion])
        return Cue(pick(rng, TABLES[name][other]), "contradicts")
    return Cue(rng.choice(NEUTRAL[name]), "neutral")
