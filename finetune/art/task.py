"""SEVLM as a task: an encoder, or its patches, and the model that reads them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...training.task import Task
from .model import Sevlm
from .vision import Vision

PATCHES = "patches"  # of a batch whose patches were computed beforehand


class ArtTask(Task):
    """vision: None where batches bring the patches of an encoder that stays as it is."""

    def __init__(self, vision: Vision | None, model: Sevlm) -> None:
        super().__init__()
        self.vision, self.model = vision, model

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """batch: as `AnswerView` gives it. Returns `loss` and its parts (see `Sevlm.forward`)."""
        return self.model(self.patches(batch), batch)

    def patches(self, batch: Mapping[str, Any]) -> Tensor:
        """[B, P, width] of a batch's `patches`, or of its `image`, uint8 [B, 3, S, S]."""
        if self.vision is None:
            return batch[PATCHES].float()
        return self.vision(batch["image"])

    def seen(self, batch: Mapping[str, Any]) -> Tensor:
        """What the decoder sees of a batch, [B, P, W]."""
        return self.model.look(self.patches(batch))

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """As timm does it: what has one dimension is not decayed. The encoder of words' values has a rate of
        its own (`vad.lr_scale`)."""
        vad = self.model.config.vad
        groups: dict[tuple[float, float], list[Any]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                decay = weight_decay if parameter.ndim > 1 else 0.0
                ours = vad is not None and name.startswith("model.emotion_encoder.")
                groups.setdefault((decay, vad.lr_scale if vad and ours else 1.0), []).append(parameter)
        return [
            {"params": each, "weight_decay": decay, "lr_scale": scale}
            for (decay, scale), each in groups.items()
        ]
