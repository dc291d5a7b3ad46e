"""Pictures of what a model does with a batch, drawn now and then during training."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import nn

from .distributed import World, with_whole_weights
from .randomness import keep_randomness
from .task import Batch

Observe = Callable[[nn.Module, Batch, Path], list[Path]]


def draw(observe: Observe, module: nn.Module, batch: Batch, folder: Path, world: World) -> list[Path]:
    """Have `observe` look at `module`, in eval mode and without gradients; returns the files in `folder`.

    Every process must call it, for a forward may need them all; only the main one draws into `folder`, the
    others into one that is thrown away. Random numbers are drawn without a trace. The module is left in eval
    mode.
    """

    def look(module: nn.Module) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        return observe(module, batch, folder)

    with keep_randomness(), torch.no_grad(), ExitStack() as stack:
        if not world.is_main:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return with_whole_weights(module.eval(), look)
