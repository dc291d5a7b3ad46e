"""How a training image is changed: a random crop, mirrored or not, is given one of three policies.

- `none`: nothing more.
- `randaugment`: the released recipe (spec §2.11): timm's `rand-m9-mstd0.5-inc1` and random erasing by pixels.
- `emotion-safe`: RandAugment's way of drawing over operations that only move pixels (rotation, shear,
  translation, perspective). Brightness, colour, contrast and sharpness, which labels may rest on, stay.

Libraries: RandAugment's pixels are timm's own functions, on Pillow images. Only the draws are ours: timm's
come from Python's and numpy's global generators, torchvision's from torch's, and a sample's may come from
nothing but its seed. torchvision's version is also another recipe (no noise on the magnitude, no probability,
no bicubic). timm's erasing draws globally too and works on normalised floats. The warp is ours, because both
libraries resample once an operation and fill with one colour.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, model_validator
from timm.data.auto_augment import NAME_TO_OP
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor
from torch.nn.functional import grid_sample

from ..datasets.stream.decode import fast_packages
from ..datasets.stream.transforms import Interpolation, Region, box_region, resize_region
from ..foundation.config import Config

Policy = Literal["none", "emotion-safe", "randaugment"]

RELEASED = {"scale": (0.08, 1.0), "erasing": 0.25}  # what goes with randaugment, unless told otherwise


class AugmentationConfig(Config):
    """How a training image is changed."""

    policy: Policy = Field(default="emotion-safe", description="randaugment is the released recipe")
    scale: tuple[float, float] = Field(
        default=(0.5, 1.0),
        description="Area of the crop, as a share of the image; 0.08 to 1 if not given to randaugment",
    )
    interpolation: Interpolation = "bicubic"
    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of mirroring")
    operations: int = Field(
        default=2, ge=0, le=5, description="How many of the policy's operations an image is given (timm's n)"
    )
    probability: float = Field(default=0.5, ge=0, le=1, description="Of each operation to be done (timm's p)")
    magnitude: float = Field(default=9.0, ge=0, le=10, description="How strong operations are (timm's m)")
    magnitude_std: float = Field(default=0.5, ge=0, description="Spread of the magnitude (timm's mstd)")
    erasing: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of noise in a rectangle; randaugment: 0.25 if not given",
    )
    person: Literal["score_and_size", "score", "size"] = Field(
        default="score_and_size",
        description="Which of several persons a run looks at that looks at one (person=crop or "
        "crop_and_scene), as in pretraining",
    )
    margin: float = Field(default=0.1, ge=0, description="Widening of the box on each side, as a share of it")

    @model_validator(mode="before")
    @classmethod
    def _as_released(cls, given: Any) -> Any:
        released = isinstance(given, dict) and given.get("policy") == "randaugment"
        return {**RELEASED, **given} if released else given

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "AugmentationConfig":
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale must be 0 < low ≤ high ≤ 1, got {list(self.scale)}")
        return self


def drawn_operations(
    config: AugmentationConfig, names: Sequence[str], numbers: np.random.Generator
) -> Iterator[tuple[str, float, int]]:
    """(name, strength in [0, 1], sign) of each operation to be done, as timm's RandAugment draws them:
    with replacement, a normal magnitude cut to 0 … 10, either sign alike."""
    for _ in range(config.operations):
        name = names[int(numbers.integers(len(names)))]
        if numbers.random() < config.probability:
            level = min(max(numbers.normal(config.magnitude, config.magnitude_std), 0.0), 10.0)
            yield name, level / 10, 1 if numbers.random() < 0.5 else -1


# --- randaugment: Cubuk et al. 2020, as timm has it

FILL = tuple(round(255 * mean) for mean in IMAGENET_DEFAULT_MEAN)
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# timm's operations whose severity grows with the magnitude (`inc1`), and the arguments of a strength. One
# differs: at full strength timm leaves no bit of a colour, a black picture, which Pillow has come to refuse.
RAND_AUGMENT: dict[str, Callable[[float, int], tuple[float, ...]]] = {
    "AutoContrast": lambda strength, sign: (),
    "Equalize": lambda strength, sign: (),
    "Invert": lambda strength, sign: (),
    "Rotate": lambda strength, sign: (sign * strength * 30,),
    "PosterizeIncreasing": lambda strength, sign: (max(1, 4 - int(strength * 4)),),
    "SolarizeIncreasing": lambda strength, sign: (256 - int(strength * 256),),
    "SolarizeAdd": lambda strength, sign: (int(strength * 110),),
    "ColorIncreasing": lambda strength, sign: (max(0.1, 1 + sign * strength * 0.9),),
    "ContrastIncreasing": lambda strength, sign: (max(0.1, 1 + sign * strength * 0.9),),
    "BrightnessIncreasing": lambda strength, sign: (max(0.1, 1 + sign * strength * 0.9),),
    "SharpnessIncreasing": lambda strength, sign: (max(0.1, 1 + sign * strength * 0.9),),
    "ShearX": lambda strength, sign: (sign * strength * 0.3,),
    "ShearY": lambda strength, sign: (sign * strength * 0.3,),
    "TranslateXRel": lambda strength, sign: (sign * strength * 0.45,),
    "TranslateYRel": lambda strength, sign: (sign * strength * 0.45,),
}
_NAMES = tuple(RAND_AUGMENT)


def rand_augment(image: Tensor, config: AugmentationConfig, numbers: np.random.Generator) -> Tensor:
    """RandAugment on uint8 [3, H, W]; uncovered corners get ImageNet's mean colour, as released."""
    operations = list(drawn_operations(config, _NAMES, numbers))
    if not operations:
        return image
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    options = {"fillcolor": FILL, "resample": _RESAMPLING[config.interpolation]}
    for name, strength, sign in operations:
        picture = NAME_TO_OP[name](picture, *RAND_AUGMENT[name](strength, sign), **options)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


# --- emotion-safe: our choice of operations and of their strength

_AMOUNTS = {  # at magnitude 10; lengths in units of the picture's side
    "rotate": float(np.radians(15)),
    "shear_x": 0.15,
    "shear_y": 0.15,
    "translate_x": 0.1,
    "translate_y": 0.1,
    "perspective_x": 0.2,
    "perspective_y": 0.2,
}
_WARPS = tuple(_AMOUNTS)
_PLACES = {  # where the amount stands in a matrix that is otherwise the identity
    "shear_x": (0, 1),
    "shear_y": (1, 0),
    "translate_x": (0, 2),
    "translate_y": (1, 2),
    "perspective_x": (2, 0),
    "perspective_y": (2, 1),
}
_FINER = 1.5  # what is resampled has so much more pixels a side than the result


def warp_matrix(name: str, amount: float) -> np.ndarray:
    """float64 [3, 3]: where in the picture a point (x, y, 1) of the result comes from; (0, 0) is the centre
    and ±½ are the edges."""
    matrix = np.eye(3)
    if name == "rotate":
        cosine, sine = np.cos(amount), np.sin(amount)
        matrix[:2, :2] = [[cosine, sine], [-sine, cosine]]
    else:
        matrix[_PLACES[name]] = amount
    return matrix


def draw_warp(config: AugmentationConfig, numbers: np.random.Generator) -> np.ndarray | None:
    """The drawn operations as one matrix (see `warp_matrix`); None where there are none."""
    matrices = [
        warp_matrix(name, sign * strength * _AMOUNTS[name])
        for name, strength, sign in drawn_operations(config, _WARPS, numbers)
    ]
    return reduce(np.matmul, matrices) if matrices else None


def warp_region(
    image: Tensor, region: Region, matrix: np.ndarray, size: int, interpolation: Interpolation, fast: bool
) -> Tensor:
    """One region of uint8 [3, H, W], warped, as [3, size, size] (see `warp_matrix`).

    What comes in from outside the region is the image's own, and beyond its edges its mirror image: corners
    of any one colour would change brightness. First the image is resized, antialiased, to 1.5 times the
    resolution of the result, then it is sampled bilinearly, which at the result's own resolution would blur.
    """
    top, left, height, width = region
    to_image = np.array([[width, 0, left + width / 2], [0, height, top + height / 2], [0, 0, 1]]) @ matrix
    corners = to_image @ np.array([[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5], [1, 1, 1, 1]])
    across, down = corners[:2] / corners[2]
    box = (across.min(), down.min(), across.max(), down.max())
    top, left, tall, wide = box_region(box, image.shape[1], image.shape[2], margin=0.02)
    side = round(size * _FINER * max(tall / height, wide / width))
    canvas = resize_region(image, (top, left, tall, wide), side, interpolation, fast)
    to_canvas = np.diag([side / wide, side / tall, 1]) @ _shift(-left, -top) @ to_image
    from_pixels = to_canvas @ _shift(-0.5, -0.5) @ np.diag([1 / size, 1 / size, 1])
    if fast:
        _, cv2 = fast_packages()
        # OpenCV counts from the centres of pixels.
        centred = _shift(-0.5, -0.5) @ from_pixels @ _shift(0.5, 0.5)
        options = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REFLECT}
        warped = cv2.warpPerspective(canvas.permute(1, 2, 0).numpy(), centred, (size, size), **options)
        return torch.from_numpy(warped).permute(2, 0, 1)
    to_grid = _shift(-1, -1) @ np.diag([2 / side, 2 / side, 1]) @ from_pixels
    points = torch.from_numpy(to_grid.astype(np.float32)) @ _pixels(size)
    grid = (points[:2] / points[2]).T.view(1, size, size, 2)
    warped = grid_sample(canvas[None].float(), grid, "bilinear", "reflection", align_corners=False)
    return warped[0].add_(0.5).to(torch.uint8)


def _shift(across: float, down: float) -> np.ndarray:
    return np.array([[1, 0, across], [0, 1, down], [0, 0, 1]], np.float64)


@lru_cache(2)
def _pixels(size: int) -> Tensor:
    """The centres of a square's pixels, row by row: float32 [3, size²] of x, y and 1."""
    places = torch.arange(size) + 0.5
    return torch.stack([places.repeat(size), places.repeat_interleave(size), torch.ones(size * size)])


# --- random erasing: Zhong et al. 2020

_ERASED_AREA = (0.02, 1 / 3)
_ERASED_ASPECT = (0.3, 1 / 0.3)
_MEAN, _DEVIATION = (
    np.array(values, np.float32) * 255 for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
)
_TRIES = 10


def random_erasing(image: Tensor, probability: float, numbers: np.random.Generator) -> Tensor:
    """Noise over a rectangle of uint8 [3, H, W], as timm's `RandomErasing(mode="pixel")` draws it.

    timm writes standard normal numbers into the normalised image; here the same are written as colours by
    ImageNet's mean and deviation, cut to 0 … 255.
    """
    if numbers.random() >= probability:
        return image
    height, width = image.shape[1:]
    for _ in range(_TRIES):
        area = numbers.uniform(*_ERASED_AREA) * height * width
        aspect = np.exp(numbers.uniform(*np.log(_ERASED_ASPECT)))
        tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if tall < height and wide < width:
            top, left = numbers.integers(height - tall + 1), numbers.integers(width - wide + 1)
            noise = numbers.standard_normal((tall, wide, 3), np.float32)
            colours = (noise * _DEVIATION + _MEAN).round().clip(0, 255).astype(np.uint8)
            image = image.clone()  # it may be the decoder's own memory
            image[:, top : top + tall, left : left + wide] = torch.from_numpy(colours).permute(2, 0, 1)
            return image
    return image
