"""Eight ways in which pictures go wrong, in five strengths: pure functions of (image, sample).

Kinds and the idea of five severities are Hendrycks & Dietterich 2019 (ImageNet-C); the parameters are ours
and stand in `PARAMETERS`. Lengths are shares of the image's shorter side, so that they mean the same at any
size; they are meant for what a model is shown, after cropping and resizing. What is random depends on the
sample and the kind alone: a stronger severity is the same noise, the same bar, more of it.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as images

from ...datasets.stream import View

Corruption = Literal["blur", "jpeg", "noise", "low_light", "occlusion", "small_size", "rotation", "grey"]
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
SEVERITIES = (1, 2, 3, 4, 5)
# Kind → what its parameter is, and its value at each severity.
PARAMETERS: Mapping[Corruption, tuple[str, tuple[float, ...]]] = {
    "blur": ("deviation of the Gaussian, share of the side", (0.008, 0.013, 0.02, 0.03, 0.045)),
    "jpeg": ("quality", (40, 25, 15, 10, 5)),
    "noise": ("deviation of Gaussian noise, of 255", (0.04, 0.08, 0.13, 0.2, 0.3)),
    "low_light": ("light that is left", (0.6, 0.4, 0.27, 0.18, 0.1)),
    "occlusion": ("height of a black bar, share of the side", (0.1, 0.18, 0.26, 0.36, 0.48)),
    "small_size": ("side before it is enlarged again, share", (0.5, 0.3, 0.2, 0.14, 0.09)),
    "rotation": ("degrees, to either side", (6, 12, 20, 30, 45)),
    "grey": ("share of the colour that is lost", (0.2, 0.4, 0.6, 0.8, 1.0)),
}
_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)


def corrupt(image: Tensor, kind: Corruption, severity: int, sample: str) -> Tensor:
    """uint8 [3, H, W] → a new one like it, corrupted; the same for the same arguments.

    `severity` is 1 to 5, `sample` an id. Raises ValueError for another kind or severity.
    """
    if kind not in PARAMETERS or severity not in SEVERITIES:
        raise ValueError(f"{kind} at {severity}: kinds are {', '.join(CORRUPTIONS)}, severities 1 to 5")
    random = np.random.default_rng(zlib.crc32(f"{kind}/{sample}".encode()))
    return _FUNCTIONS[kind](image, PARAMETERS[kind][1][severity - 1], random)


class CorruptedView:
    """A view whose images are corrupted after it has cut them to size; everything else is as it was.

    Images are the view's uint8 tensors [3, H, W], all of a sample corrupted alike. Picklable if `view` is.
    """

    def __init__(self, view: View, kind: Corruption, severity: int) -> None:
        self.view, self.severity = view, severity
        self.kind: Corruption = kind

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        found = self.view(image_loader, record, seed)
        return {
            key: corrupt(value, self.kind, self.severity, record["id"]) if _is_image(value) else value
            for key, value in found.items()
        }


def _is_image(value: Any) -> bool:
    return (
        isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 3 and value.shape[0] == 3
    )


def _side(image: Tensor) -> int:
    return min(image.shape[1:])


def _whole(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _blur(image: Tensor, deviation: float, random: np.random.Generator) -> Tensor:
    sigma = deviation * _side(image)
    reach = min(max(1, round(3 * sigma)), _side(image) - 1)  # padding mirrors, so it must fit in the image
    return images.gaussian_blur(image.contiguous(), [2 * reach + 1] * 2, [sigma] * 2)


def _jpeg(image: Tensor, quality: float, random: np.random.Generator) -> Tensor:
    stream = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(stream, "JPEG", quality=int(quality))
    return torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1).contiguous()


def _noise(image: Tensor, deviation: float, random: np.random.Generator) -> Tensor:
    drawn = torch.from_numpy(random.standard_normal(tuple(image.shape), dtype=np.float32))
    return _whole(image.float() + 255 * deviation * drawn)


def _low_light(image: Tensor, left: float, random: np.random.Generator) -> Tensor:
    return _whole(image.float() * left)


def _occlusion(image: Tensor, tall: float, random: np.random.Generator) -> Tensor:
    # The middle of the bar does not depend on its height: a taller bar covers what a lower one does.
    height = image.shape[1]
    middle, half = (0.25 + 0.5 * random.random()) * height, tall * _side(image) / 2
    top, bottom = max(0, round(middle - half)), min(height, round(middle + half))
    covered = image.clone()
    covered[:, top : max(bottom, top + 1)] = 0
    return covered


def _small_size(image: Tensor, share: float, random: np.random.Generator) -> Tensor:
    size = [max(1, round(side * share)) for side in image.shape[1:]]
    small = functional.interpolate(image[None].float(), size, mode="bilinear", antialias=True)
    return _whole(functional.interpolate(small, image.shape[1:], mode="bilinear")[0])


def _rotation(image: Tensor, degrees: float, random: np.random.Generator) -> Tensor:
    turn = degrees if random.random() < 0.5 else -degrees
    grey = [float(value) for value in image.float().mean((1, 2))]  # corners in the image's mean colour
    return images.rotate(image.contiguous(), turn, interpolation=images.InterpolationMode.BILINEAR, fill=grey)


def _grey(image: Tensor, lost: float, random: np.random.Generator) -> Tensor:
    colours = image.float()
    light = (colours * torch.tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)
    return _whole(colours + lost * (light - colours))


_FUNCTIONS: dict[Corruption, Callable[[Tensor, float, np.random.Generator], Tensor]] = {
    "blur": _blur,
    "jpeg": _jpeg,
    "noise": _noise,
    "low_light": _low_light,
    "occlusion": _occlusion,
    "small_size": _small_size,
    "rotation": _rotation,
    "grey": _grey,
}
