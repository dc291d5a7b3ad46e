"""Linear probes: logistic regressions on frozen features, every learning rate and weight decay at once.

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
from torch.nn.functional import cross_entropy

from ..foundation.config import Config
from .folds import group_folds
from .metrics import confusion_matrix, scores

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
    """Predictions int64 [Q] of the test set, and the chosen member with the score that chose it."""

    predictions: Tensor
    learning_rate: float
    weight_decay: float
    selection_score: float


@torch.no_grad()
def train_members(
    features: Tensor,
    labels: Tensor,
    classes: int,
    config: LinearConfig,
    members: Sequence[tuple[float, float]] | None = None,
    seed: int = 0,
) -> LinearMembers:
    """Train all `members` (learning rate, weight decay) side by side; the whole grid by default.

    `features` [N, D], `labels` int64 [N]. Adam with a cosine schedule to zero; members do not influence each
    other because each one's loss reaches only its own slice. Deterministic by `seed` on one device and thread
    count.
    """
    device, (count, width) = features.device, features.shape
    grid = torch.tensor(list(members or config.members), dtype=torch.float32, device=device)
    rates, decays = grid[:, 0], grid[:, 1]
    mean = features.float().mean(0)
    # A constant feature says nothing: scale 1 leaves it at zero instead of dividing by zero.
    spread = features.float().std(0, correction=0)
    scale = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
    standardised = (features.float() - mean) / scale
    importance = torch.ones(count, 1, 1, device=device)
    if config.class_weights == "balanced":
        occurrences = torch.bincount(labels, minlength=classes)
        importance = (count / (occurrences[labels] * (occurrences > 0).sum()))[:, None, None]

    # Members last: the softmax over classes then runs along contiguous memory, ten times as fast.
    weight = torch.zeros(width, classes, len(grid), device=device)
    bias = torch.zeros(1, classes, len(grid), device=device)
    moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in (weight, bias)]
    generator = torch.Generator().manual_seed(seed)
    for step in range(config.steps):
        inputs, targets, weights = standardised, labels, importance
        if count > config.batch_size:
            picked = torch.randperm(count, generator=generator)[: config.batch_size].to(device)
            inputs, targets, weights = standardised[picked], labels[picked], importance[picked]
        logits = (inputs @ weight.flatten(1)).view(len(inputs), classes, len(grid)) + bias
        # The gradient of mean cross-entropy with respect to the logits: softmax minus one-hot.
        slope = logits.softmax(1)
        slope[torch.arange(len(inputs), device=device), targets] -= 1
        slope *= weights / len(inputs)
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


def _choose(logits: Tensor, labels: Tensor, classes: int, select_by: str) -> tuple[int, float]:
    """The best member by its held-out logits [L, N, C], and what it reached; of equals the first."""
    if select_by == "loss":
        losses = [float(cross_entropy(each, labels)) for each in logits]
        return int(np.argmin(losses)), min(losses)
    matrices = torch.stack([confusion_matrix(labels, each.argmax(-1), classes) for each in logits])
    reached = scores(matrices)[select_by].tolist()
    return int(np.argmax(reached)), max(reached)


def linear_probe(
    features: Tensor,
    labels: Tensor,
    groups: Tensor,
    queries: Tensor,
    classes: int,
    config: LinearConfig,
    validation: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
) -> LinearResult:
    """Train on `features` [N, D], choose a member, predict `queries` [Q, D].

    `validation` is (features, labels) to choose on; without it, `config.inner_folds` folds of the training
    set that keep `groups` whole choose, and the chosen member is trained again on all of it.
    """
    if validation is not None:
        trained = train_members(features, labels, classes, config, seed=seed)
        chosen, reached = _choose(trained.logits(validation[0]), validation[1], classes, config.select_by)
        predictions = trained.logits(queries)[chosen].argmax(-1)
    else:
        names = [str(group) for group in groups.tolist()]
        folds = torch.from_numpy(group_folds(labels.tolist(), names, config.inner_folds, seed))
        folds = folds.to(features.device)
        logits = torch.empty(len(config.members), len(labels), classes, device=features.device)
        for fold in range(config.inner_folds):
            held = folds == fold
            trained = train_members(features[~held], labels[~held], classes, config, seed=seed)
            logits[:, held] = trained.logits(features[held])
        chosen, reached = _choose(logits, labels, classes, config.select_by)
        final = train_members(features, labels, classes, config, [config.members[chosen]], seed)
        predictions = final.logits(queries)[0].argmax(-1)
    return LinearResult(predictions, *config.members[chosen], reached)
