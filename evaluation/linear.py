"""Linear probes: regressions on frozen features, every learning rate and weight decay at once.

All members of the grid live in one tensor [L, D, C], so a probe costs one matrix product a step
whatever the size of the grid. Features are standardised with the training set's mean and spread. The member
is chosen on a validation set, or by inner cross-validation that keeps groups whole; never on the test set.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ..foundation.config import Config
from .folds import group_folds
from .metrics import confusion_matrix, scores
from .predictions import Kind

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class LinearConfig(Config):
    """The grid of linear probes. Weight decay is an L2 penalty in the loss (λ/2 · |W|², bias free).

    The defaults are our choice: nine learning rates over two and a half decades, and penalties from none to
    a tenth. A heavier one still lowers the loss of weak features, but only by predicting the commonest class.
    """

    learning_rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1)
    weight_decays: tuple[float, ...] = (0.0, 1e-3, 1e-2, 1e-1)
    steps: int = Field(default=100, ge=1)
    batch_size: int = Field(default=8192, ge=1)  # the whole training set when it is no larger
    class_weights: Literal["none", "balanced"] = "none"
    # Loss by default: where classes are unequal, macro-F1 prefers members that have not converged, because
    # their noise predicts rare classes more often, and accuracy those that know the common one only.
    select_by: Literal["loss", "accuracy", "macro_f1", "uar"] = "loss"
    inner_folds: int = Field(default=3, ge=2)

    @property
    def members(self) -> list[tuple[float, float]]:
        """The grid as (learning rate, weight decay), in the order of the members."""
        return list(product(self.learning_rates, self.weight_decays))


@dataclass(frozen=True, slots=True)
class LinearMembers:
    """Trained members: weight [L, D, C] and bias [L, 1, C] on features standardised by mean and scale [D]."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Logits [L, N, C] of features [N, D]."""
        return (features.float() - self.mean) / self.scale @ self.weight + self.bias


@dataclass(frozen=True, slots=True)
class LinearResult:
    """Outputs float32 [Q, C] of the test set and [V, C] of the validation set (None without one), as those of
    `Predictions`; the chosen member and the score that chose it."""

    outputs: Tensor
    validation: Tensor | None
    learning_rate: float
    weight_decay: float
    selection_score: float

    @property
    def predictions(self) -> Tensor:
        """The classes of the highest outputs, int64 [Q]."""
        return self.outputs.argmax(-1)


def _slope(outputs: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    """The gradient of each sample's loss by its outputs [N, C, L]; targets [N, C, 1].

    Cross-entropy against shares (a class is a share of 1), the sum of binary cross-entropies, or half the
    squared error, where what is not known (NaN) counts nothing.
    """
    if kind in ("single", "distribution"):
        return outputs.softmax(1).sub_(targets)
    if kind == "multilabel":
        return outputs.sigmoid().sub_(targets)
    return torch.where(targets.isnan(), 0, outputs - targets)


def _loss(outputs: Tensor, targets: Tensor, kind: Kind) -> float:
    """The mean loss whose gradient `_slope` is; outputs and targets [N, C]."""
    if kind in ("single", "distribution"):
        return float(cross_entropy(outputs, targets))
    if kind == "multilabel":
        return float(binary_cross_entropy_with_logits(outputs, targets, reduction="none").sum(1).mean())
    return float(0.5 * (outputs - targets).square().nansum(1).mean())


@torch.no_grad()
def train_members(
    features: Tensor,
    targets: Tensor,
    config: LinearConfig,
    members: Sequence[tuple[float, float]] | None = None,
    seed: int = 0,
    kind: Kind = "single",
) -> LinearMembers:
    """Train all `members` (learning rate, weight decay) side by side; the whole grid by default.

    `features` [N, D], `targets` float [N, C] as those of `Predictions`. Adam with a cosine schedule to zero;
    members do not influence each other because each one's loss reaches only its own slice. Deterministic by
    `seed` on one device and thread count.
    """
    device, (count, width) = features.device, features.shape
    grid = torch.tensor(list(members or config.members), dtype=torch.float32, device=device)
    rates, decays = grid[:, 0], grid[:, 1]
    mean = features.float().mean(0)
    # A constant feature says nothing: scale 1 leaves it at zero instead of dividing by zero.
    spread = features.float().std(0, correction=0)
    scale = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
    standardised = (features.float() - mean) / scale
    targets, classes = targets.float()[:, :, None], targets.shape[1]
    importance = torch.ones(count, 1, 1, device=device)
    if config.class_weights == "balanced" and kind == "single":
        labels = targets[:, :, 0].argmax(1)
        occurrences = torch.bincount(labels, minlength=classes)
        importance = (count / (occurrences[labels] * (occurrences > 0).sum()))[:, None, None]

    # Members last: the softmax over classes then runs along contiguous memory, ten times as fast.
    weight = torch.zeros(width, classes, len(grid), device=device)
    bias = torch.zeros(1, classes, len(grid), device=device)
    moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in (weight, bias)]
    generator = torch.Generator().manual_seed(seed)
    for step in range(config.steps):
        inputs, wanted, weights = standardised, targets, importance
        if count > config.batch_size:
            picked = torch.randperm(count, generator=generator)[: config.batch_size].to(device)
            inputs, wanted, weights = standardised[picked], targets[picked], importance[picked]
        outputs = (inputs @ weight.flatten(1)).view(len(inputs), classes, len(grid)) + bias
        slope = _slope(outputs, wanted, kind) * (weights / len(inputs))
        gradients = (
            (inputs.T @ slope.flatten(1)).view_as(weight).addcmul_(weight, decays),
            slope.sum(0, keepdim=True),
        )
        schedule = 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for parameter, gradient, (first, second) in zip((weight, bias), gradients, moments):
            first.lerp_(gradient, 1 - BETAS[0])
            second.lerp_(gradient.square(), 1 - BETAS[1])
            direction = first / (1 - BETAS[0] ** (step + 1))
            spread = (second / (1 - BETAS[1] ** (step + 1))).sqrt() + EPSILON
            parameter -= schedule * rates * direction / spread
    return LinearMembers(weight.permute(2, 0, 1), bias.permute(2, 0, 1), mean, scale)


def _choose(outputs: Tensor, targets: Tensor, select_by: str, kind: Kind) -> tuple[int, float]:
    """The best member by its held-out outputs [L, N, C], and what it reached; of equals the first."""
    targets = targets.float()
    if select_by == "loss" or kind != "single":
        losses = [_loss(each, targets, kind) for each in outputs]
        return int(np.argmin(losses)), min(losses)
    labels = targets.argmax(1)
    matrices = [confusion_matrix(labels, each.argmax(-1), targets.shape[1]) for each in outputs]
    reached = scores(torch.stack(matrices))[select_by].tolist()
    return int(np.argmax(reached)), max(reached)


def linear_probe(
    features: Tensor,
    targets: Tensor,
    groups: Tensor,
    queries: Tensor,
    config: LinearConfig,
    validation: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
    kind: Kind = "single",
) -> LinearResult:
    """Train on `features` [N, D] and `targets` [N, C], choose a member, predict `queries` [Q, D].

    `validation` is (features, targets) to choose on; without it, `config.inner_folds` folds of the training
    set that keep `groups` whole choose, and the chosen member is trained again on all of it.
    `config.select_by` is a matter of classes: other kinds are chosen by their loss.
    """
    if validation is not None:
        trained = train_members(features, targets, config, seed=seed, kind=kind)
        held_out = trained.logits(validation[0])
        chosen, reached = _choose(held_out, validation[1], config.select_by, kind)
        outputs, chosen_on = trained.logits(queries)[chosen], held_out[chosen]
    else:
        names = [str(group) for group in groups.tolist()]
        strata = targets.argmax(1).tolist() if kind in ("single", "distribution") else [0] * len(targets)
        folds = torch.from_numpy(group_folds(strata, names, config.inner_folds, seed))
        folds, chosen_on = folds.to(features.device), None
        found = torch.empty(len(config.members), *targets.shape, device=features.device)
        for fold in range(config.inner_folds):
            held = folds == fold
            trained = train_members(features[~held], targets[~held], config, seed=seed, kind=kind)
            found[:, held] = trained.logits(features[held])
        chosen, reached = _choose(found, targets, config.select_by, kind)
        final = train_members(features, targets, config, [config.members[chosen]], seed, kind)
        outputs = final.logits(queries)[0]
    return LinearResult(outputs, chosen_on, *config.members[chosen], reached)
