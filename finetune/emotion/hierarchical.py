"""Polarity first, then the emotion within it."""

from typing import Any

import torch
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...evaluation.metrics import polarities
from ...evaluation.targets import POLARITIES
from .config import HierarchicalConfig
from .losses import cross_entropy, wide
from .single import SingleHead, inverse_frequencies


class HierarchicalHead(SingleHead):
    """p(emotion) = p(group) · p(emotion | group); groups are negative, positive and, if need be, neither.

    Which class is in which group is what the label map to polarity2 says; ambiguous classes (surprise) and
    dropped ones (neutral) are "neither". `forward` gives log-probabilities [B, C], which are logits like any
    others. The loss is cross-entropy of the emotion plus `polarity_weight` times that of the polarity among
    negative and positive, so a record that has only a polarity teaches that much, and says nothing of
    "neither". The two-level softmax is our choice; spec and papers name only the idea.
    """

    config: HierarchicalConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    group_of: Tensor
    members: Tensor
    polarity_weights: Tensor

    def __init__(self, name: str, config: HierarchicalConfig, width: int) -> None:
        polarity = polarities(label_space(config.space))
        groups = POLARITIES + int((polarity < 0).any())
        super().__init__(name, config, width, further_outputs=groups)
        group_of = torch.where(polarity < 0, POLARITIES, polarity)
        self.register_buffer("group_of", group_of, persistent=False)
        self.register_buffer("members", group_of == torch.arange(groups)[:, None], persistent=False)  # [G, C]
        self.register_buffer("polarity_weights", torch.ones(POLARITIES), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        both = wide(self.linear(features))
        emotions, groups = both.split([len(self.classes), len(self.members)], dim=1)
        within = emotions - self.group_sums(emotions)[:, self.group_of]
        return groups.log_softmax(1)[:, self.group_of] + within

    def group_sums(self, logits: Tensor) -> Tensor:
        """log Σ exp over each group's classes, [B, G]."""
        return logits[:, None].masked_fill(~self.members, -torch.inf).logsumexp(2)

    def set_counts(self, counts: Any, samples: int | None = None) -> None:
        super().set_counts(counts, samples)
        if self.config.imbalance == "weights":
            numbers = self.checked(counts)
            sums = [numbers[self.group_of.cpu() == side].sum() for side in range(POLARITIES)]
            weights = inverse_frequencies(torch.stack(sums))
            self.polarity_weights.copy_(torch.where(weights > 0, weights, 1))  # of records without an emotion

    def soft_targets(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """[B, C + 2]: the emotion's shares, then those of negative and positive; either part may be NaN."""
        emotion, _ = super().soft_targets(batch)
        rows = torch.cat([emotion, batch[f"target_{self.name}.polarity"].to(emotion.dtype)], dim=1)
        return rows, rows.isfinite()

    def loss(self, outputs: Tensor, batch: dict[str, Any], soft: Tensor | None = None) -> Tensor:
        shares = self.soft_targets(batch)[0] if soft is None else soft
        emotion, polarity = shares.split([len(self.classes), POLARITIES], dim=1)
        logits = self.adjusted(outputs)
        on_emotion = cross_entropy(logits, self.wanted(emotion))
        sides = self.group_sums(logits)[:, :POLARITIES]
        on_polarity = cross_entropy(sides, wide(polarity) * self.polarity_weights)
        return on_emotion + self.config.polarity_weight * on_polarity

    def predict_polarity(self, outputs: Tensor) -> Tensor:
        """Probabilities of negative and positive, given that it is one of them, [B, 2]."""
        return self.group_sums(wide(outputs))[:, :POLARITIES].softmax(1)
