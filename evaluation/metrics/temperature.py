"""Temperature scaling: one number that makes a trained classifier as sure as it should be.

Guo et al. 2017: logits are divided by T, fitted on validation data only; the order of the classes stays.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from .inputs import real, same_length, targets_as_shares
from .proper_scores import negative_log_likelihood

LOWEST, HIGHEST = 1e-3, 1e3  # of T, our choice
HALVINGS = 48  # leave 1e-13 of the range of log T


@dataclass(frozen=True, slots=True)
class Temperature:
    """T (above 1: the model was too sure), and the validation set's mean NLL at T = 1 and at T."""

    value: float
    nll_before: float
    nll_after: float
    identified: bool  # False: no T in the range is best, so this one says nothing about another set

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits of any set divided by T, float64."""
        return logits.double() / self.value


def fit_temperature(targets: Tensor, logits: Tensor) -> Temperature:
    """The T in [0.001, 1000] of the lowest mean NLL; `nll_after` is never above `nll_before`.

    Targets are classes int64 [N] or distributions [N, C], logits [N, C], finite. The NLL is convex in 1/T, so
    the zero of its slope, E_p[z] - E_q[z], is found by bisection over log T, in float64. T = 1 is kept where
    nothing is lower: logits that are constant in each row, for one.

    Two kinds of sets have no best T. Where the right class leads in every sample (few samples, or those
    trained on) the NLL falls towards 0 with T; where the logits are worse than chance it falls as T grows.
    The T returned lies where float64 sees no more gain, or on the bound, and `identified` is False.
    """
    same_length(targets=targets, logits=logits)
    logits = real("logits", logits, 2)
    shares = targets_as_shares("targets", targets, logits.shape[1])
    centred = logits - logits.amax(1, keepdim=True)

    def slope(log_scale: float) -> float:
        """Of the mean NLL by 1/T, at 1/T = exp(log_scale)."""
        expected = (centred * math.exp(log_scale)).softmax(1)
        return float(((expected - shares) * centred).sum(1).mean())

    low, high = -math.log(HIGHEST), -math.log(LOWEST)
    identified = slope(low) < 0 < slope(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) >= 0 else (middle, high)
    value = min(max(math.exp(-high), LOWEST), HIGHEST)
    before = float(negative_log_likelihood(targets, logits).mean())
    after = float(negative_log_likelihood(targets, logits / value).mean())
    if after < before:
        return Temperature(value, before, after, identified)
    return Temperature(1.0, before, before, identified)
