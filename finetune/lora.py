"""LoRA: an encoder that stays as it is, and small adapters that are trained beside its linear layers.

Library: peft (Apache-2.0) puts the adapters into timm's own modules and adds them to the weights in the end.
"""

import re
from typing import Any

import torch
from pydantic import Field
from torch import nn

from ..foundation.config import Config
from ..foundation.errors import UserError
from ..zoo.encoder import Encoder


class LoraConfig(Config):
    """Low-rank adapters (Hu et al. 2021): W + alpha / rank · B · A in place of W. A and B are trained, and B
    starts at 0."""

    rank: int = Field(default=8, ge=1, description="Rows of A, columns of B")
    alpha: float = Field(default=16, gt=0, description="Over rank, the factor of what the adapters add")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Of what goes into the adapters")
    targets: tuple[str, ...] = Field(
        default=("qkv", "proj", "fc1", "fc2"),
        min_length=1,
        description="Which linear layers, by the last part of their names in timm's model",
    )


def add_adapters(encoder: Encoder, config: LoraConfig) -> None:
    """In place: the encoder is frozen and adapters beside its `targets` are not.

    Raises UserError: no peft, no such layer, or one that the encoder never calls (of their qkv, BEiT and EVA
    take the weights alone), so that an adapter would do nothing.
    """
    peft = _peft()
    layers = [name for name, module in encoder.model.named_modules() if isinstance(module, nn.Linear)]
    last = {name: name.rpartition(".")[2] for name in layers}
    if absent := [name for name in config.targets if name not in last.values()]:
        there = ", ".join(sorted(set(last.values()))) or "none at all"
        raise UserError(f"lora.targets: this encoder has no linear layer {absent[0]}; it has {there}")
    chosen = [name for name in layers if last[name] in config.targets]
    called = _called(encoder, chosen)
    if deaf := [name for name in chosen if name not in called]:
        raise UserError(
            f"lora.targets: this encoder never calls {deaf[0]}, so an adapter there would do nothing; leave "
            f"{last[deaf[0]]} out"
        )
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="|".join(map(re.escape, chosen)),  # a pattern: names alone would match by their ends
    )
    peft.inject_adapter_in_model(settings, encoder.model)  # which freezes all else


def merge_adapters(encoder: Encoder) -> None:
    """In place: the adapters become part of the weights, and the model is timm's again, without peft."""
    _peft()
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = encoder.model
    adapted: list[tuple[str, Any]] = [
        (name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    ]
    for name, module in adapted:
        module.merge(safe_merge=True)
        model.set_submodule(name, module.get_base_layer())


def _called(encoder: Encoder, names: list[str]) -> set[str]:
    """Those of these layers that a forward pass calls."""
    called: set[str] = set()
    hooks = [
        encoder.model.get_submodule(name).register_forward_hook(lambda *_, name=name: called.add(name))
        for name in names
    ]
    was_training, side = encoder.training, encoder.image_size
    encoder.eval()
    with torch.no_grad():
        encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8, device=encoder.mean.device))
    encoder.train(was_training)
    for hook in hooks:
        hook.remove()
    return called


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise UserError(f"train=lora needs the package {error.name}: pip install 'vemo[lora]'") from None
    return peft
