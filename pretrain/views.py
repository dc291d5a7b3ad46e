"""What pretraining sees of a sample: the scene, the person in it, and the sentence (paper: I, B and T)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from ..datasets.stream.transforms import (
    Region,
    box_region,
    horizontal_flip,
    load_random_resized_crop,
    random_resized_crop,
    resize_region,
)
from ..foundation.config import Config
from .sentences import SentenceBuilder

RATIO = (3 / 4, 4 / 3)
SMALLEST_PERSON = 32  # pixels; a smaller crop shows nothing


class ViewConfig(Config):
    """How the two views are cut. Flips: `tie_flip` mirrors the person exactly when the scene is mirrored."""

    scale: tuple[float, float] = Field(
        default=(0.2, 1.0), description="Area of the scene crop, as a share of the image"
    )
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of mirroring")
    scenes: int | None = Field(
        default=None,
        ge=1,
        description="How many scenes there are of an image to choose from; null: a new one every time. About "
        "so many a teacher can be asked beforehand",
    )
    person_view: Literal["crop", "second_view", "none"] = Field(
        default="crop",
        description="crop: the person's box; second_view: another random crop, which is what the released "
        "code does; none: no person branch",
    )
    person: Literal["score_and_size", "score", "size"] = Field(
        default="score_and_size",
        description="Which of several persons: by score·√area, score (as released) or area",
    )
    margin: float = Field(default=0.1, ge=0, description="Widening on each side, as a share of the box")
    tie_flip: bool = False

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "ViewConfig":
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale must be 0 < low ≤ high ≤ 1, got {list(self.scale)}")
        return self


class Extra(Protocol):
    """What else a sample gives, a function of its record and of the number of the scene that is shown."""

    def __call__(self, record: Mapping[str, Any], scene: int) -> dict[str, Any]: ...


class PretrainView:
    """A stream view → {"scene", "person": uint8 [3, S, S], "has_person": bool, "sentence": str, *extras}.

    Picklable; the image is decoded once; all that is random comes from the sample's seed. "person" is absent
    with person_view=none. Without a usable box it shows the whole image and "has_person" is false.
    """

    def __init__(
        self, config: ViewConfig, image_size: int, sentence: SentenceBuilder, extras: Sequence[Extra] = ()
    ) -> None:
        self.config = config
        self.image_size = image_size
        self.sentence = sentence
        self.extras = tuple(extras)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        scene = seed % self.config.scenes if self.config.scenes else 0
        known = {"has_person": False, "sentence": self.sentence(record)}
        for extra in self.extras:
            known |= extra(record, scene)
        scene_seed = numbered_scene(record["id"], scene) if self.config.scenes else seed % 2**64
        return known | self._views(image_loader, record, scene_seed, seed % 2**64)

    def _views(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], scene_seed: int, seed: int
    ) -> dict[str, Any]:
        config, size = self.config, self.image_size
        # Two streams of random numbers: the scene of a seed is the same whatever the person branch does.
        scene_numbers = np.random.default_rng([scene_seed, 0])
        person_numbers = np.random.default_rng([seed, 1])
        if config.person_view == "none":
            scene = load_random_resized_crop(
                image_loader, size, config.scale, RATIO, scene_numbers, config.interpolation
            )
            return {"scene": horizontal_flip(scene, scene_numbers, config.flip)}
        image, fast = image_loader(), getattr(image_loader, "fast", False)
        options: Any = {"interpolation": config.interpolation, "fast": fast}
        scene = random_resized_crop(image, size, config.scale, RATIO, scene_numbers, **options)
        mirrored = scene_numbers.random() < config.flip
        if config.person_view == "second_view":
            region = None
            person = random_resized_crop(image, size, config.scale, RATIO, person_numbers, **options)
        else:
            region = person_region(record, image.shape[1], image.shape[2], config)
            whole = (0, 0, image.shape[1], image.shape[2])
            person = resize_region(image, region or whole, size, **options)
        own = person_numbers.random() < config.flip
        return {
            "scene": horizontal_flip(scene, scene_numbers, float(mirrored)),
            "person": horizontal_flip(person, person_numbers, float(mirrored if config.tie_flip else own)),
            "has_person": region is not None,
        }


def numbered_scene(identifier: str, number: int) -> int:
    """The seed of one of an image's scenes: the same in every run, epoch, mixture and process."""
    text = f"{number}:{identifier}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


def person_region(record: dict[str, Any], height: int, width: int, config: ViewConfig) -> Region | None:
    """The part of the image that shows the chosen person, in whole pixels; None where no box is usable.

    The box is widened by the margin, then its shorter side towards a square as far as the image reaches, so
    that resizing to a square bends the person little and cuts nothing off (our choice).
    """
    boxes = [
        (person["box"], person.get("score") or 0.0)
        for person in record.get("persons") or []
        if _inside(person["box"], height, width)
    ]
    if not boxes:
        return None
    box, _ = max(boxes, key=lambda pair: _merit(*pair, config.person))
    top, left, tall, wide = box_region(box, height, width, config.margin)
    if min(tall, wide) < SMALLEST_PERSON:
        return None
    side = max(tall, wide)
    return box_region((left, top, left + wide, top + tall), height, width, minimum=side)


def _merit(box: Sequence[float], score: float, rule: str) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return {"score": score, "size": area, "score_and_size": score * area**0.5}[rule]


def _inside(box: Sequence[float], height: int, width: int) -> bool:
    """Some of the box, of a size above zero, lies in the image."""
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    return x1 < x2 and y1 < y2
