"""Looking at a model without leaving a trace on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within it: eval mode, and compiled parts run eagerly (else hooks are passed over and a batch of a new
    size is compiled again). Afterwards each submodule is in the mode that it was in.
    """
    modes = [(each, each.training) for each in module.modules()]
    try:
        module.eval()
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for each, mode in modes:
            each.training = mode
