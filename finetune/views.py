"""What fine-tuning sees of a sample: the image, the person in it, or both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from ..datasets.stream.order import generator
from ..datasets.stream.transforms import (
    EvaluationView,
    Region,
    horizontal_flip,
    resize_region,
    sample_crop,
)
from ..pretrain.views import RATIO, ViewConfig, person_region
from .augmentation import AugmentationConfig, draw_warp, rand_augment, random_erasing, warp_region

Look = Literal["none", "crop", "crop_and_scene"]
"""none: the image; crop: the person's box in its stead; crop_and_scene: the image and the box."""
Extra = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What else a sample gives, from its record. Picklable."""


class FinetuneView:
    """A stream view → {"image": uint8 [3, S, S], *extras}; where a person is looked at "has_person": bool,
    with crop_and_scene "person", like "image".

    crop: "image" is cut at random from the person's box (`person_region`) as otherwise from the image.
    crop_and_scene: "image" is what it would be without; the person is mirrored with it and changed by the
    same policy, with draws of its own, but not cropped at random. Without a usable box the box is the whole
    image. Picklable; the image is decoded once.
    """

    def __init__(
        self, config: AugmentationConfig, image_size: int, extras: Sequence[Extra] = (), look: Look = "none"
    ) -> None:
        self.config, self.image_size, self.extras, self.look = config, image_size, tuple(extras), look
        self.choice = person_choice(config)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        config, numbers = self.config, generator(seed)
        image, fast = image_loader(), getattr(image_loader, "fast", False)
        found: dict[str, Any] = {}
        box = whole = (0, 0, image.shape[1], image.shape[2])
        if self.look != "none":
            box, found["has_person"] = shown_person(image, record, self.choice)
        top, left, height, width = box if self.look == "crop" else whole
        down, across, tall, wide = sample_crop(height, width, config.scale, RATIO, numbers)
        mirrored = bool(numbers.random() < config.flip)
        found["image"] = self._show(image, (top + down, left + across, tall, wide), mirrored, numbers, fast)
        if self.look == "crop_and_scene":
            found["person"] = self._show(image, box, mirrored, numbers, fast)
        return _with_extras(found, self.extras, record)

    def _show(
        self, image: Tensor, region: Region, mirrored: bool, numbers: np.random.Generator, fast: bool
    ) -> Tensor:
        config, size = self.config, self.image_size
        matrix = draw_warp(config, numbers) if config.policy == "emotion-safe" else None
        if matrix is None:
            shown = resize_region(image, region, size, config.interpolation, fast)
        else:
            shown = warp_region(image, region, matrix, size, config.interpolation, fast)
        shown = horizontal_flip(shown, numbers, float(mirrored), fast)
        if config.policy == "randaugment":
            shown = rand_augment(shown, config, numbers)
        return random_erasing(shown, config.erasing, numbers)


class FinetuneEvaluationView:
    """`EvaluationView` with the keys of a `FinetuneView`; nothing random. A person's box is shown whole, also
    where less than all of an image is (`crop_fraction`). Picklable."""

    def __init__(
        self,
        config: AugmentationConfig,
        image_size: int,
        extras: Sequence[Extra] = (),
        crop_fraction: float = 0.875,
        look: Look = "none",
    ) -> None:
        self.choice, self.extras, self.look = person_choice(config), tuple(extras), look
        self.view = EvaluationView(image_size, crop_fraction, config.interpolation)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        image = image_loader()
        found = self.view(lambda: image, record, seed)
        if self.look != "none":
            region, found["has_person"] = shown_person(image, record, self.choice)
            person = resize_region(image, region, self.view.size, self.view.interpolation)
            if self.look == "crop_and_scene":
                found["person"] = person
            elif found["has_person"]:
                found["image"] = person
        return _with_extras(found, self.extras, record)


def person_choice(config: AugmentationConfig) -> ViewConfig:
    """The same choice in pretraining's terms."""
    return ViewConfig(person=config.person, margin=config.margin)


def shown_person(image: Tensor, record: dict[str, Any], choice: ViewConfig) -> tuple[Region, bool]:
    """(region, whether it shows a person): the whole image where no box is usable."""
    height, width = image.shape[1:]
    region = person_region(record, height, width, choice)
    return region or (0, 0, height, width), region is not None


def count_without_person(records: Iterable[dict[str, Any]], config: AugmentationConfig) -> dict[str, int]:
    """{"samples", "without"}: how many records, and how many of them have no box that a view could show."""
    choice = person_choice(config)
    boxes = [
        person_region(record, record["height"], record["width"], choice) is not None for record in records
    ]
    return {"samples": len(boxes), "without": boxes.count(False)}


def _with_extras(found: dict[str, Any], extras: Sequence[Extra], record: dict[str, Any]) -> dict[str, Any]:
    for extra in extras:
        found |= extra(record)
    return found
