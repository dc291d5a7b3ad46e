"""What a run does when it is asked to stop, and when its loss is not a number."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from torch import Tensor

from ..foundation import UserError
from .distributed import World


class StopRequest:
    """Turns SIGTERM, SIGUSR1 and Ctrl-C into a request that the loop honours between two steps.

    A signal that comes later acts as usual, for whoever cannot wait. Until REPEATS seconds after the first it
    is taken for an echo: schedulers signal every process of a job, and torchrun passes on what it gets.
    Outside the main thread, where Python takes no signal handlers, it never asks.
    """

    REPEATS = 2.0

    def __init__(self) -> None:
        self.signal: int | None = None
        self._asked_at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._asked_at = number, time.monotonic()
        elif time.monotonic() - self._asked_at > self.REPEATS:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class NonFinitePolicy:
    """Two steps in a row without a finite loss and gradient are skipped and counted, the third ends the run.

    Attributes:
        skipped: how many were skipped in the whole run.
        row: the latest ones in a row, as {"step": .., "samples": [..]}.
    """

    TOLERATED = 2
    SHOWN = 32

    def __init__(self) -> None:
        self.skipped = 0
        self.row: list[dict[str, Any]] = []

    def passed(self) -> None:
        """A step was finite."""
        self.row.clear()

    def failed(self, step: int, samples: list[int]) -> str:
        """A step was not; returns the words for it, or raises UserError if it was one too many.

        `samples` are the indices in the micro-batches concerned.
        """
        self.row.append({"step": step, "samples": sorted(samples)})
        if len(self.row) > self.TOLERATED:
            told = "; ".join(self._tell(failure) for failure in self.row)
            raise UserError(
                f"the loss was not finite {len(self.row)} steps in a row: {told}. Look at these samples, or "
                "lower the learning rate, then run again: it goes on from the last checkpoint."
            )
        self.skipped += 1
        return f"loss not finite, step skipped ({self.skipped} so far): {self._tell(self.row[-1])}"

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"skipped": self.skipped, "row": list(self.row)}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.skipped, self.row = state["skipped"], list(state["row"])

    def _tell(self, failure: dict[str, Any]) -> str:
        samples = failure["samples"]
        if not samples:
            return f"step {failure['step']} (the batches do not say which samples)"
        more = f" and {len(samples) - self.SHOWN} more" if len(samples) > self.SHOWN else ""
        return f"step {failure['step']} (samples {', '.join(map(str, samples[: self.SHOWN]))}{more})"


def samples_at_fault(world: World, indices: list[Tensor | None], losses: Tensor) -> list[int]:
    """The sample indices in those of a step's micro-batches, over all processes, whose loss is not finite.

    Where only the gradient is not, all of the step. Every process must call it, with its own micro-batches'
    indices (None, where batches do not tell) and losses.
    """
    known = [[] if index is None else index.tolist() for index in indices]
    finite = losses.isfinite().tolist()
    bad = [index for part, fine in zip(known, finite) if not fine for index in part]
    told = world.gather((bad, [index for part in known for index in part]))
    return sorted({i for mine, _ in told for i in mine} or {i for _, mine in told for i in mine})
