"""Optimizers by timm's names and the learning rate of each step."""

import difflib
import math
from typing import Any, Literal

from pydantic import Field, field_validator
from timm.optim import create_optimizer_v2, list_optimizers
from torch.optim import Optimizer

from ..foundation import Config
from .task import Task


class OptimizerConfig(Config):
    """Any optimizer of timm's registry; parameters with one dimension (biases, norms) are not decayed."""

    name: str = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] | None = None  # null: the optimizer's own
    weight_decay: float = Field(default=0.05, ge=0)
    # Each layer's rate is this times that of the layer above it (BEiT); null: one rate for all.
    layer_decay: float | None = Field(default=None, gt=0, le=1)

    @field_validator("name")
    @classmethod
    def _exists(cls, name: str) -> str:
        known = [str(each) for each in list_optimizers()]
        if name not in known:
            near = difflib.get_close_matches(name, known) or ["adamw", "sgd", "lamb", "lion"]
            raise ValueError(f"must be one of timm's {len(known)} optimizers, such as {', '.join(near)}")
        return name


class ScheduleConfig(Config):
    """The rate rises linearly to the optimizer's `lr`, then falls along half a cosine, or stays."""

    kind: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: float = Field(default=0, ge=0)
    min_lr: float = Field(default=0, ge=0)


def build_optimizer(task: Task, config: OptimizerConfig) -> Optimizer:
    """timm's optimizer over the task's own parameter groups, or else over timm's grouping of it."""
    extra: dict[str, Any] = {"betas": config.betas} if config.betas is not None else {}
    groups = task.parameter_groups(config.weight_decay)
    return create_optimizer_v2(
        task if groups is None else groups,
        opt=config.name,
        lr=config.lr,
        weight_decay=config.weight_decay,
        layer_decay=config.layer_decay,
        **extra,
    )


def learning_rate(step: int, total: int, warmup: int, peak: float, config: ScheduleConfig) -> float:
    """The rate of optimizer step `step` (from 0) of `total`, the first `warmup` of which rise to `peak`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    if config.kind == "constant":
        return peak
    progress = (step - warmup) / max(total - warmup, 1)
    return config.min_lr + (peak - config.min_lr) * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group `rate` times its `lr_scale` (that of its layer, where layer decay is used)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
