"""Progress of anything that takes a while: a live bar on a terminal, plain lines elsewhere.

Plain lines (a log file, a cluster's output, CI) come about every ten seconds and once at the end, so that
a long job is seen to live and a short one costs a single line. All of it goes to standard error.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Self, TypeVar

from rich import progress as bars
from rich.console import Console
from rich.table import Column

Item = TypeVar("Item")


def track(
    iterable: Iterable[Item], description: str, total: int | None = None, unit: str = "images"
) -> Iterator[Item]:
    """Yield the items of `iterable`, counting each; `total` is its length unless given."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Progress(description, total, unit) as progress:
        for item in iterable:
            yield item
            progress.update(1)


class Progress:
    """Counts units of work and shows how fast they come and how long the rest will take.

    ```
    with Progress("pretrain", total=6000) as progress:
        progress.update(32, loss=1.25, lr=1e-4)
    ```
    A field stays shown until it is given again. `start` is what an earlier run had done: it is part of the
    count but not of the speed. `enabled=False` makes every call a no-op (all ranks but the first).
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        unit: str = "images",
        *,
        start: int = 0,
        enabled: bool = True,
        seconds_between_lines: float = 10.0,
    ) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.start = self.done = start
        self.fields: dict[str, Any] = {}
        self._seconds_between_lines = seconds_between_lines
        self._show: Callable[[], None] = lambda: None
        self._bar = None
        if enabled and sys.stderr.isatty():
            self._bar = _live_bar()
            texts: dict[str, Any] = {"unit": unit, "fields": "", "speed": ""}
            self._task = self._bar.add_task(description, total=total, completed=start, **texts)
            self._show = self._show_bar
        elif enabled:
            self._show = self._show_line_when_due

    def __enter__(self) -> Self:
        self._began = self._last_line = time.monotonic()
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._show == self._show_line_when_due:
            self._print_line(f"{self._elapsed():.0f} s")

    def update(self, n: int = 1, **fields: Any) -> None:
        """Count `n` more units; `fields` (numbers or text) are shown beside the count."""
        self.done += n
        self.fields.update(fields)
        self._show()

    @property
    def per_second(self) -> float:
        """Units a second since this bar was entered."""
        return (self.done - self.start) / max(self._elapsed(), 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the present mean speed; None while that cannot be said."""
        if self.total is None or self.done == self.start:
            return None
        return max(self.total - self.done, 0) / self.per_second

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _show_bar(self) -> None:
        assert self._bar is not None
        texts: dict[str, Any] = {"fields": format_fields(self.fields), "speed": f"{self.per_second:,.1f}/s"}
        self._bar.update(self._task, completed=self.done, **texts)

    def _show_line_when_due(self) -> None:
        if time.monotonic() - self._last_line >= self._seconds_between_lines:
            self._last_line = time.monotonic()
            left = self.seconds_left
            self._print_line("" if left is None else f"ETA {format_seconds(left)}")

    def _print_line(self, ending: str) -> None:
        count = f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"
        speed = f"{self.per_second:,.1f} {self.unit}/s"
        parts = [f"{self.description}: {count} {self.unit}", format_fields(self.fields), speed, ending]
        print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)


def format_fields(fields: dict[str, Any]) -> str:
    """`{"loss": 1.23456, "lr": 1e-4}` as `loss 1.235  lr 0.0001`."""

    def text(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return "  ".join(f"{name} {text(value)}" for name, value in fields.items())


def format_seconds(seconds: float) -> str:
    """Seconds as `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _live_bar() -> bars.Progress:
    whole = Column(no_wrap=True)  # the fields, which come last, are what a narrow window cuts off
    return bars.Progress(
        bars.TextColumn("{task.description}", table_column=whole),
        bars.BarColumn(bar_width=16, table_column=whole),
        bars.MofNCompleteColumn(table_column=whole),
        bars.TextColumn("{task.fields[unit]} {task.fields[speed]}", table_column=whole),
        bars.TimeElapsedColumn(table_column=whole),
        bars.TextColumn("ETA", table_column=whole),
        bars.TimeRemainingColumn(table_column=whole),
        bars.TextColumn(
            "{task.fields[fields]}",
            style="cyan",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        console=Console(stderr=True),
        expand=True,
    )
