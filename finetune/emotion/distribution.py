"""How people's answers are spread over the classes."""

from typing import Any

from torch import Tensor

from ...datasets.taxonomy import label_space
from .config import DistributionConfig
from .head import Head
from .losses import divergence, wide


class DistributionHead(Head):
    """Softmax over the classes, trained with KL(target ‖ softmax) on distributions and shares of votes."""

    config: DistributionConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, name: str, config: DistributionConfig, width: int) -> None:
        names = label_space(config.space).names
        super().__init__(name, config, width, names, len(names))

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        rows = batch[f"target_{self.name}"]
        return rows, rows.isfinite().all(1)

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        return divergence(outputs, self.soft_targets(batch)[0] if soft is None else soft)

    def predict(self, outputs: Tensor) -> Tensor:
        return wide(outputs).softmax(1)
