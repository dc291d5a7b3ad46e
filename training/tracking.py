"""Where a run's numbers and words go: metrics.jsonl, log.txt and the progress bar always, wandb if asked."""

import json
import netrc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..foundation.files import append_json_line, read_json_lines, write_atomically
from ..foundation.progress import Progress, format_fields, format_seconds


class Tracker(Protocol):
    """Takes numbers and pictures; in `record` and `place`, `step` and `samples` say where in the run."""

    def log(self, record: dict[str, Any]) -> None: ...

    def pictures(self, place: dict[str, Any], paths: list[Path]) -> None: ...

    def finish(self) -> None: ...


class JsonLines:
    """metrics.jsonl: a line per record. What lies past `step`, where the run goes on, is dropped first."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        records = list(read_json_lines(path))
        kept = [record for record in records if record["step"] <= step]
        if len(kept) < len(records):
            with write_atomically(path) as stream:
                stream.writelines(json.dumps(record, sort_keys=True).encode() + b"\n" for record in kept)

    def log(self, record: dict[str, Any]) -> None:
        append_json_line(self.path, record)

    def pictures(self, place: dict[str, Any], paths: list[Path]) -> None:
        pass  # they lie in the run folder

    def finish(self) -> None:
        pass


class Wandb:
    """Weights & Biases. Without an account, or with WANDB_MODE=offline, it writes below the run folder only.

    An offline run cannot be continued: what follows a restart is a second run of the same group.
    """

    def __init__(self, run_dir: Path, run_id: str, settings: dict[str, Any]) -> None:
        import wandb  # here, because it is slow to import and most runs do without

        mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_account() else "offline")
        online = mode == "online"
        self.run = wandb.init(
            project="vemo",
            name=run_dir.name,
            group=run_id,
            id=run_id if online else None,
            resume="allow" if online else None,
            dir=run_dir,
            mode=mode,  # pyright: ignore[reportArgumentType] - the user's own word
            config=settings,
        )
        self.run.define_metric("*", step_metric="samples")

    def log(self, record: dict[str, Any]) -> None:
        self.run.log(record)

    def pictures(self, place: dict[str, Any], paths: list[Path]) -> None:
        import wandb

        self.run.log({**place, **{path.stem: wandb.Image(str(path)) for path in paths}})

    def finish(self) -> None:
        self.run.finish()


class Journal:
    """All that one run writes and says. In processes other than the main one (`enabled=False`), nothing."""

    NOT_ON_THE_BAR = ("step", "samples", "epoch", "images_per_second", "data_wait", "skipped_steps")
    NOT_ON_THE_BAR += ("tflops", "mfu")

    def __init__(self, run_dir: Path, enabled: bool) -> None:
        self.run_dir, self.enabled = run_dir, enabled
        self.trackers: list[Tracker] = []

    @contextmanager
    def open(
        self, step: int, total_steps: int, batch_size: int, run_id: str, settings: dict[str, Any], wandb: bool
    ) -> Iterator[None]:
        """Start tracking at `step`; within it `advance`, `log` and `record` may be called."""
        self.total_steps = total_steps
        total, start = total_steps * batch_size, step * batch_size
        with Progress(self.run_dir.name, total, start=start, enabled=self.enabled) as self.progress:
            if self.enabled:
                self.trackers = [JsonLines(self.run_dir / "metrics.jsonl", step)]
            if self.enabled and wandb:
                self.trackers.append(Wandb(self.run_dir, run_id, settings))
            try:
                yield
            finally:
                for tracker in self.trackers:
                    tracker.finish()

    def advance(self, images: int) -> None:
        """Count `images` more on the progress bar."""
        self.progress.update(images)

    def record(self, record: dict[str, Any]) -> None:
        """Numbers for the trackers."""
        for tracker in self.trackers:
            tracker.log(record)

    def log(self, record: dict[str, Any]) -> None:
        """A training record: for the trackers, the progress bar and log.txt."""
        self.record(record)
        fields = {name: value for name, value in record.items() if name not in self.NOT_ON_THE_BAR}
        fields["wait"] = f"{record['data_wait']:.0%}"
        if "mfu" in record:
            fields["mfu"] = (
                f"{record['mfu']:.1%}"  # last: the bar cuts off what a narrow window has no room for
            )
        self.progress.update(0, **fields)
        speed = f"{record['images_per_second']:.1f} images/s"
        if "tflops" in record:
            speed += f"  {record['tflops']:.3g} TFLOP/s"
        left = format_seconds(self.progress.seconds_left or 0)
        self.write(f"step {record['step']}/{self.total_steps}  {format_fields(fields)}  {speed}  ETA {left}")

    def pictures(self, place: dict[str, Any], paths: list[Path]) -> None:
        """Pictures in the run folder, for the trackers and log.txt."""
        for tracker in self.trackers:
            tracker.pictures(place, paths)
        if paths:
            self.write(f"step {place['step']}: {', '.join(path.name for path in paths)} in {paths[0].parent}")

    def say(self, text: str) -> None:
        """Into log.txt and to whoever watches (a live bar makes room for it)."""
        self.write(text)
        if self.enabled:
            print(text, file=sys.stderr, flush=True)

    def write(self, text: str) -> None:
        """Into log.txt only, with the time."""
        if self.enabled:
            self.run_dir.mkdir(parents=True, exist_ok=True)  # words may come before the run does
            with (self.run_dir / "log.txt").open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")


def has_wandb_account() -> bool:
    """Whether `wandb login` was done here (asked of wandb itself, it would prompt or go online)."""
    try:
        known = netrc.netrc().authenticators("api.wandb.ai")
    except (OSError, netrc.NetrcParseError):
        known = None
    return known is not None or bool(os.environ.get("WANDB_API_KEY"))
