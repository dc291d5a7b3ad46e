"""A task and a stateless source small enough to train in a blink, and ways to train them in processes.

As a script, `toy_runs.py RUN_DIR key=value ...` leaves the final weights in RUN_DIR/weights.pt.
"""

import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from torch import nn
from vemo.foundation import UserError
from vemo.foundation.config import load_config
from vemo.foundation.files import read_json_lines
from vemo.training import Task, Trainer, TrainerConfig, join_world, leave_world, seed_everything
from vemo.training.checkpoint import Checkpoints


class ToyTask(Task):
    """A regression with dropout, so that randomness matters, and blocks, to have something to shard."""

    def __init__(self) -> None:
        super().__init__()
        dropout = float(os.environ.get("TOY_DROPOUT", 0.1))
        blocks = [nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(dropout)) for _ in range(2)]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(8, 1)

    def forward(self, batch):
        x = batch["x"]
        for block in self.blocks:
            x = x + block(x)
        error = self.head(x).squeeze(1) - batch["y"]
        return {"loss": error.square().mean(), "absolute": error.abs().mean()}


class ToySource:
    """Batches that are a function of the position only; samples in `poisoned` are not a number."""

    def __init__(self, config, world, samples: int = 64, poisoned: tuple[int, ...] = ()) -> None:
        self.samples_per_epoch = samples // config.batch_size * config.batch_size
        self.config, self.world, self.poisoned = config, world, poisoned
        self.pause = float(os.environ.get("TOY_PAUSE", 0))
        self.dies_at = os.environ.get("TOY_DIES_AT")  # RANK:SAMPLES, in the first life only

    def batches(self, start: int) -> Iterator[dict]:
        whole, parts = self.config.batch_size, self.config.accumulation * self.world.size
        while True:
            first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
            if first_life and self.dies_at == f"{self.world.rank}:{start}":
                os.kill(os.getpid(), signal.SIGKILL)
            epoch, offset = divmod(start, self.samples_per_epoch)
            order = np.random.default_rng([self.config.seed, epoch]).permutation(self.samples_per_epoch)
            pieces = torch.from_numpy(order[offset : offset + whole]).chunk(parts)
            first = self.world.rank * self.config.accumulation
            for index in pieces[first : first + self.config.accumulation]:
                yield self._batch(index)
            start += whole

    def _batch(self, index: torch.Tensor) -> dict:
        if self.pause:
            time.sleep(self.pause)
        x = torch.sin(index[:, None] * torch.arange(1, 9)).float()
        y = x.sum(1)
        for sample in self.poisoned:
            y[index == sample] = float("nan")
        return {"x": x, "y": y, "index": index, "name": [f"sample {i}" for i in index.tolist()]}


def toy_config(*overrides: str) -> TrainerConfig:
    return load_config(TrainerConfig, None, ["device=cpu", "batch_size=8", "epochs=3", *overrides])


def look(task, batch, folder: Path) -> list[Path]:
    """A "picture" of numbers: made by parts of the task on their own, and with random numbers drawn."""
    torch.rand(1)
    hidden = task.blocks[0](batch["x"]) @ task.blocks[1][0].weight
    path = folder / "hidden.png"
    path.write_text(str(float(task.head(hidden).sum() + task(batch)["loss"])))
    return [path]


def toy_trainer(
    run_dir, config, *, task=ToyTask, poisoned=(), description=None, evaluate=None, observe=look
) -> Trainer:
    world = join_world(config.device, config.timeout)
    seed_everything(config.seed)
    source = ToySource(config, world, poisoned=poisoned)
    description = description if description is not None else {"model": {"width": 8}, "data": {"samples": 64}}
    hooks = {"evaluate": evaluate, "observe": observe}
    return Trainer(task(), source, config, Path(run_dir), description, world=world, **hooks)


def wait_for_line(path, count: int, seconds: float = 120) -> None:
    """Until `path` has that many lines."""
    deadline = time.monotonic() + seconds
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, f"{path} never had {count} lines"
        time.sleep(0.005)


def curve(run_dir) -> list[dict]:
    """metrics.jsonl without what the clock decides."""
    timed = ("images_per_second", "data_wait", "tflops")
    return [
        {name: value for name, value in record.items() if name not in timed}
        for record in read_json_lines(run_dir / "metrics.jsonl")
    ]


# Starting Python and torch takes seconds; a process forked from one that has them, none.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["vemo.training"])


def start_toy(run_dir: Path, *overrides: str, **environment: str) -> BaseProcess:
    """Train in another process, which writes what it says to RUN_DIR.said-RANK."""
    process = _processes.Process(target=_train_aside, args=(run_dir, overrides, environment))
    process.start()
    return process


def limit_files(size: int) -> None:
    """Writes past `size` bytes of a file fail from now on, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def what_it_said(run_dir: Path, rank: int = 0) -> str:
    return Path(f"{run_dir}.said-{rank}").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_toys(run_dir: Path, *overrides: str, processes: int, **environment: str) -> list[BaseProcess]:
    """Train in that many processes, as torchrun would."""
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    world |= environment
    return [start_toy(run_dir, *overrides, **world, RANK=str(rank)) for rank in range(processes)]


def run_toy(
    run_dir: Path, *overrides: str, processes: int = 1, expected_exit: int = 0, **environment: str
) -> str:
    """Train to the end in that many processes; returns what the first one said."""
    started = start_toys(run_dir, *overrides, processes=processes, **environment)
    for rank, process in enumerate(started):
        process.join(300)
        assert process.exitcode == expected_exit, what_it_said(run_dir, rank)
    return what_it_said(run_dir)


def die_while_saving(folder: Path, step: int) -> int | None:
    """Have another process killed (-9) when half a checkpoint is written; returns its exit code."""
    process = _processes.Process(target=_save_half, args=(folder, step))
    process.start()
    process.join(60)
    return process.exitcode


def _save_half(folder: Path, step: int) -> None:
    def half(state, stream) -> None:
        stream.write(b"half of it")
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half
    Checkpoints(folder, 2, "loss", "lowest").save({}, {"step": step, "metrics": {}})


def _train_aside(run_dir: Path, overrides: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    said = os.open(f"{run_dir}.said-{environment.get('RANK', 0)}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, sys.stderr.fileno())
    if "TOY_LARGEST_FILE" in environment:
        limit_files(int(environment["TOY_LARGEST_FILE"]))
    train(run_dir, *overrides)


def assert_same_weights(one: Path, other: Path, tolerance: float = 0.0) -> None:
    first, second = (torch.load(run / "weights.pt", weights_only=True) for run in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(
            value, second[name], rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def train(run_dir: Path, *overrides: str) -> None:
    """Train in this process and leave the final weights in `run_dir`."""
    torch.set_num_threads(1)
    try:
        trainer = toy_trainer(run_dir, toy_config(*overrides))
        trainer.fit()
        weights = trainer.learner.weights()
        if trainer.world.is_main:
            torch.save(weights, Path(run_dir) / "weights.pt")
            graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"] if trainer.config.compile else 0
            Path(f"{run_dir}.graphs").write_text(str(graphs))
    except UserError as error:
        sys.exit(f"error: {error}")
    finally:
        leave_world()


if __name__ == "__main__":
    train(Path(sys.argv[1]), *sys.argv[2:])
