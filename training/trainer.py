"""The training loop: one for every task, the same on one CPU and on many machines."""

import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..foundation import UserError
from .checkpoint import Checkpoints, read_facts, read_state
from .distributed import World, join_world
from .flops import Utilisation, peak_tflops
from .learner import Learner, LearnerConfig
from .meter import Meter
from .optimizer import ScheduleConfig, learning_rate
from .pictures import Observe, draw
from .randomness import seed_everything
from .run_folder import as_plain, only_run_in, refuse_changes, write_config
from .safeguards import NonFinitePolicy, StopRequest, samples_at_fault
from .task import Batch, BatchSource, Task
from .tracking import Journal

Evaluate = Callable[[nn.Module], dict[str, float]]


class TrainerConfig(LearnerConfig):
    """How to train, whatever is trained."""

    epochs: int = Field(default=10, ge=1)
    seed: int = 0
    schedule: ScheduleConfig = ScheduleConfig()
    log_every: int = Field(default=10, ge=1)  # steps
    checkpoint_every: int | None = Field(default=None, ge=1)  # steps; null: every epoch
    keep: int = Field(default=2, ge=1)  # newest checkpoints to keep, beside the best
    observe_every: int | None = Field(default=None, ge=1)  # steps between pictures; null: none are drawn
    best: str = "loss"  # the metric that makes a checkpoint the best
    best_is: Literal["lowest", "highest"] = "lowest"
    trackers: list[Literal["wandb"]] = []  # beside metrics.jsonl

    def pinned(self) -> dict[str, Any]:
        """The settings that a checkpoint depends on: they cannot change when a run is resumed."""
        wanted = {"batch_size", "seed", "ema", "optimizer", "sharpness"}
        return self.model_dump(mode="json", include=wanted, exclude={"optimizer": {"lr"}})


FREE = ["epochs", "accumulation", "optimizer.lr", "schedule", "clip_norm", "precision", "compile"]
FREE += ["activation_checkpointing", "channels_last", "device", "distributed", "timeout", "log_every"]
FREE += ["checkpoint_every", "keep", "observe_every", "best", "best_is", "trackers"]


class Trainer:
    """Trains `task` on `source` in `run_dir`; constructed and run again, it goes on where it stopped.

    Args:
        description: the resolved config sections (model, data) that may not change when a run is resumed.
        world: the processes that train together; None joins them.
        evaluate: called with the (averaged) task, in eval mode, before every checkpoint and in every
            process; its numbers are logged, and `config.best` may name one.
        observe: called like that every `config.observe_every` steps and at the end, with a micro-batch that
            was just trained on and a folder to write pictures into; returns their paths. Every process calls
            it, with its own micro-batch, because a forward may need them all; the main one's folder is kept.

    Attributes:
        learner: task, average and optimizer; `learner.weights()` is what to release.
        step: optimizer steps taken. The position in the data is `step * batch_size`, and nothing more.
    """

    def __init__(
        self,
        task: Task,
        source: BatchSource,
        config: TrainerConfig,
        run_dir: Path,
        description: dict[str, Any],
        *,
        world: World | None = None,
        evaluate: Evaluate | None = None,
        observe: Observe | None = None,
    ) -> None:
        if config.observe_every is not None and observe is None:
            raise UserError("observe_every is set, but this task has no pictures to show (use null)")
        self.source, self.config, self.run_dir = source, config, Path(run_dir)
        self.evaluate, self.observe = evaluate, observe
        self.world = world if world is not None else join_world(config.device, config.timeout)
        self.steps_per_epoch = _count_steps(source, config, self.world)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.description = as_plain(description)
        self.learner = Learner(task, config, self.world)
        self.meter = Meter(self.world)
        self.utilisation: Utilisation | None = None
        self.policy = NonFinitePolicy()
        self.checkpoints = Checkpoints(self.run_dir / "checkpoints", config.keep, config.best, config.best_is)
        self.journal = Journal(self.run_dir, enabled=self.world.is_main)
        self.run_id = uuid.uuid4().hex[:12]
        self.step = 0
        self.seconds = 0.0
        self.metrics: dict[str, float] = {}

    def fit(self) -> dict[str, Any]:
        """Train to the end and return a summary; at once, if an earlier run got there.

        Raises UserError (settings changed, folder in use, disk full, loss not finite, checkpoints damaged),
        and SystemExit after SIGTERM, SIGUSR1 or Ctrl-C, once everything is saved.
        """
        with ExitStack() as held:
            self.world.on_main(lambda: held.enter_context(only_run_in(self.run_dir)))
            return self._fit()

    def _fit(self) -> dict[str, Any]:
        self._resume()
        if self.step >= self.total_steps:
            self.journal.say(f"{self.run_dir}: already finished ({self.step} of {self.total_steps} steps)")
            return self.summary()
        settings = {**self.description, "training": self.config.model_dump(mode="json")}
        size, wandb = self.config.batch_size, "wandb" in self.config.trackers
        checkpoint_every = self.config.checkpoint_every or self.steps_per_epoch
        observe_every = self.config.observe_every
        with (
            StopRequest() as stop,
            self.journal.open(self.step, self.total_steps, size, self.run_id, settings, wandb),
        ):
            if self.world.is_main:
                write_config(self.run_dir / "config.yaml", settings)
            batches = self.source.batches(self.step * size)
            self.learner.task.train()
            self.meter.restart_clock()
            first = self.step + 1
            while self.step < self.total_steps:
                batch, stopping = self._train_step(batches, asked_to_stop=stop.signal is not None)
                done = self.step == self.total_steps
                if self.step == first:
                    self._measure(batch)
                if done or self.step % self.config.log_every == 0:
                    self._log()
                if done or stopping or self.step % checkpoint_every == 0:
                    self._checkpoint()
                if stopping and not done:
                    self._leave(stop.signal or signal.SIGTERM)
                if observe_every and (done or self.step % observe_every == 0):
                    self._observe(batch)
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """How far the run is, and its latest numbers."""
        return {
            "run": str(self.run_dir),
            "finished": self.step >= self.total_steps,
            "steps": self.step,
            "samples": self.step * self.config.batch_size,
            "seconds": round(self.seconds, 1),
            "skipped_steps": self.policy.skipped,
            "metrics": self.metrics,
        }

    def _train_step(self, batches: Iterator[Batch], asked_to_stop: bool) -> tuple[Batch, bool]:
        """One optimizer step; returns its last micro-batch and whether any process was asked to stop."""
        began = time.perf_counter()
        count = self.config.accumulation
        taken: list[Batch] = []
        indices: list[Tensor | None] = []
        others: dict[str, Tensor] = {}

        def take() -> Iterator[Batch]:
            for _ in range(count):
                batch = self.meter.next(batches)
                indices.append(batch.get("index"))
                if self.config.sharpness is None:
                    taken.clear()  # only the last one is of use
                taken.append(batch)
                yield batch

        parts = self._backward(take(), sync=self.config.sharpness is None)
        losses = torch.stack([part["loss"].float() for part in parts])
        if self.config.sharpness is not None:
            with self.learner.uphill():
                higher = self._backward(taken, sync=True)
            above = torch.stack([part["loss"].float() for part in higher])
            others["sharpness"] = above.mean() - losses.mean()
        norm = self.learner.clip()

        # The one wait for the device in a step: all must know, and agree, whether to take it.
        finite = [losses.isfinite().all(), norm.isfinite(), *(value.isfinite() for value in others.values())]
        not_finite = ~torch.stack(finite).all()
        flags = torch.stack([not_finite.float(), torch.full_like(norm, asked_to_stop, dtype=torch.float32)])
        skip, stopping = self.world.any(flags)
        if skip:
            self.learner.discard()
            at_fault = samples_at_fault(self.world, indices, losses)
            self.journal.say(self.policy.failed(self.step, at_fault))
        else:
            self.learner.update(self._learning_rate(self.step), self.step)
            self.policy.passed()
            self.meter.add(parts, gradient_norm=norm, **others)
        self.step += 1
        self.seconds += time.perf_counter() - began
        self.meter.count(self.config.batch_size)
        self.journal.advance(self.config.batch_size)
        return taken[-1], stopping

    def _backward(self, batches: Iterable[Batch], sync: bool) -> list[dict[str, Tensor]]:
        """A pass over a step's micro-batches, each with its own random numbers: the same in every pass.

        sync: average the gradient over processes.
        """
        count, parts = self.config.accumulation, []
        for position, batch in enumerate(batches):
            seed_everything(self.config.seed, self.step, self.world.rank * count + position)
            parts.append(self.learner.backward(batch, last=sync and position == count - 1))
        return parts

    def _learning_rate(self, step: int) -> float:
        warmup = round(self.config.schedule.warmup_epochs * self.steps_per_epoch)
        return learning_rate(step, self.total_steps, warmup, self.config.optimizer.lr, self.config.schedule)

    def _place(self) -> dict[str, float]:
        samples = self.step * self.config.batch_size
        return {"step": self.step, "samples": samples, "epoch": samples / self.source.samples_per_epoch}

    def _log(self) -> None:
        self.metrics = self.meter.read()
        rate = self._learning_rate(self.step - 1)
        record = {**self._place(), **self.metrics, "lr": rate, "skipped_steps": self.policy.skipped}
        if self.utilisation is not None:
            record |= self.utilisation.at(self.metrics["images_per_second"])
        self.journal.log(record)

    def _measure(self, batch: Batch) -> None:
        """Count what a step takes. A figure for the log, so that a failure is told and no more."""
        flops, fault = None, ""
        with self.meter.off_the_clock():
            try:
                flops = self.learner.count_flops(batch)
            except Exception as error:
                fault = str(error).splitlines()[0] if str(error) else type(error).__name__
            peak = peak_tflops(self.world.device, self.config.precision)
            found = self.world.gather((flops, peak, fault))
        counts, peaks, faults = zip(*found)
        if None in counts:
            self.journal.say(f"operations are not counted, so no tflops: {next(filter(None, faults))}")
            return
        total = None if None in peaks else sum(peaks)
        passes = self.config.accumulation * (1 if self.config.sharpness is None else 2)
        self.utilisation = Utilisation(sum(counts) * passes / self.config.batch_size, total)

    def _observe(self, batch: Batch) -> None:
        """Have pictures drawn of the micro-batch just trained on."""
        assert self.observe is not None
        folder = self.run_dir / "pictures" / f"step-{self.step:06d}"
        with self.meter.off_the_clock():
            try:
                averaged, batch = self.learner.averaged, self.learner.to_device(batch)
                self.journal.pictures(self._place(), draw(self.observe, averaged, batch, folder, self.world))
            except OSError as error:
                self.journal.say(f"{folder}: pictures cannot be written: {error}")
        self.learner.task.train()

    def _checkpoint(self) -> None:
        """Evaluate, then save."""
        if self.evaluate is not None:
            self._evaluate(self.evaluate)
        facts = {
            "step": self.step,
            "run_id": self.run_id,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "meter": self.meter.state(),
            "non_finite": self.policy.state(),
            "settings": self._settings_to_keep(),
        }
        state = self.learner.state()
        self.world.on_main(lambda: self.checkpoints.save(state, facts))
        self.meter.restart_clock()

    def _evaluate(self, evaluate: Evaluate) -> None:
        with torch.no_grad():
            numbers = evaluate(self.learner.averaged.eval())
        self.learner.task.train()
        self.metrics = {**self.metrics, **numbers}
        self.journal.record({**self._place(), **numbers})

    def _resume(self) -> None:
        """Take over the newest sound checkpoint, if the settings it depends on are still the same."""
        folder = self.world.on_main(lambda: self.checkpoints.newest(self.journal.say))
        if folder is None:
            return
        facts = read_facts(folder)
        refuse_changes(self.run_dir, facts["settings"], self._settings_to_keep(), FREE)
        self.learner.restore(read_state(folder))
        self.step, self.run_id, self.seconds = facts["step"], facts["run_id"], facts["seconds"]
        self.metrics = facts["metrics"]
        self.meter.restore(facts["meter"])
        self.policy.restore(facts["non_finite"])
        self.journal.say(f"{self.run_dir}: going on from step {self.step} of {self.total_steps}")

    def _settings_to_keep(self) -> dict[str, Any]:
        return {**self.description, "training": self.config.pinned()}

    def _leave(self, number: int) -> None:
        name = signal.Signals(number).name
        self.journal.say(f"{name}: saved at step {self.step} of {self.total_steps}; run again to go on")
        raise SystemExit(128 + number)


def _count_steps(source: BatchSource, config: TrainerConfig, world: World) -> int:
    """Optimizer steps in an epoch; UserError where the numbers do not fit together."""
    if config.batch_size % (world.size * config.accumulation):
        shares = f"{world.size} process(es) x accumulation={config.accumulation}"
        raise UserError(f"batch_size={config.batch_size} cannot be shared equally by {shares}")
    steps = source.samples_per_epoch // config.batch_size
    if steps == 0:
        raise UserError(f"batch_size={config.batch_size} is more than an epoch's samples")
    return steps
