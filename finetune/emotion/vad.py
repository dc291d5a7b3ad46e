"""Valence, arousal, dominance."""

from typing import Any

from torch import Tensor

from .config import VadConfig
from .head import Head
from .losses import concordance_loss, squared_error, wide


class VadHead(Head):
    """A number in [−1, 1] for each axis, tanh of the output; an axis that a record lacks counts 0."""

    config: VadConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, name: str, config: VadConfig, width: int) -> None:
        super().__init__(name, config, width, config.axes, len(config.axes))

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        rows = batch[f"target_{self.name}"]
        return rows, rows.isfinite()

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        wanted = self.soft_targets(batch)[0] if soft is None else soft
        predicted = self.predict(outputs)
        error = self.config.mse * squared_error(predicted, wanted)
        if self.config.ccc == 0:
            return error
        return error + self.config.ccc * concordance_loss(predicted, wanted)

    def predict(self, outputs: Tensor) -> Tensor:
        return wide(outputs).tanh()
