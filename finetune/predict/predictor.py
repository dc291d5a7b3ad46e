"""A fine-tuned model as a function of images: calibrated probabilities and values, head by head."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...datasets.stream.transforms import Interpolation, resize_center_crop
from ...foundation.errors import UserError
from ..task import FinetuneTask
from .networks import FEATURES, Network, TorchNetwork


class Predictor:
    """A network, and how pictures are shown to it. Calls change nothing in it, so threads may share one.

    Attributes:
        image_size: side in pixels of the images it takes.
        heads: head → {"kind", "space", "version", "classes"}: what its columns are; none: an encoder.
        temperatures: head → T that its logits are divided by, of those that are calibrated.
        about: what model.json, encoder.json or the ONNX file says.
        note: what of how it runs is not as one might expect; empty: nothing.
    """

    def __init__(
        self,
        network: Network,
        image_size: int,
        crop_fraction: float,
        interpolation: Interpolation,
        batch_size: int,
        about: dict[str, Any],
        note: str = "",
    ) -> None:
        self.network, self.about, self.note = network, about, note
        self.image_size, self.crop_fraction = image_size, crop_fraction
        self.interpolation: Interpolation = interpolation
        self.batch_size, self.device = batch_size, network.device
        self.heads, self.temperatures = network.heads, network.temperatures

    @property
    def task(self) -> FinetuneTask:
        """The modules of a model that runs in torch. Raises UserError for another."""
        if not isinstance(self.network, TorchNetwork):
            raise UserError("this model runs in onnxruntime; load it with backend=torch for its modules")
        return self.network.task

    def view(self, image: Tensor) -> Tensor:
        """The central square of uint8 RGB [3, H, W] as the model was measured on it, [3, S, S]."""
        return resize_center_crop(image, self.image_size, self.crop_fraction, self.interpolation)

    def __call__(self, images: Sequence[Tensor]) -> dict[str, Tensor]:
        """Head → float64 [N, C], and `features`, float32 [N, W], of N images uint8 [3, S, S] (see `view`).

        Probabilities (of a multilabel head one for each class on its own), or values in [−1, 1] (vad); NaN
        where the model gives no number. At most `batch_size` images are on the device at a time.
        """
        parts: dict[str, list[Tensor]] = {}
        for start in range(0, len(images), self.batch_size):
            batch = torch.stack(list(images[start : start + self.batch_size]))
            for name, said in self.network(batch).items():
                parts.setdefault(name, []).append(said)
        if not parts:
            none = torch.zeros(0, dtype=torch.float64)
            parts = {name: [none.reshape(0, len(head["classes"]))] for name, head in self.heads.items()}
            parts[FEATURES] = [torch.zeros(0, 0)]
        return {name: torch.cat(rows) for name, rows in parts.items()}
