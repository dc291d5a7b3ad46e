"""The six EmoSet attributes of a drawn picture: two computed from its pixels, four known from its story."""

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageStat
from pydantic import Field

from ...foundation.config import Config
from .scenes import SCENES
from .story import Story, shown_action, shown_expression, shown_objects

# Share of EmoSet's images that have a scene: those with one (EmoGen's lists) over all, per emotion.
SCENE_SHARES = {
    "amusement": 0.22, "awe": 0.477, "contentment": 0.156, "excitement": 0.394,
    "anger": 0.096, "disgust": 0.095, "fear": 0.056, "sadness": 0.287,
}  # fmt: skip


class AttributeShares(Config):
    """How many pictures say what they show: as few as in EmoSet. What is not shown is never said."""

    scene: float = Field(
        default=1.0, ge=0, le=1, description="times EmoSet's own share of the emotion (24 % over all)"
    )
    object: float = Field(
        default=0.62, ge=0, le=1, description="of the pictures that show a nameable object (our choice)"
    )
    facial_expression: float = Field(
        default=0.4, ge=0, le=1, description="of those with an expression (our choice)"
    )
    human_action: float = Field(
        default=0.6, ge=0, le=1, description="of those with a nameable action (our choice)"
    )


def brightness(image: Image.Image) -> float:
    """Mean luma (ITU-R BT.601) over the picture, 0…1, in steps of 0.1. EmoSet's formula is not public."""
    return round(ImageStat.Stat(image.convert("L")).mean[0] / 255, 1)


def colorfulness(image: Image.Image) -> float:
    """Hasler and Süsstrunk's measure (2003) over 109 ("extremely colourful"), at most 1, in steps of 0.1."""
    red, green, blue = image.convert("RGB").split()
    # Differences are halved and moved to fit into bytes, so that Pillow can do the sums.
    red_green = ImageChops.subtract(red, green, 2.0, 128)
    yellow = ImageChops.add(red, green, 2.0, 0)
    yellow_blue = ImageChops.subtract(yellow, blue, 2.0, 128)
    rg, yb = ImageStat.Stat(red_green), ImageStat.Stat(yellow_blue)
    spread = math.hypot(2 * rg.stddev[0], 2 * yb.stddev[0])
    mean = math.hypot(2 * (rg.mean[0] - 128), 2 * (yb.mean[0] - 128))
    return min(1.0, round((spread + 0.3 * mean) / 109, 1))


def annotate(
    image: Image.Image, story: Story, identifier: str, label: str, shares: AttributeShares, rng: Random
) -> Mapping[str, Any]:
    """The annotation file's content: `label` and what is said of the picture; what is not said has no key."""
    annotation: dict[str, Any] = {
        "image_id": identifier,
        "emotion": label,
        "brightness": brightness(image),
        "colorfulness": colorfulness(image),
    }
    scene = SCENES[story.scene.value].label
    # About one drawn scene in five has no name in EmoSet; the named ones make up for it.
    wanted = {
        "scene": (scene, min(1.0, 1.08 * SCENE_SHARES[story.emotion]) * shares.scene),
        "object": (shown_objects(story) or None, shares.object),
        "facial_expression": (shown_expression(story), shares.facial_expression),
        "human_action": (shown_action(story), shares.human_action),
    }
    for key, (value, share) in wanted.items():
        if rng.random() < share and value is not None:
            annotation[key] = value
    return annotation
