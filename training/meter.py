"""The numbers between two log lines: means of the losses, speed, time spent waiting for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .distributed import World


class Meter:
    """Sums on the device, so that a step costs no synchronisation; `read` empties it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self.restart_clock()

    def restart_clock(self) -> None:
        """Start timing here: what came before (a checkpoint) was not training."""
        self._began, self._waited, self._images = time.perf_counter(), 0.0, 0

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """What is done within is not training, either."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - began

    def next(self, batches: Iterator[dict[str, Any]]) -> dict[str, Any]:
        """The next batch, with the wait for it on the clock."""
        began = time.perf_counter()
        batch = next(batches)
        self._waited += time.perf_counter() - began
        return batch

    def count(self, images: int) -> None:
        """Images that all processes together have gone through."""
        self._images += images

    def add(self, parts: list[dict[str, Tensor]], **others: Tensor) -> None:
        """One step's scalars: those of its micro-batches, of which the mean counts, and others."""
        means = {name: torch.stack([part[name].float() for part in parts]).mean() for name in parts[0]}
        self.steps += 1
        for name, value in {**means, **others}.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def read(self) -> dict[str, float]:
        """Means since the last reading over all processes, `images_per_second`, `data_wait` (of 1)."""
        means = {name: value / self.steps for name, value in self._over_processes().items()}
        seconds = max(time.perf_counter() - self._began, 1e-9)
        speed = {"images_per_second": self._images / seconds, "data_wait": self._waited / seconds}
        self.sums, self.steps = {}, 0
        self.restart_clock()
        return {**means, **speed}

    def state(self) -> dict[str, Any]:
        """The half-full sums, for a checkpoint (a collective call)."""
        return {"sums": self._over_processes(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.steps = state["steps"]
        self.sums = {
            name: torch.tensor(value, dtype=torch.float32, device=self.world.device)
            for name, value in state["sums"].items()
        }

    def _over_processes(self) -> dict[str, float]:
        if not self.sums:
            return {}
        return dict(zip(self.sums, self.world.mean(torch.stack(list(self.sums.values()))).tolist()))
