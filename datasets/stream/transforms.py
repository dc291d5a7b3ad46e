"""Crops, resizes and flips of uint8 RGB tensors [3, H, W], driven by a numpy Generator.

Every function takes what is random from the generator it is given and nothing else, so that a view is a
function of (image, seed). Values stay uint8: normalising belongs on the device, on whole batches. Resizing
antialiases; with `fast=True` it is OpenCV's, bilinear below a reduction of two and area averaging from there
on.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...foundation.errors import UserError
from .decode import DCT_SCALES, ImageLoader, fast_packages

Interpolation = Literal["bilinear", "bicubic"]
Region = tuple[int, int, int, int]  # top, left, height, width in pixels

# The usual sampling of Inception-style crops: ten tries, then the largest central crop that is allowed.
_TRIES = 10


def sample_crop(
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: np.random.Generator,
) -> Region:
    """Draw the region of a random resized crop, as torchvision's `RandomResizedCrop` does.

    Args:
        height, width: of the image, in pixels.
        scale: smallest and largest area, as a fraction of the image's.
        ratio: smallest and largest width / height; drawn uniformly in its logarithm.
    """
    for _ in range(_TRIES):
        area_draw, ratio_draw, top_draw, left_draw = generator.random(4).tolist()
        area = height * width * (scale[0] + (scale[1] - scale[0]) * area_draw)
        aspect = ratio[0] * (ratio[1] / ratio[0]) ** ratio_draw
        crop_width = round(math.sqrt(area * aspect))
        crop_height = round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(top_draw * (height - crop_height + 1))
            left = int(left_draw * (width - crop_width + 1))
            return top, left, crop_height, crop_width
    crop_width = min(width, max(1, round(height * ratio[1])))
    crop_height = min(height, max(1, round(width / ratio[0])))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def resize_region(
    image: Tensor, region: Region, size: int, interpolation: Interpolation = "bilinear", fast: bool = False
) -> Tensor:
    """Resize one region of uint8 [3, H, W] to [3, size, size]."""
    top, left, height, width = region
    pixels = image[:, top : top + height, left : left + width].permute(1, 2, 0)
    if (height, width) == (size, size):
        return pixels.contiguous().permute(2, 0, 1)
    if fast:
        _, cv2 = fast_packages()
        reduction = max(height, width) / size
        if interpolation == "bicubic" and reduction < 2:
            method = cv2.INTER_CUBIC
        else:
            method = cv2.INTER_LINEAR if reduction < 2 else cv2.INTER_AREA
        resized = cv2.resize(pixels.numpy(), (size, size), interpolation=method)
        return torch.from_numpy(resized).permute(2, 0, 1)
    # Copying the region first is cheap, and torch's vectorised uint8 resize takes packed pixels only. The
    # batch axis is added before permuting: afterwards, its stride would hide the layout from torch.
    batch = pixels.contiguous()[None].permute(0, 3, 1, 2)
    resized = functional.interpolate(batch, (size, size), mode=interpolation, antialias=True)
    return resized[0]


def random_resized_crop(
    image: Tensor,
    size: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: np.random.Generator,
    interpolation: Interpolation = "bilinear",
    fast: bool = False,
) -> Tensor:
    """A random region of uint8 [3, H, W], resized to [3, size, size] (see `sample_crop`)."""
    region = sample_crop(image.shape[1], image.shape[2], scale, ratio, generator)
    return resize_region(image, region, size, interpolation, fast)


def load_random_resized_crop(
    loader: Callable[[], Tensor],
    size: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: np.random.Generator,
    interpolation: Interpolation = "bilinear",
) -> Tensor:
    """Decode and `random_resized_crop` in one go: the same region, cheaper on the fast path.

    Where the loader is fast and the region is at least twice the size asked for, the JPEG is decoded at 1/2,
    1/4 or 1/8 (the inverse DCT averages, so this also antialiases). A loader that is not fast decodes in
    full.
    """
    if not isinstance(loader, ImageLoader) or not loader.fast:
        return random_resized_crop(loader(), size, scale, ratio, generator, interpolation)
    if not loader.scales:
        return random_resized_crop(loader(), size, scale, ratio, generator, interpolation, fast=True)
    height, width = loader.size
    region = sample_crop(height, width, scale, ratio, generator)
    factor = next((each for each in DCT_SCALES if min(region[2:]) >= each * size), 1)
    image = loader(factor)
    # The decoder may have fallen back to full size; the regions are scaled by what it gave.
    return resize_region(image, _scaled(region, height, width, image), size, interpolation, fast=True)


def _scaled(region: Region, height: int, width: int, image: Tensor) -> Region:
    given_height, given_width = image.shape[1:]
    if (given_height, given_width) == (height, width):
        return region
    vertical, horizontal = given_height / height, given_width / width
    top, left, crop_height, crop_width = region
    new_top = min(round(top * vertical), given_height - 1)
    new_left = min(round(left * horizontal), given_width - 1)
    new_height = max(1, min(round(crop_height * vertical), given_height - new_top))
    new_width = max(1, min(round(crop_width * horizontal), given_width - new_left))
    return new_top, new_left, new_height, new_width


def resize_center_crop(
    image: Tensor,
    size: int,
    crop_fraction: float = 0.875,
    interpolation: Interpolation = "bilinear",
    fast: bool = False,
) -> Tensor:
    """The central square of uint8 [3, H, W] as [3, size, size].

    The square's side is `crop_fraction` of the shorter side. 0.875 is the usual 224 out of 256; it is cut
    before resizing instead of after, which differs only in the outermost pixels.
    """
    height, width = image.shape[1:]
    side = max(1, round(min(height, width) * crop_fraction))
    region = ((height - side) // 2, (width - side) // 2, side, side)
    return resize_region(image, region, size, interpolation, fast)


def horizontal_flip(
    image: Tensor, generator: np.random.Generator, probability: float = 0.5, fast: bool = False
) -> Tensor:
    """Mirror [3, H, W] left to right if the next draw from [0, 1) is below `probability`.

    So 1 always does and 0 never. `fast` mirrors with OpenCV; the result is the same.
    """
    if generator.random() >= probability:
        return image
    if not fast:
        return image.flip(-1)
    _, cv2 = fast_packages()
    return torch.from_numpy(cv2.flip(image.permute(1, 2, 0).numpy(), 1)).permute(2, 0, 1)


def box_region(
    box: Sequence[float], height: int, width: int, margin: float = 0.0, minimum: int = 1
) -> Region:
    """The whole-pixel region around a box: widened, clipped to the image, and at least `minimum` a side.

    Args:
        box: x1, y1, x2, y2 in pixels; it may reach beyond the image.
        margin: added on every side, as a fraction of the box's own width and height.
        minimum: smallest side in pixels; a smaller region grows about its centre and is shifted into the
        image
            (an image smaller than `minimum` is taken whole).

    Raises:
        UserError: the box is not finite, upside down, or lies outside the image.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 < x1 or y2 < y1:
        raise UserError(f"box {list(box)} is not x1 ≤ x2, y1 ≤ y2 in finite numbers")
    if x2 < 0 or y2 < 0 or x1 >= width or y1 >= height:
        raise UserError(f"box {list(box)} lies outside the {width}×{height} image")
    left, crop_width = _box_side(x1, x2, width, margin, minimum)
    top, crop_height = _box_side(y1, y2, height, margin, minimum)
    return top, left, crop_height, crop_width


def _box_side(low: float, high: float, limit: int, margin: float, minimum: int) -> tuple[int, int]:
    widening = margin * (high - low)
    start = max(0, math.floor(low - widening))
    end = min(limit, math.ceil(high + widening))
    length = min(max(end - start, minimum, 1), limit)
    if length > end - start:
        start = (start + end - length + 1) // 2
    return min(max(start, 0), limit - length), length


def crop_box(image: Tensor, box: Sequence[float], margin: float = 0.0, minimum: int = 1) -> Tensor:
    """The part of uint8 [3, H, W] around a box, [3, h, w] (see `box_region`); a view, not a copy."""
    top, left, height, width = box_region(box, image.shape[1], image.shape[2], margin, minimum)
    return image[:, top : top + height, left : left + width]


@dataclass(frozen=True)
class EvaluationView:
    """The view for evaluation and feature extraction: {"image": uint8 [3, size, size]}, nothing random."""

    size: int
    crop_fraction: float = 0.875
    interpolation: Interpolation = "bilinear"

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        return {
            "image": resize_center_crop(image_loader(), self.size, self.crop_fraction, self.interpolation)
        }
