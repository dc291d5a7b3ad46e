"""An encoder's patches: what the decoder looks at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from ...datasets.stream.transforms import resize_center_crop, resize_region
from ...zoo import Encoder

Pixels = Literal["encoder", "paper"]


class Vision(nn.Module):
    """uint8 images [B, 3, S, S] → patches [B, P, width], of any encoder; class tokens are left out.

    tuned: False freezes it and keeps it in eval mode. pixels=paper: ImageNet's mean and deviation instead of
    the encoder's own.
    """

    def __init__(self, encoder: Encoder, tuned: bool = False, pixels: Pixels = "encoder") -> None:
        super().__init__()
        self.encoder, self.tuned = encoder, tuned
        self.width = int(encoder.model.num_features)
        if pixels == "paper":
            encoder.mean.copy_(torch.tensor(IMAGENET_DEFAULT_MEAN).view(1, 3, 1, 1))
            encoder.std.copy_(torch.tensor(IMAGENET_DEFAULT_STD).view(1, 3, 1, 1))
        encoder.requires_grad_(tuned)
        self.train(self.training)

    def forward(self, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.tuned and torch.is_grad_enabled()):
            return patch_features(self.encoder, images)

    def train(self, mode: bool = True) -> "Vision":
        super().train(mode)
        if not self.tuned:
            self.encoder.eval()
        return self


def patch_features(encoder: Encoder, images: Tensor) -> Tensor:
    """uint8 [B, 3, S, S] → [B, P, width] as timm's `forward_features` gives them: after the last norm, before
    any projection; a feature map's places row by row."""
    model: Any = encoder.model
    found = model.forward_features(encoder.normalise(images))
    if found.ndim == 3:
        return found[:, getattr(model, "num_prefix_tokens", 0) :]
    if getattr(model, "output_fmt", "NCHW") != "NHWC":
        found = found.permute(0, 2, 3, 1)
    return found.flatten(1, 2)


@dataclass(frozen=True)
class Look:
    """A stream view: {"image": uint8 [3, size, size]}, nothing random.

    pixels: encoder, the central square; paper, all of the image, squashed.
    """

    size: int
    pixels: Pixels = "encoder"

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        image = image_loader()
        if self.pixels == "paper":
            height, width = image.shape[1:]
            return {"image": resize_region(image, (0, 0, height, width), self.size, "bilinear")}
        return {"image": resize_center_crop(image, self.size, 1.0, "bicubic")}
