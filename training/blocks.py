"""A model's blocks: what is sharded, compiled and recomputed one by one."""

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..foundation import UserError


def find_blocks(module: nn.Module) -> list[nn.Module]:
    """The innermost elements of nn.ModuleList and nn.Sequential that hold parameters and are made of parts.

    These are a transformer's blocks; not a stage of several blocks, and not the layers of a block's MLP.
    """
    found: dict[nn.Module, None] = {}
    for parent in module.modules():
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            found.update(dict.fromkeys(element for element in parent if _is_composite(element)))
    return [
        block for block in found if not any(part in found for part in block.modules() if part is not block)
    ]


def recompute_activations(module: nn.Module) -> None:
    """In place: blocks keep their input only, and run again when backward needs what happened inside.

    Only their `forward` is replaced: names in the state_dict stay. Same gradients, one more forward pass.
    """
    blocks = find_blocks(module)
    if not blocks:
        raise UserError(
            "activation_checkpointing=true, but the task has no blocks (elements of nn.ModuleList or "
            "nn.Sequential made of several modules) to recompute"
        )
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(module: nn.Module) -> None:
    """In place: each block's `forward` is compiled, and nothing between the blocks."""
    for block in find_blocks(module):
        block.forward = torch.compile(block.forward)


def _is_composite(module: nn.Module) -> bool:
    holds_parameters = any(True for _ in module.parameters())
    return holds_parameters and any(True for _ in module.children()) and not isinstance(module, nn.ModuleList)
