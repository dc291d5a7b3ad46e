"""A task with all that turns its losses into better weights."""

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from pydantic import Field
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ..foundation import Config, UserError
from .blocks import compile_blocks, recompute_activations
from .distributed import Mode, World, distribute, gradient_sync, resolve_mode, shard
from .flops import count_flops
from .optimizer import OptimizerConfig, build_optimizer, set_learning_rate
from .randomness import keep_randomness
from .sharpness import SharpnessConfig, uphill
from .task import Batch, Task

# State is saved whole, on the CPU of the main process: it can be resumed on any number of processes.
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class LearnerConfig(Config):
    """What one optimizer step does."""

    batch_size: int = Field(default=64, ge=1)  # images a step, over all processes and micro-batches
    accumulation: int = Field(default=1, ge=1)  # micro-batches a step in each process
    optimizer: OptimizerConfig = OptimizerConfig()
    clip_norm: float | None = Field(default=1.0, gt=0)  # largest norm of the whole gradient; null: any
    sharpness: SharpnessConfig | None = None  # SAM or ASAM: two passes a step; null: one
    ema: float | None = Field(default=None, gt=0, lt=1)  # decay of an average of the weights
    precision: Literal["fp32", "bf16"] = "fp32"  # bf16: autocast
    channels_last: bool = False  # layout of weights in memory: faster convolutions on most devices
    compile: bool = False  # pays on a GPU and on long runs; under fsdp2 block by block
    activation_checkpointing: bool = False  # less memory for one more forward pass: blocks are recomputed
    device: Literal["auto", "cpu", "cuda"] = "auto"
    distributed: Mode = "auto"  # auto: ddp for several processes
    timeout: float = Field(default=30, gt=0)  # minutes that a process waits for the others


class Learner:
    """Owns the task's place on the device and among the processes, its optimizer and its average.

    Attributes:
        task: the task itself; under fsdp2 its parameters are sharded.
        average: a module like `task` with averaged weights, or None.
    """

    def __init__(self, task: Task, config: LearnerConfig, world: World) -> None:
        mode = resolve_mode(config.distributed, world)
        if config.precision == "bf16" and world.device.type == "cuda" and not _has_bf16():
            raise UserError("precision=bf16, but this GPU has none (use precision=fp32)")
        if config.sharpness is not None and mode == "fsdp2":
            raise UserError(
                "sharpness needs each process's own gradient, of which distributed=fsdp2 keeps a part only "
                "(use ddp, or sharpness=null)"
            )
        self.config, self.world = config, world
        self.task = task.to(world.device)
        if config.channels_last:
            self.task.to(memory_format=torch.channels_last)  # images follow at the first convolution
        world.same_weights(self.task)
        # Copied before the task is changed: what is compiled or sharded does not survive a deep copy.
        self.average = ModelEmaV3(self.task, decay=config.ema, use_warmup=True) if config.ema else None
        if self.average is not None and mode == "fsdp2":
            shard(self.average.module, world)
        if config.activation_checkpointing:
            recompute_activations(self.task)
        if config.compile and mode == "fsdp2":
            compile_blocks(self.task)  # compiled whole, FSDP's hooks would make all of it run eagerly
        elif config.compile:
            self.task.compile()
        self.model = distribute(self.task, mode, world)
        self.optimizer = build_optimizer(self.task, config.optimizer)
        self._autocast = torch.autocast(world.device.type, torch.bfloat16, enabled=config.precision == "bf16")

    @property
    def averaged(self) -> nn.Module:
        """The module to evaluate: with averaged weights where they are kept."""
        return self.task if self.average is None else self.average.module

    def backward(self, batch: Batch, last: bool) -> dict[str, Tensor]:
        """Add one micro-batch's share to the gradient, which the last one averages over processes."""
        batch = self.to_device(batch)
        with gradient_sync(self.model, enabled=last):
            with self._autocast:
                parts = self.model(batch)
            (parts["loss"] / self.config.accumulation).backward()
        return {name: value.detach() for name, value in parts.items()}

    def to_device(self, batch: Batch) -> Batch:
        """`batch` with its tensors, also those in dictionaries within it, on this process's device."""

        def move(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: move(each) for key, each in value.items()}
            return value.to(self.world.device, non_blocking=True) if isinstance(value, Tensor) else value

        return move(batch)

    def count_flops(self, batch: Batch) -> int:
        """Operations for one micro-batch in this process (see `flops`), by training on it and forgetting it.

        Gradients are discarded; buffers and random numbers are put back as they were.
        """
        batch = self.to_device(batch)
        buffers = [(buffer, buffer.clone()) for buffer in self.task.buffers()]

        def loss() -> Tensor:
            with self._autocast:
                return self.task(batch)["loss"]  # not through DDP, which would average the gradients

        try:
            with keep_randomness():
                return count_flops(loss)
        finally:
            self.discard()
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)

    def uphill(self) -> AbstractContextManager[None]:
        """Within it the weights are where `config.sharpness` looks (see `sharpness.uphill`)."""
        assert self.config.sharpness is not None
        return uphill(self.task, self.config.sharpness)

    def clip(self) -> Tensor:
        """Bring the gradient down to `clip_norm`; returns its norm before that."""
        parameters = list(self.task.parameters())
        norm = get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        if self.config.clip_norm is not None:
            clip_grads_with_norm_(parameters, self.config.clip_norm, norm)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def update(self, rate: float, step: int) -> None:
        """Take the optimizer's step at learning rate `rate` and let the average follow."""
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.discard()
        if self.average is not None:
            self.average.update(self.task, step=step + 1)

    def discard(self) -> None:
        """Forget the gradient."""
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """Model, optimizer and average; whole in the main process, empty in others (a collective call)."""
        return {
            "model": get_model_state_dict(self.task, options=WHOLE),
            "optimizer": get_optimizer_state_dict(self.task, self.optimizer, options=WHOLE),
            "average": get_model_state_dict(self.average.module, options=WHOLE) if self.average else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a whole state (given to every process)."""
        # The optimizer first: torch fills its state by a step at rate 0, which must not touch the weights.
        set_optimizer_state_dict(self.task, self.optimizer, state["optimizer"], options=WHOLE)
        set_model_state_dict(self.task, state["model"], options=WHOLE)
        if self.average is not None:
            set_model_state_dict(self.average.module, state["average"], options=WHOLE)

    def weights(self) -> dict[str, Tensor]:
        """The state_dict to release, averaged where an average is kept; whole and empty as in `state`."""
        state: dict[str, Any] = get_model_state_dict(self.averaged, options=WHOLE)
        return state


def _has_bf16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)
