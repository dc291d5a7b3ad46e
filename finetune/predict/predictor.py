"""A fine-tuned model as a function of images: calibrated probabilities and values, head by head."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...datasets.stream.transforms import Interpolation, resize_center_crop
from ...datasets.taxonomy import label_space
from ...foundation.errors import UserError
from ..scores import as_outputs, kind_of
from ..task import FinetuneTask


class Predictor:
    """A model in eval mode. Calls change nothing in it, so threads may share one.

    Attributes:
        image_size: side in pixels of the images it takes.
        heads: head → {"kind", "space", "version", "classes"}: what its columns are.
        temperatures: head → T that its logits are divided by.
        about: what model.json says.
    """

    def __init__(
        self,
        task: FinetuneTask,
        temperatures: dict[str, float],
        crop_fraction: float,
        interpolation: Interpolation,
        precision: str,
        batch_size: int,
        about: dict[str, Any],
    ) -> None:
        self.task, self.temperatures, self.about = task, temperatures, about
        self.crop_fraction = crop_fraction
        self.interpolation: Interpolation = interpolation
        self.precision, self.batch_size = precision, batch_size
        self.image_size = task.encoder.image_size
        self.device = task.encoder.mean.device
        self.heads = {name: _columns(head) for name, head in task.heads.items()}

    def view(self, image: Tensor) -> Tensor:
        """The central square of uint8 RGB [3, H, W] as the model was measured on it, [3, S, S]."""
        return resize_center_crop(image, self.image_size, self.crop_fraction, self.interpolation)

    def __call__(self, images: Sequence[Tensor]) -> dict[str, Tensor]:
        """Head → float64 [N, C] on the CPU, of N images uint8 [3, S, S] (see `view`).

        Probabilities (of a multilabel head one for each class on its own), or values in [−1, 1] (vad). At
        most `batch_size` images are on the device at a time.
        """
        parts: dict[str, list[Tensor]] = {name: [] for name in self.heads}
        for start in range(0, len(images), self.batch_size):
            batch = torch.stack(list(images[start : start + self.batch_size])).to(self.device)
            for name, said in self._said(batch).items():
                parts[name].append(said)
        none = torch.zeros(0, dtype=torch.float64)
        return {
            name: torch.cat(rows) if rows else none.reshape(0, len(self.heads[name]["classes"]))
            for name, rows in parts.items()
        }

    @torch.inference_mode()
    def _said(self, images: Tensor) -> dict[str, Tensor]:
        batch = {"image": images}
        if self.task.fusion is not None:  # without a person the scene counts alone
            there = torch.zeros(len(images), dtype=torch.bool, device=images.device)
            batch |= {"person": images, "has_person": there}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = self.task.outputs(batch)
        found = {}
        for name, raw in outputs.items():
            if not bool(raw.isfinite().all()):
                raise UserError(f"heads.{name}: the model gives numbers that are not finite; is it sound?")
            said = as_outputs(self.task.heads[name], raw.float()).double().cpu()
            kind = self.heads[name]["kind"]
            if kind in ("single", "distribution"):
                said = (said / self.temperatures.get(name, 1.0)).softmax(1)
            elif kind == "multilabel":
                said = said.sigmoid()
            found[name] = said
        return found


def _columns(head: Any) -> dict[str, Any]:
    space = getattr(head.config, "space", None)
    version = label_space(space).version if space else None
    return {"kind": kind_of(head.config), "space": space, "version": version, "classes": head.classes}
