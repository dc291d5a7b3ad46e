"""Sharpness-aware minimisation: a step by the gradient at the worst weights nearby instead of at the weights.

SAM (Foret et al. 2021): min over w of max over ‖e‖ ≤ rho of L(w + e), the maximum taken to first order:
e = rho · g / (‖g‖ + 1e-12) with g the gradient at w and its norm over all that is trained. ASAM (Kwon et al.
2021) measures e in units of the weights, T = |w| + 0.01: e = rho · T² g / (‖T g‖ + 1e-12), and wants a rho
about ten times larger. Ours and not pytorch_optimizer's: docs/adr/0020-sharpness.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from ..foundation import Config

SMALLEST = 1e-12
ETA = 0.01  # of ASAM: what a weight of 0 is taken for


class SharpnessConfig(Config):
    """How far a step looks around: two forward and backward passes, so twice the time.

    Each process climbs by the gradient of its own part of the batch (m-SAM, as published and as in public
    code), so the number of processes is part of what is trained, as it is with batch norm.
    """

    rho: float = Field(default=0.05, ge=0)  # 0: the optimizer alone, at twice the price
    adaptive: bool = False  # ASAM


@contextmanager
def uphill(module: nn.Module, config: SharpnessConfig) -> Iterator[None]:
    """Within it `module` is at w + e, by the gradients that it has, which are forgotten.

    Afterwards weights and buffers are bit for bit as before, also if something was raised, and gradients are
    those of within: of two passes over a batch, only the first changes the statistics of batch norm. Where
    the gradient is not finite e is 0.
    """
    climbers = [parameter for parameter in module.parameters() if parameter.grad is not None]
    before = [(tensor, tensor.detach().clone()) for tensor in (*climbers, *module.buffers())]
    try:
        _climb(climbers, config)
        yield
    finally:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)


@torch.no_grad()
def _climb(parameters: list[nn.Parameter], config: SharpnessConfig) -> None:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if config.adaptive:
        units = [parameter.abs() + ETA for parameter in parameters]
        gradients = [unit * gradient for unit, gradient in zip(units, gradients)]
        steps = [unit * gradient for unit, gradient in zip(units, gradients)]
    else:
        steps = gradients
    norm = get_total_norm(gradients)
    length: Tensor = config.rho / (norm + SMALLEST)
    for parameter, step in zip(parameters, steps):
        parameter.add_(torch.where(norm.isfinite(), length * step, 0))
        parameter.grad = None
