"""One class of several."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...datasets.taxonomy import label_space
from ...evaluation.metrics import wheel_distances
from ...evaluation.targets import ABSENT
from .config import HierarchicalConfig, SingleConfig
from .head import Head
from .losses import cross_entropy, wide


class SingleHead(Head):
    """Softmax over the classes of a space, trained with cross-entropy on classes, votes or distributions.

    Against unequal counts n (N in all, K classes that occur): `weights` gives a label of class c the weight
    N / (K n_c), whose mean over the train split is 1; `logit_adjustment` trains on z + τ log(n / N) and
    predicts by z (Menon et al. 2021, "Long-tail learning via logit adjustment"). A class without
    samples has weight 0 and no adjustment, so that it is learnt to be absent (our choice).
    """

    config: SingleConfig | HierarchicalConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    class_weights: Tensor
    log_prior: Tensor
    spread: Tensor | None

    def __init__(
        self, name: str, config: SingleConfig | HierarchicalConfig, width: int, further_outputs: int = 0
    ) -> None:
        space = label_space(config.space)
        super().__init__(name, config, width, space.names, len(space) + further_outputs)
        self.needs_counts = config.imbalance in ("weights", "logit_adjustment")
        self.counted = False
        self.register_buffer("class_weights", torch.ones(len(space)), persistent=False)
        self.register_buffer("log_prior", torch.zeros(len(space)), persistent=False)
        spread = None
        if config.wheel_temperature is not None:
            spread = (-wheel_distances(space).float() / config.wheel_temperature).softmax(1)
        self.register_buffer("spread", spread, persistent=False)

    def set_counts(self, counts: Any, samples: int | None = None) -> None:
        numbers = self.checked(counts)
        if self.config.imbalance == "weights":
            self.class_weights.copy_(inverse_frequencies(numbers))
        if self.config.imbalance == "logit_adjustment":
            prior = torch.where(numbers > 0, numbers / numbers.sum(), 1)
            self.log_prior.copy_(prior.log())
        self.counted = True

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        rows = batch[f"target_{self.name}"]
        if not rows.is_floating_point():
            hot = one_hot(rows.clamp(min=0), len(self.classes)).float()
            rows = hot.masked_fill((rows == ABSENT)[:, None], torch.nan)
        return rows, rows.isfinite().all(1)

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        shares = self.soft_targets(batch)[0] if soft is None else soft
        return cross_entropy(self.adjusted(outputs), self.wanted(shares))

    def adjusted(self, outputs: Tensor) -> Tensor:
        """The logits to train on [B, C]."""
        if self.needs_counts and not self.counted:
            raise RuntimeError(f"heads.{self.name}: set_counts was not called (imbalance needs the counts)")
        return wide(outputs) + self.config.adjustment * self.log_prior

    def wanted(self, shares: Tensor) -> Tensor:
        """Shares [B, C] weighed by class, then spread by wheel or smoothing, which keeps each row's sum.

        So a rare label weighs as a whole; torch's `cross_entropy` weighs what smoothing gives others anew.
        """
        shares = wide(shares) * self.class_weights
        if self.spread is not None:
            return (shares[:, :, None] * self.spread).sum(1)
        smoothing = self.config.label_smoothing
        return (1 - smoothing) * shares + smoothing * shares.mean(1, keepdim=True)

    def predict(self, outputs: Tensor) -> Tensor:
        return wide(outputs).softmax(1)


def inverse_frequencies(counts: Tensor) -> Tensor:
    """N / (K n_c) of counts [C], 0 where n_c is: their mean over the samples is 1."""
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts), 0)
