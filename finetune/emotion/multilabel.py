"""Any number of classes at once."""

from typing import Any

import torch
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...evaluation.targets import ABSENT
from .config import MultilabelConfig
from .head import Head
from .losses import binary_cross_entropy, emotic_loss, emotic_weights, wide

LOW, HIGH = 1e-3, 0.05  # margins at 0 and at 1


class MultilabelHead(Head):
    """A yes or no for every class: binary cross-entropy of σ(z), or EMOTIC's weighted squared error of z."""

    config: MultilabelConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    class_weights: Tensor

    def __init__(self, name: str, config: MultilabelConfig, width: int) -> None:
        names = label_space(config.space).names
        super().__init__(name, config, width, names, len(names))
        self.needs_counts = config.loss == "emotic" and config.class_weights == "static"
        self.counted = False
        self.register_buffer("class_weights", torch.ones(len(names)), persistent=False)

    def set_counts(self, counts: Any, samples: int | None = None) -> None:
        if not self.needs_counts:
            return
        numbers = self.checked(counts)
        if samples is None or samples < numbers.max():
            raise ValueError(
                f"heads.{self.name}: {samples} samples cannot have the counts {numbers.tolist()}"
            )
        self.class_weights.copy_(emotic_weights(numbers / samples))
        self.counted = True

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        rows = batch[f"target_{self.name}"]
        known = (rows != ABSENT).all(1)
        return rows.float().masked_fill(~known[:, None], torch.nan), known

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        truth = self.soft_targets(batch)[0] if soft is None else soft
        if self.config.loss == "bce":
            return binary_cross_entropy(outputs, truth)
        if self.needs_counts and not self.counted:
            raise RuntimeError(f"heads.{self.name}: set_counts was not called (static weights need them)")
        return emotic_loss(outputs, truth, self.class_weights if self.needs_counts else None)

    def predict(self, outputs: Tensor) -> Tensor:
        return wide(outputs).sigmoid() if self.config.loss == "bce" else into_unit_interval(outputs)


def into_unit_interval(values: Tensor) -> Tensor:
    """`values` as they are in [0.001, 0.95], squeezed into (0, 1) beyond, in their order.

    A regression to 0 and 1 oversteps both; cutting it off would tie what average precision has to rank. The
    margin below 1 is wider because floats are coarser there.
    """
    values = wide(values)
    below = LOW**2 / (2 * LOW - values.clamp(max=LOW))
    above = 1 - HIGH**2 / (2 * HIGH - (1 - values).clamp(max=HIGH))
    return torch.where(values < LOW, below, torch.where(values > 1 - HIGH, above, values))
