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

SCENE_CUES: Table = {
    "amusement": {"amusement_park": 6, "party": 4, "playground": 4, "beach": 2, "stage": 0.7, "park": 0.7},
    "awe": {"mountain_snowy": 5, "sky": 4, "waterfall": 3.5, "canyon": 3.5, "ocean": 1.5, "ruin": 0.8},
    "contentment": {"botanical_garden": 4.5, "park": 3, "living_room": 3, "forest_path": 2, "beach": 1.2,
                    "ocean": 1, "bedroom": 0.7},
    "excitement": {"football_field": 5, "stage": 5, "raceway": 4, "beach": 0.8, "amusement_park": 0.8},
    "anger": {"boxing_ring": 3.5, "battlefield": 3.5, "street": 2.5, "office": 3, "alley": 0.8},
    "disgust": {"landfill": 5, "bathroom": 4.5, "kitchen": 2.5, "alley": 1.5},
    "fear": {"haunted_house": 4, "dark_forest": 4, "storm_sea": 3, "catacomb": 3, "alley": 1},
    "sadness": {"cemetery": 6, "bedroom": 3, "street": 1.5, "ruin": 1.5, "park": 0.7, "battlefield": 0.7},
}  # fmt: skip
OBJECT_CUES: Table = {
    "amusement": {"balloons": 3, "clown": 3, "ice_cream": 2, "teddy_bear": 2, "cake": 2, "kite": 1},
    "awe": {"whale": 2.5, "castle": 3, "rocket": 2.5, "butterfly": 0.6, "candle": 0.4},
    "contentment": {"flowers": 3, "coffee_cup": 3, "book": 2, "cat": 2.5, "butterfly": 1.5,
                    "picnic_basket": 2},
    "excitement": {"foot_ball": 3, "guitar": 2.5, "microphone": 2, "motorcycle": 2.5, "cup": 2.5,
                   "surfboard": 2},
    "anger": {"boxing_gloves": 3, "sword": 2.5, "hammer": 2, "tank": 2.5, "flames": 3},
    "disgust": {"bin": 3, "toilet": 2.5, "cockroach": 3, "worm": 2.5, "rotten_fish": 3},
    "fear": {"spider": 3, "snake": 3, "skull": 2.5, "ghost": 2.5, "bat": 2, "shark": 2},
    "sadness": {"coffin": 2, "candle": 1.5, "tombstone": 3, "wilted_flower": 3, "bare_tree": 2,
                "umbrella": 1.5},
}  # fmt: skip
FACE_CUES: Table = {
    "amusement": {"laugh": 6, "thrill": 1.5, "smile": 1},
    "awe": {"wonder": 8, "smile": 0.8, "neutral": 0.6},
    "contentment": {"smile": 8, "laugh": 0.5, "neutral": 0.6},
    "excitement": {"thrill": 6, "laugh": 2, "wonder": 0.5},
    "anger": {"rage": 4.5, "glare": 4.5},
    "disgust": {"revulsion": 5, "sneer": 4, "glare": 0.4},
    "fear": {"terror": 5, "dread": 4, "wonder": 0.6},
    "sadness": {"grief": 5, "weeping": 3.5, "neutral": 0.6},
}
POSE_CUES: Table = {
    "amusement": {"belly_laugh": 3, "juggle": 2.5, "dance": 2, "tongue_out": 2, "eat_ice": 1.5, "balloon": 2},
    "awe": {"arms_wide": 3, "gaze_up": 3.5, "climb": 2.5, "stand": 0.8},
    "contentment": {"lotus": 3, "read": 3, "recline": 2, "stroke_cat": 2.5, "stand": 0.6},
    "excitement": {"cheer": 3, "leap": 3, "kick": 2, "guitar": 2, "sing": 1.5, "pump_fist": 1.2},
    "anger": {"punch": 3, "point": 2.5, "fists": 3, "arms_crossed": 2, "swing_sword": 2, "pump_fist": 0.4},
    "disgust": {"hold_off": 3.5, "cover_mouth": 3.5, "sick": 2.5, "sweep": 1.5},
    "fear": {"hands_on_cheeks": 3.5, "cower": 3, "flee": 2, "shield": 2.5, "holding_snake": 1},
    "sadness": {"slump": 3, "hug_knees": 3, "weep": 3, "umbrella": 1.5, "kneel": 2},
}
AIR_CUES: Table = {
    "amusement": {"confetti": 5, "clear": 3, "fireworks": 1},
    "awe": {"stars": 4, "sunbeams": 3, "clear": 2, "snow": 0.7},
    "contentment": {"sunbeams": 3.5, "clear": 5, "leaves": 0.7},
    "excitement": {"fireworks": 5, "confetti": 2, "clear": 2},
    "anger": {"embers": 6, "clear": 3, "lightning": 0.5},
    "disgust": {"stench": 7, "clear": 2},
    "fear": {"lightning": 4, "fog": 4, "clear": 1},
    "sadness": {"rain": 5, "leaves": 2.5, "fog": 1, "clear": 1},
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
    air: float = Field(default=0.55, ge=0, le=1)
    palette: float = Field(default=0.08, ge=0, le=1)
    contradiction: float = Field(
        default=0.4, ge=0, le=1, description="share of the silent cues that speak for another emotion"
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
