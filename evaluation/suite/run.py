"""The run of a suite: plan its cells and do those that are missing."""

import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ...datasets.stream.derived import maps_fingerprint
from ...datasets.taxonomy import label_map, label_space
from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ...zoo import Encoder, load_encoder
from ..features import fingerprint
from ..predictions import Predictions
from ..zero_shot import Teacher, sentences
from . import frozen
from .cells import Cell, Outcome, identity, is_done, keep
from .config import EncoderConfig, FinetuneProtocol, SuiteConfig
from .frozen import FrozenFeatures, MakesNoSense
from .tasks import MissingData, Task, describe_task, open_task, read_tasks

FAILURES = "failures.log"
# Raised when a protocol comes to say something else of the same inputs: its cells are then done again.
VERSIONS = {"linear": 1, "neighbours": 1, "few_shot": 1, "transfer": 1, "zero_shot": 1, "finetune": 1}


class Finetune(NamedTuple):
    """Whoever fine-tunes, from the floor above.

    settings: (protocol, task, encoder, seed) → all that the predictions depend on beside data and weights.
    run: (protocol, task, encoder, seed, folder) → validation and test predictions; what an interrupted run
    left in `folder` is gone on with.
    """

    settings: Callable[[FinetuneProtocol, Task, EncoderConfig, int], dict[str, Any]]
    run: Callable[[FinetuneProtocol, Task, EncoderConfig, int, Path], tuple[Predictions, Predictions]]


LoadTeacher = Callable[[dict[str, Any]], Teacher]


class Suite:
    """A suite under way: its open tasks, and what each cell depends on.

    Args:
        finetune, load_teacher: from the floors above, which this room may not know.

    Raises:
        UserError: mistakes of the config, several processes, or no GPU where one is asked for.
    """

    def __init__(self, config: SuiteConfig, finetune: Finetune, load_teacher: LoadTeacher) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UserError("vemo evaluate runs in one process; start it without torchrun")
        if config.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device=cuda: there is no CUDA device here; use device=auto")
        self.config, self.finetune, self.load_teacher = config, finetune, load_teacher
        cuda = config.device != "cpu" and torch.cuda.is_available()
        self.features = FrozenFeatures(config, torch.device("cuda" if cuda else "cpu"))
        self.tasks: dict[str, Task] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.absent: list[dict[str, str]] = []
        self._teachers: dict[str, Teacher] = {}
        self._encoder: tuple[Any, Encoder, str] | None = None
        for name, each in read_tasks(config).items():
            try:
                task = open_task(name, each)
                self.described[name] = task.facts()
                self.tasks[name] = task
            except (MissingData, UserError) as reason:
                self.described[name] = {**describe_task(each), "state": "missing", "how_to_get": str(reason)}
                if isinstance(reason, UserError):  # the data are there, and something is wrong with them
                    self._leave_out(Cell(name, "", "", config.seeds[0]), "failed", str(reason))

    def cells(self) -> Iterator[Cell]:
        """All that the config asks for of tasks whose data are there: encoder by encoder, seed by seed."""
        for task in self.tasks:
            for name, protocol in self.config.protocols.items():
                if protocol.kind == "zero_shot":
                    yield Cell(task, name, name, self.config.seeds[0])
            for encoder in self.config.encoders:
                for place, seed in enumerate(self.config.seeds):
                    for name, protocol in self.config.protocols.items():
                        if protocol.kind == "zero_shot":
                            continue
                        for variant in self._variants(protocol, task):
                            if place == 0 or self._depends_on_seed(encoder, protocol, task, variant):
                                yield Cell(task, encoder, name, seed, variant)

    def _variants(self, protocol: Any, task: str) -> list[str]:
        if protocol.kind == "few_shot":
            return [f"{fraction:g}" for fraction in protocol.fractions]
        if protocol.kind == "transfer":
            return [f"from {source}" for source in protocol.sources or self.tasks if source != task]
        return [""]

    def _depends_on_seed(self, encoder: str, protocol: Any, task: str, variant: str) -> bool:
        """False where another seed has the same weights, samples and steps, so would say the same again."""
        described = self.config.encoders[encoder]
        if described.random or "{seed}" in described.weights or protocol.kind in ("few_shot", "finetune"):
            return True
        if protocol.kind == "neighbours":
            return False
        learnt_from = self.described.get(variant.removeprefix("from ") or task, {})
        return learnt_from.get("train", 0) > protocol.linear.batch_size  # minibatches are drawn

    def run(self) -> list[Cell]:
        """Do the cells that are missing; returns all that are done. What fails stands in `absent`."""
        planned, done = list(self.cells()), []
        with Progress("suite", len(planned), unit="cells") as progress:
            for cell in planned:
                try:
                    self._do(cell)
                    done.append(cell)
                except MakesNoSense as reason:
                    self._leave_out(cell, "makes no sense", str(reason))
                except UserError as reason:
                    self._leave_out(cell, "failed", str(reason))
                except Exception as error:  # a bug, or no memory: this cell's, and not the others'
                    with (self.config.out / FAILURES).open("a", encoding="utf-8") as log:
                        log.write(f"{cell.folder}\n{traceback.format_exc()}\n")
                    first = (str(error).splitlines() or [""])[0]
                    self._leave_out(cell, "failed", f"{type(error).__name__}: {first} (see {FAILURES})")
                progress.update(1)
        return done

    def _leave_out(self, cell: Cell, kind: str, reason: str) -> None:
        where = dict(zip(("task", "encoder", "protocol", "variant"), cell.row))
        self.absent.append({**where, "seed": str(cell.seed), "kind": kind, "reason": reason})

    def _do(self, cell: Cell) -> None:
        wanted, folder = identity(self.depends_on(cell)), self.config.out / cell.folder
        if is_done(folder, wanted):
            return
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        outcome = self._outcome(cell, folder, wanted)
        keep(folder, cell, wanted, outcome, time.monotonic() - began)

    def _outcome(self, cell: Cell, folder: Path, wanted: str) -> Outcome:
        task, protocol = self.tasks[cell.task], self.config.protocols[cell.protocol]
        if protocol.kind == "finetune":
            encoder = self._resolved(cell)
            # Named after all it depends on: what another recipe left is never gone on with.
            run = folder / f"run-{wanted[:12]}"
            validation, test = self.finetune.run(protocol, task, encoder, cell.seed, run)
            return Outcome(test, validation, {"encoder": encoder.weights, "run": run.name})
        if protocol.kind == "zero_shot":
            teacher = self._teacher(cell.protocol)
            size = getattr(teacher, "image_size", 224)
            return frozen.by_sentences(task, self.features, teacher, protocol, size)
        encoder, _ = self._loaded(cell)
        parts = self.features.of(task, encoder, encoder.image_size)
        if protocol.kind == "linear":
            return frozen.linear(task, parts, protocol.linear, cell.seed)
        if protocol.kind == "neighbours":
            return frozen.neighbours(task, parts, protocol)
        if protocol.kind == "few_shot":
            return frozen.few_shot(task, parts, protocol.linear, float(cell.variant), cell.seed)
        source = self._source(cell)
        if source is None:
            raise MakesNoSense("the data of the task to learn from are missing")
        frozen.mapped_targets(source, task)  # before features are computed for nothing
        source_parts = self.features.of(source, encoder, encoder.image_size)
        return frozen.transfer(task, parts, source, source_parts, protocol.linear, cell.seed)

    def depends_on(self, cell: Cell) -> dict[str, Any]:
        """All that decides a cell's predictions, JSON-able."""
        task, protocol = self.tasks[cell.task], self.config.protocols[cell.protocol]
        told: dict[str, Any] = {"kind": protocol.kind, "version": VERSIONS[protocol.kind]}
        if protocol.kind == "finetune":
            encoder = self._resolved(cell)
            weights = self._loaded(cell)[1]
            told |= self.finetune.settings(protocol, task, encoder, cell.seed)
        elif protocol.kind == "zero_shot":
            weights = str(getattr(self._teacher(cell.protocol), "fingerprint", protocol.teacher))
            if task.config.space:
                told["sentences"] = sentences(label_space(task.config.space), protocol.templates)
        else:
            encoder, weights = self._loaded(cell)
            told |= protocol.model_dump(mode="json", include={"linear", "neighbours"})
            told["image_size"] = encoder.image_size
        source = self._source(cell) if protocol.kind == "transfer" else None
        if source is not None:
            told |= {"source": _asked(source), "labels": _mapped(source, task)}
        return {
            "task": _asked(task),
            "weights": weights,
            "protocol": told,
            "variant": cell.variant,
            "seed": cell.seed,
        }

    def _source(self, cell: Cell) -> Task | None:
        return self.tasks.get(cell.variant.removeprefix("from "))

    def encoder_of(self, cell: Cell) -> Encoder | None:
        """The encoder whose frozen features a cell used; None where there is no such thing."""
        if self.config.protocols[cell.protocol].kind in ("finetune", "zero_shot"):
            return None
        return self._loaded(cell)[0]

    def _resolved(self, cell: Cell) -> EncoderConfig:
        encoder = self.config.encoders[cell.encoder]
        weights = encoder.weights.replace("{seed}", str(cell.seed)).replace("{task}", cell.task)
        return encoder.model_copy(update={"weights": weights})

    def _loaded(self, cell: Cell) -> tuple[Encoder, str]:
        """The cell's encoder and its fingerprint; the last one is kept, since cells come sorted by it."""
        resolved = self._resolved(cell)
        key = (resolved, cell.seed if resolved.random else None)
        if self._encoder is None or self._encoder[0] != key:
            encoder = load_encoder(
                resolved.weights, random=resolved.random, image_size=resolved.image_size, seed=cell.seed
            )
            self._encoder = (key, encoder, fingerprint(encoder))
        return self._encoder[1], self._encoder[2]

    def _teacher(self, protocol: str) -> Teacher:
        if protocol not in self._teachers:
            settings: Any = self.config.protocols[protocol]
            self._teachers[protocol] = self.load_teacher(settings.teacher)
        return self._teachers[protocol]


def _asked(task: Task) -> dict[str, Any]:
    """A task's part in what a cell depends on; not its words, nor where its shards lie."""
    asked = task.config.model_dump(mode="json", exclude={"title", "note", "build", "shards", "main"})
    return {**asked, "shards": task.shards.fingerprint, "vocabulary": task.target.vocabulary}


def _mapped(source: Task, task: Task) -> str:
    """The fingerprint of the label map between two tasks; "" where there is none, or none is needed."""
    known, wanted = source.config.space, task.config.space
    try:
        return maps_fingerprint([label_map(known, wanted)]) if known and wanted and known != wanted else ""
    except UserError:
        return ""
