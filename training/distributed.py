"""One process or many, by torchrun's environment: who am I, and what do we all agree on.

```
torchrun --nproc-per-node 8 --no-python vemo pretrain CONFIG      # the same command without torchrun: one
```
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

from ..foundation import UserError
from .blocks import find_blocks

Mode = Literal["auto", "none", "ddp", "fsdp2"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """This process among all that train together: `rank` of `size`, computing on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean of `values` over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values / self.size

    def any(self, flags: Tensor) -> list[bool]:
        """For each of the flags (a float tensor, not 0 = raised): has any process raised it?"""
        if self.size > 1:
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return [flag != 0 for flag in flags.tolist()]

    def on_main(self, action: Callable[[], Result]) -> Result:
        """What `action` returns (it must pickle), done by the main process and given to all.

        A UserError of it is raised in all, so that none waits for a process that has left.
        """
        box: list[Any] = [None]
        if self.is_main:
            try:
                box = [action()]
            except UserError as error:
                box = [error]
        if self.size > 1:
            dist.broadcast_object_list(box, src=0)
        if isinstance(box[0], UserError):
            raise box[0]
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every process's `value`, by rank, in every process."""
        values = [value]
        if self.size > 1:
            values = [None] * self.size
            dist.all_gather_object(values, value)
        return values

    def same_weights(self, module: nn.Module) -> None:
        """Give every process the main one's parameters and buffers."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, src=0)


def join_world(device: Literal["auto", "cpu", "cuda"] = "auto", timeout: float = 30) -> World:
    """Join the processes torchrun started (NCCL between GPUs, gloo between CPUs), or be alone.

    `auto` takes this process's GPU where there is one. A process that waits for the others longer than
    `timeout` minutes fails. Joining twice is joining once.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda, but torch sees no GPU here (try device=auto, or `vemo doctor`)")
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    here = torch.device("cpu")
    if device != "cpu" and torch.cuda.is_available():
        here = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        torch.cuda.set_device(here)
    if size > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if here.type == "cuda" else "gloo"
        limit = timedelta(minutes=timeout)
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            store = _clean_store(rank, size, limit)
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=limit)
        else:
            dist.init_process_group(backend, timeout=limit)
    return World(rank, size, here)


def _clean_store(rank: int, size: int, limit: timedelta) -> dist.Store:
    """torchrun's store below a prefix of this start: addresses and NCCL ids of the dead are not found there.

    torchrun keeps one store through its restarts (torch 2.14, see pytorch#135712), so a restarted process may
    otherwise wait for one that was killed. The main process makes up a prefix and tells it to each of the
    others in reply to a word that nobody can have left there before.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(address, port, is_master=False, timeout=limit)
    if rank > 0:
        word = uuid.uuid4().hex
        store.set(f"vemo/word-of-{rank}", word)
        prefix = store.get(word).decode()  # waits for it
        store.set(f"{prefix}/met-{rank}", "")
        return dist.PrefixStore(prefix, store)
    prefix = f"vemo/{uuid.uuid4().hex}"
    missing = list(range(1, size))
    give_up = time.monotonic() + limit.total_seconds()
    while missing := [other for other in missing if not store.check([f"{prefix}/met-{other}"])]:
        if time.monotonic() > give_up:
            raise TimeoutError(f"processes {missing} did not come within {limit}")
        for key in (f"vemo/word-of-{other}" for other in missing):
            if store.check([key]):
                store.set(store.get(key).decode(), prefix)
        time.sleep(0.02)
    return dist.PrefixStore(prefix, store)


def leave_world() -> None:
    """Part from the other processes; harmless when alone."""
    if dist.is_initialized():
        dist.destroy_process_group()


def resolve_mode(mode: Mode, world: World) -> Mode:
    """`auto` is ddp for several processes and none for one; contradictions are the user's mistake."""
    if mode == "auto":
        return "ddp" if world.size > 1 else "none"
    if mode == "none" and world.size > 1:
        raise UserError(f"distributed=none, but {world.size} processes were started (use ddp or fsdp2)")
    return "none" if world.size == 1 else mode


def distribute(task: nn.Module, mode: Mode, world: World) -> nn.Module:
    """What to call instead of `task` so that gradients are averaged over processes; shares its weights.

    fsdp2 shards `task` in place: its blocks one by one, then the rest together.
    """
    if mode == "ddp":
        device_ids = [world.device] if world.device.type == "cuda" else None
        return DistributedDataParallel(task, device_ids=device_ids)
    if mode == "fsdp2":
        shard(task, world)
    return task


def shard(module: nn.Module, world: World) -> None:
    """FSDP2 in place, block by block."""
    scalars = [name for name, parameter in module.named_parameters() if parameter.ndim == 0]
    if scalars:
        raise UserError(f"distributed=fsdp2 cannot shard the scalar {scalars[0]} (give it shape [1])")
    mesh = init_device_mesh(world.device.type, (world.size,))
    for block in find_blocks(module):
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


def with_whole_weights(module: nn.Module, action: Callable[[nn.Module], Result]) -> Result:
    """`action(module)`, which may call any part of it: under fsdp2 all its weights are gathered meanwhile.

    Every process must call it, with the same `action`.
    """
    if not isinstance(module, FSDPModule):
        return action(module)
    blocks = [part for part in module.modules() if isinstance(part, FSDPModule) and part is not module]

    def gathered() -> Result:
        for block in blocks:
            block.set_reshard_after_forward(False, recurse=False)
            block.unshard()
        return action(module)

    # A forward of the whole has to come first, or else torch takes a block for the root.
    module.gathered = gathered  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    register_fsdp_forward_method(module, "gathered")
    try:
        return module.gathered()  # pyright: ignore[reportCallIssue]
    finally:
        del module.gathered
        for block in blocks:
            block.set_reshard_after_forward(True, recurse=False)
        for part in (*blocks, module):
            part.reshard()


@contextmanager
def gradient_sync(model: nn.Module, enabled: bool) -> Iterator[None]:
    """Within it, backward averages gradients over processes only if `enabled` (the last micro-batch)."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(enabled)
        yield
    elif isinstance(model, DistributedDataParallel) and not enabled:
        with model.no_sync():
            yield
    else:
        yield
