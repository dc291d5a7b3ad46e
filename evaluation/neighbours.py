"""k nearest neighbours by cosine: their targets averaged, weighted by exp(similarity / temperature).

The weighting is DINO's (Caron et al. 2021, after Wu et al. 2018, temperature 0.07). k is chosen by leaving
groups out of the training set, never on the test set.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..foundation.config import Config
from .predictions import FLOOR, Kind

CHUNK = 1024  # queries at once: bounds the memory of the similarity matrix


class NeighboursConfig(Config):
    """k nearest neighbours on frozen features."""

    ks: tuple[int, ...] = (1, 5, 10, 20, 50, 100)
    temperature: float = 0.07
    max_queries: int = 10_000  # at most so many training images are asked when k is chosen


@dataclass(frozen=True, slots=True)
class NeighboursResult:
    """Outputs float32 [Q, C] of the test set, as those of `Predictions`, and the k the training set chose."""

    outputs: Tensor
    k: int

    @property
    def predictions(self) -> Tensor:
        """The classes with the most votes, int64 [Q]."""
        return self.outputs.argmax(-1)


def vote(
    queries: Tensor,
    bank: Tensor,
    targets: Tensor,
    config: NeighboursConfig,
    query_groups: Tensor | None = None,
    bank_groups: Tensor | None = None,
) -> dict[int, Tensor]:
    """The neighbours' mean target, float32 [Q, C], for every k of the config.

    `queries` [Q, D] and `bank` [N, D] are features of any length (they are normalised here); `targets`
    [N, C] are the bank's: one-hot, shares, 0s and 1s, or values, of which NaN has no vote (0 where none has).
    With groups given, neighbours of the query's own group do not vote. A k above N uses all N.
    """
    bank, known = normalize(bank.float(), dim=1), ~targets.isnan()
    votes = targets.float().nan_to_num(0.0)
    everything = bool(known.all())
    deepest = min(max(config.ks), len(bank))
    found: dict[int, list[Tensor]] = {k: [] for k in config.ks}
    for start in range(0, len(queries), CHUNK):
        similarity = normalize(queries[start : start + CHUNK].float(), dim=1) @ bank.T
        if query_groups is not None and bank_groups is not None:
            own = query_groups[start : start + CHUNK, None] == bank_groups[None]
            similarity = similarity.masked_fill(own, -torch.inf)
        nearest, indices = similarity.topk(deepest, dim=1)
        # Relative to the nearest: the same shares, and no overflow at small temperatures.
        weights = ((nearest - nearest[:, :1]) / config.temperature).exp().nan_to_num(0.0)[..., None]
        tally = (weights * votes[indices]).cumsum(1)  # [chunk, deepest, classes]
        voters = (weights if everything else weights * known[indices]).cumsum(1)
        for k in config.ks:
            last = min(k, deepest) - 1
            found[k].append((tally[:, last] / voters[:, last]).nan_to_num(0.0))
    return {k: torch.cat(parts) for k, parts in found.items()}


def choose_k(
    features: Tensor, targets: Tensor, groups: Tensor, config: NeighboursConfig, kind: Kind = "single"
) -> int:
    """The k whose leave-one-group-out predictions of the training set are best; the smallest of equals.

    Best by accuracy where the target is one class, otherwise by squared error.
    """
    asked = torch.linspace(0, len(features) - 1, min(len(features), config.max_queries)).long()
    means, truth = vote(features[asked], features, targets, config, groups[asked], groups), targets[asked]
    if kind == "single":
        labels = truth.argmax(1)
        reached = {k: float((mean.argmax(1) == labels).double().mean()) for k, mean in means.items()}
    else:
        reached = {k: -float((mean - truth).double().square().nanmean()) for k, mean in means.items()}
    return max(sorted(reached), key=lambda k: reached[k])


def nearest_neighbours(
    features: Tensor,
    targets: Tensor,
    groups: Tensor,
    queries: Tensor,
    config: NeighboursConfig,
    kind: Kind = "single",
) -> NeighboursResult:
    """Predict `queries` [Q, D] from training `features` [N, D] with the k that leave-group-out chooses."""
    k = choose_k(features, targets, groups, config, kind)
    means = vote(queries, features, targets, config.model_copy(update={"ks": (k,)}))[k]
    return NeighboursResult(as_outputs(means, kind), k)


def as_outputs(means: Tensor, kind: Kind) -> Tensor:
    """Mean targets [Q, C] as outputs of `Predictions`: log-shares, log-odds, or as they are (vad)."""
    if kind == "vad":
        return means
    means = means.double()  # in which 1 - FLOOR is not yet 1
    means = means.clamp(FLOOR, 1 - FLOOR) if kind == "multilabel" else means.clamp(min=FLOOR)
    return (means.logit() if kind == "multilabel" else means.log()).float()
