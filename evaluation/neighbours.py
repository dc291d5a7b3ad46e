"""k nearest neighbours by cosine, votes weighted by exp(similarity / temperature).

The weighting is DINO's (Caron et al. 2021, after Wu et al. 2018, temperature 0.07). k is chosen by leaving
groups out of the training set, never on the test set.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from ..foundation.config import Config
from .metrics import confusion_matrix, scores

CHUNK = 1024  # queries at once: bounds the memory of the similarity matrix


class NeighboursConfig(Config):
    """k nearest neighbours on frozen features."""

    ks: tuple[int, ...] = (1, 5, 10, 20, 50, 100)
    temperature: float = 0.07
    max_queries: int = 10_000  # at most so many training images are asked when k is chosen


@dataclass(frozen=True, slots=True)
class NeighboursResult:
    """Predictions int64 [N] of the test set, and the k that the training set chose."""

    predictions: Tensor
    k: int


def vote(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    classes: int,
    config: NeighboursConfig,
    query_groups: Tensor | None = None,
    bank_groups: Tensor | None = None,
) -> dict[int, Tensor]:
    """Predicted classes int64 [Q] for every k of the config.

    `queries` [Q, D] and `bank` [N, D] are features of any length (they are normalised here); `labels` [N] are
    the bank's classes. With groups given, neighbours of the query's own group do not vote.
    A k above N uses all N.
    """
    bank = normalize(bank.float(), dim=1)
    votes = one_hot(labels, classes).float()
    deepest = min(max(config.ks), len(bank))
    found: dict[int, list[Tensor]] = {k: [] for k in config.ks}
    for start in range(0, len(queries), CHUNK):
        similarity = normalize(queries[start : start + CHUNK].float(), dim=1) @ bank.T
        if query_groups is not None and bank_groups is not None:
            own = query_groups[start : start + CHUNK, None] == bank_groups[None]
            similarity = similarity.masked_fill(own, -torch.inf)
        nearest, indices = similarity.topk(deepest, dim=1)
        # Relative to the nearest: the same order of votes, and no overflow at small temperatures.
        weights = ((nearest - nearest[:, :1]) / config.temperature).exp().nan_to_num(0.0)
        tally = (weights[..., None] * votes[indices]).cumsum(1)  # [chunk, deepest, classes]
        for k in config.ks:
            found[k].append(tally[:, min(k, deepest) - 1].argmax(-1))
    return {k: torch.cat(parts) for k, parts in found.items()}


def choose_k(
    features: Tensor, labels: Tensor, groups: Tensor, classes: int, config: NeighboursConfig, select_by: str
) -> int:
    """The k whose leave-one-group-out predictions of the training set score best; the smallest of equals."""
    asked = torch.linspace(0, len(features) - 1, min(len(features), config.max_queries)).long()
    guesses = vote(features[asked], features, labels, classes, config, groups[asked], groups)
    reached = {
        k: float(scores(confusion_matrix(labels[asked], guess, classes))[select_by])
        for k, guess in guesses.items()
    }
    return max(sorted(reached), key=lambda k: reached[k])


def nearest_neighbours(
    features: Tensor,
    labels: Tensor,
    groups: Tensor,
    queries: Tensor,
    classes: int,
    config: NeighboursConfig,
    select_by: str = "accuracy",
) -> NeighboursResult:
    """Predict `queries` [Q, D] from training `features` [N, D] with the k that leave-group-out chooses."""
    k = choose_k(features, labels, groups, classes, config, select_by)
    guesses = vote(queries, features, labels, classes, config.model_copy(update={"ks": (k,)}))
    return NeighboursResult(guesses[k], k)
