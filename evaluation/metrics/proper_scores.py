"""Proper scores of probabilities, sample by sample: they are lowest where the model says what it believes.

Targets are classes int64 [N], or distributions [N, C] (shares of votes). Logits [N, C] may be
log-probabilities; -inf rules a class out.
"""

import torch
from torch import Tensor

from .inputs import log_probabilities, same_length, targets_as_shares


def negative_log_likelihood(targets: Tensor, logits: Tensor) -> Tensor:
    """-Σ q log p in nats, float64 [N], in [0, ∞); its mean is the NLL.

    For a class it is -log p of that class; for a distribution q the cross-entropy, at least the entropy of q.
    A class that was ruled out but is true makes it infinite; 0 · log 0 is 0.
    """
    same_length(targets=targets, logits=logits)
    logs = log_probabilities("logits", logits)
    shares = targets_as_shares("targets", targets, logs.shape[1])
    # Sums of zeros of either sign: abs gives 0 and not -0.
    return torch.where(shares > 0, shares * logs, 0).sum(1).neg().abs()


def brier(targets: Tensor, logits: Tensor) -> Tensor:
    """Σ (p - q)² over the classes, float64 [N], in [0, 2]; its mean is the Brier score (Brier 1950).

    This is the multi-class form: for two classes it is twice the binary one. Against a distribution q it is
    the squared distance to q, 0 where the model says just what the people said (against a class drawn from q
    it would be greater by 1 - Σ q²).
    """
    same_length(targets=targets, logits=logits)
    probabilities = log_probabilities("logits", logits).exp()
    return (probabilities - targets_as_shares("targets", targets, probabilities.shape[1])).square().sum(1)
