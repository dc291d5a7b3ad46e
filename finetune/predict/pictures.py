"""What Python programs have of a picture (a path, a PIL image, an array, a tensor) as a frame."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...datasets.stream.decode import to_rgb
from ...foundation.errors import UserError
from .sources import WEBCAM, Frame, picture

Picture = str | Path | Image.Image | np.ndarray | Tensor
"""A path (of a picture, a video, a folder), a PIL image, or uint8: an array [H, W, 3] or [H, W], a tensor
[3, H, W]."""


def listed(images: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """One picture as a list of it; a batch, [N, …], as its pictures."""
    if isinstance(images, np.ndarray | Tensor):
        return [images] if images.ndim <= 3 else list(images)
    return [images] if is_path(images) or isinstance(images, Image.Image) else images  # type: ignore[return-value]


def is_path(image: Any) -> TypeGuard[str | Path]:
    """Whether it is the path of a file. Raises UserError for a camera, which never ends."""
    if isinstance(image, str) and image.startswith(WEBCAM):
        raise UserError(f"{image}: cameras are for `vemo predict`, which gives rows as they come")
    return isinstance(image, str | Path)


def as_frame(image: Any, place: int) -> Frame:
    """A picture as uint8 RGB [3, H, W], or why it cannot be read.

    Raises UserError: what stands at `place` of the images is no picture.
    """
    if is_path(image):
        return picture(Path(image).expanduser())
    if isinstance(image, Image.Image):
        try:
            return Frame("", image=torch.from_numpy(np.array(to_rgb(image))).permute(2, 0, 1))
        except (OSError, ValueError, SyntaxError) as error:  # a file that Pillow decodes only now
            return Frame("", reason=str(error))
    if isinstance(image, np.ndarray):
        pixels = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size:
            return Frame("", image=torch.from_numpy(np.array(pixels, order="C")).permute(2, 0, 1))
        raise UserError(f"images[{place}]: {image.dtype} {[*image.shape]}; give uint8 RGB [H, W, 3]")
    if isinstance(image, Tensor):
        if image.dtype == torch.uint8 and image.ndim == 3 and image.shape[0] == 3 and image.numel():
            return Frame("", image=image.detach().cpu())
        raise UserError(f"images[{place}]: {image.dtype} {[*image.shape]}; give uint8 RGB [3, H, W]")
    raise UserError(
        f"images[{place}]: {type(image).__name__}; give a path, a PIL image, a uint8 array or tensor"
    )
