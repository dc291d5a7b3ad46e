"""What every head is: a linear layer over an encoder's features, targets, a loss, predictions."""

from typing import Any

import torch
from torch import Tensor, nn

from ...evaluation.targets import Targets
from ...foundation.errors import UserError
from .config import HeadConfig
from .targets import build_targets

HEAD_STD = 2e-5  # MAE's and UniEmoX's fine-tuning: a head starts as good as silent


class Head(nn.Module):
    """A head of some kind (see `build_head`).

    Attributes:
        targets: record → what `loss` reads of a batch; picklable, for views.
        classes: the names of what `predict` gives, in order.
        needs_counts: `set_counts` has to be called before the first `loss`.
    """

    config: HeadConfig
    needs_counts = False

    def __init__(
        self, name: str, config: HeadConfig, width: int, classes: tuple[str, ...], outputs: int
    ) -> None:
        super().__init__()
        self.name, self.config, self.classes = name, config, classes
        self.targets: Targets = build_targets(name, config)
        self.linear = nn.Linear(width, outputs)
        nn.init.trunc_normal_(self.linear.weight, std=HEAD_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B, C] of features [B, width]; what they mean is the kind's affair."""
        return self.linear(features)

    def set_counts(self, counts: Any, samples: int | None = None) -> None:
        """The train split's `Counts.per_class` [C] and `Counts.samples`; not every kind makes use of them.

        Call it before a trainer copies the module (EMA). Counts are facts of the data and not in the state.
        """

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """What mixup averages over pairs of samples: float targets [B, C], and bool, where they are known.

        The latter is [B], or [B, C] where parts can be absent on their own (axes; polarity, which follows the
        emotion's classes: [B, C + 2]). What is absent is NaN, and an average with NaN is NaN.
        """
        raise NotImplementedError

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        """A scalar, the mean over B in which what has no target counts 0; `config.weight` is not in it.

        outputs: of `forward`. soft: targets to use instead of the batch's, as `soft_targets` gives them.
        """
        raise NotImplementedError

    def predict(self, outputs: Tensor) -> Tensor:
        """Probabilities [B, C] (of vad: values in [−1, 1]), float32 at least."""
        raise NotImplementedError

    def checked(self, counts: Any) -> Tensor:
        """Counts as float64 [C]: finite, none negative, not all 0."""
        counts = torch.as_tensor(counts, dtype=torch.float64, device="cpu")
        if counts.shape != (len(self.classes),) or not counts.isfinite().all() or (counts < 0).any():
            raise ValueError(
                f"heads.{self.name}: counts {counts.tolist()} are not {len(self.classes)} counts"
            )
        if counts.sum() == 0:
            raise UserError(f"heads.{self.name}: no training sample has a target for it")
        return counts
