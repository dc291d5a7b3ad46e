"""From a sample's record to the sentence the text teacher reads (paper: text T built from the annotations).

Attributes come first; a sample without them gives its caption, and one without captions the name of its
label. `faithful` inserts the values unchanged in the released order, `released` also tears objects of several
words apart, as the released code does; `safe` cleans them and puts the emotion first, where a cut at the
context length cannot reach it. The public description gives the words; full stops are our choice.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ..datasets.taxonomy import class_index, label_space
from ..foundation.config import Config

FACE_SPACES = {"fer7", "fer8", "caer7"}  # labels of these spaces say what a face shows
BRIGHTNESS = ("very dark", "dark", "neither dark nor bright", "bright", "very bright")
COLORFULNESS = ("almost without color", "muted in color", "moderately colorful", "colorful", "very colorful")
_NOT_WORDS = re.compile(r"https?://\S*|(?<!\w)@\w+:?|^RT\b")


class SentenceConfig(Config):
    """How sentences are made."""

    style: Literal["safe", "faithful", "released"] = Field(
        default="safe",
        description="safe: cleaned values, emotion first; faithful: raw values, released order; released: as "
        "faithful, with objects split at blanks, a defect of the released code",
    )
    text: Literal["attributes", "captions", "both"] = Field(
        default="attributes",
        description="attributes, or the caption of a sample without any; captions, or attributes where there "
        "is none; both: the attributes, then the caption",
    )
    text_emotion: bool = Field(
        default=True,
        description="Say the label; false: pretraining does not see emotion labels",
    )
    verbal_bins: bool = Field(
        default=True, description="safe style: say 'dark' or 'colorful', because CLIP cannot read 0.3"
    )
    objects: int = Field(default=6, ge=1, description="safe style: name at most this many objects")


class SentenceBuilder:
    """record → sentence, "" where nothing is known of the image. Picklable, deterministic."""

    def __init__(self, config: SentenceConfig) -> None:
        self.config = config

    def __call__(self, record: Mapping[str, Any]) -> str:
        attributes: Mapping[str, Any] = record.get("attributes") or {}
        safe, text = self.config.style == "safe", self.config.text
        parts = self._safe(attributes) if safe else self._faithful(attributes)
        caption = self._caption(record)
        if caption and (text == "captions" or not parts):
            return caption  # people's own words; ours would not add to them
        if caption and text == "both":
            parts.append(caption)
        if emotion := _emotion(record) if self.config.text_emotion else "":
            parts = [emotion, *parts] if safe else [*parts, emotion]
        return " ".join(parts)

    def _caption(self, record: Mapping[str, Any]) -> str:
        """The first caption; the others would need another sentence every time, which nothing could keep."""
        captions = record.get("captions")
        if not captions:
            return ""
        text = captions[0]["text"]
        return _clean(_NOT_WORDS.sub(" ", text)) if self.config.style == "safe" else text

    def _faithful(self, attributes: Mapping[str, Any]) -> list[str]:
        parts = []
        if "scene" in attributes:
            parts.append(f"The scene type of this photo is {attributes['scene']}.")
        if attributes.get("objects"):
            names = attributes["objects"]
            if self.config.style == "released":
                names = " ".join(names).split()
            parts.append(f"The main subjects are {_enumerate(names)}.")
        brightness, colorfulness = attributes.get("brightness"), attributes.get("colorfulness")
        if brightness is not None:
            parts.append(
                f"The image has a brightness of {brightness}" + ("." if colorfulness is None else "")
            )
        if colorfulness is not None:
            parts.append(f"and color saturation of {colorfulness}.")
        if "facial_expression" in attributes:
            parts.append(f"Human facial expression is {attributes['facial_expression']}.")
        if "human_action" in attributes:
            parts.append(f"The action being performed is {attributes['human_action']}.")
        return parts

    def _safe(self, attributes: Mapping[str, Any]) -> list[str]:
        parts = []
        if scene := _clean(attributes.get("scene", "")):
            parts.append(f"The scene type of this photo is {scene}.")
        named = dict.fromkeys(filter(None, map(_clean, attributes.get("objects") or [])))
        if objects := list({name.casefold(): name for name in reversed(named)}.values())[::-1]:
            parts.append(f"The main subjects are {_enumerate(objects[: self.config.objects])}.")
        if light := self._light(attributes.get("brightness"), attributes.get("colorfulness")):
            parts.append(light)
        if expression := _clean(attributes.get("facial_expression", "")):
            parts.append(f"Human facial expression is {expression}.")
        if action := _clean(attributes.get("human_action", "")):
            parts.append(f"The action being performed is {action}.")
        return parts

    def _light(self, brightness: float | None, colorfulness: float | None) -> str:
        if self.config.verbal_bins:
            said = [
                words[min(int(value * len(words)), len(words) - 1)]
                for value, words in ((brightness, BRIGHTNESS), (colorfulness, COLORFULNESS))
                if value is not None
            ]
            return f"The image is {' and '.join(said)}." if said else ""
        values = (("brightness", brightness), ("color saturation", colorfulness))
        said = [f"{name} of {value}" for name, value in values if value is not None]
        return f"The image has a {' and '.join(said)}." if said else ""


def _emotion(record: Mapping[str, Any]) -> str:
    """The sentence that says the first hard label of the record; "" where there is none."""
    for name in record.get("labels") or {}:
        space = label_space(name)
        if (place := class_index(record, space)) is None:
            continue
        word = space.names[place].rpartition("/")[2].replace("_", " ")
        if name in FACE_SPACES:
            return f"The facial expression is {word}."
        return f"The overall emotion conveyed is {word}."
    return ""


def _clean(value: str) -> str:
    """Underscores and slashes become blanks; blanks are single and nowhere at the ends."""
    return " ".join(re.sub(r"[_/]", " ", value).split())


def _enumerate(names: list[str]) -> str:
    """a | a and b | a, b and c"""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
