"""The benchmark suite's protocol `finetune`: `vemo finetune` with what a cell prescribes."""

import shutil
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..evaluation.predictions import Predictions, load_predictions
from ..evaluation.scoring import direction
from ..evaluation.suite.config import EncoderConfig, FinetuneProtocol
from ..evaluation.suite.pages import PAGE
from ..evaluation.suite.run import Finetune
from ..evaluation.suite.tasks import Task
from ..foundation.config import load_config
from ..foundation.errors import UserError
from .config import FinetuneConfig
from .outcome import PREDICTIONS
from .run import finetune

HEAD = "emotion"
KEPT = ("workers", "fast", "sidecars")  # of the recipe's data section
CHOSEN = ("fraction", "balanced")  # of its data.select


def finetune_cell(
    protocol: FinetuneProtocol, task: Task, encoder: EncoderConfig, seed: int, folder: Path
) -> tuple[Predictions, Predictions]:
    """Fine-tune (or go on) in `folder`; returns validation and test predictions of the best checkpoint.

    Runs of other recipes beside it are removed; the run's page is put above it, where the suite links to it.
    """
    config = cell_config(protocol, task, encoder, seed, folder)
    for other in folder.parent.glob("run*"):
        if other.is_dir() and other != folder:
            shutil.rmtree(other)
    finetune(config, quiet=True, title=f"{task.config.title} · {encoder.title or encoder.weights}")
    shutil.copyfile(config.out / f"{HEAD}.html", folder.parent / PAGE)
    validation, test = (
        load_predictions(config.out / PREDICTIONS / f"{HEAD}-{part}.safetensors")
        for part in ("validation", "test")
    )
    return validation, test


def cell_settings(
    protocol: FinetuneProtocol, task: Task, encoder: EncoderConfig, seed: int
) -> dict[str, Any]:
    """The cell's config, resolved, without paths: those are known by their fingerprints."""
    config = cell_config(protocol, task, encoder, seed, Path())
    without = {"out": True, "encoder": True, "data": {"shards": True, "workers": True, "fast": True}}
    return config.model_dump(mode="json", exclude=without)


FINETUNE = Finetune(cell_settings, finetune_cell)


def cell_config(
    protocol: FinetuneProtocol, task: Task, encoder: EncoderConfig, seed: int, out: Path
) -> FinetuneConfig:
    """The user's config with encoder, data, one head, the score that chooses and the seed of this cell.

    Of the user's head its settings are kept where it is of the task's kind. Raises UserError for a recipe
    that does not fit the task, or says what the suite says itself.
    """
    said = (*protocol.settings, *protocol.for_task.get(task.name, ()))
    given = load_config(FinetuneConfig, protocol.config, said)
    settings: dict[str, Any] = given.model_dump(mode="json", exclude_unset=True)
    head = next(iter(given.heads.values())).model_dump(mode="json", exclude_unset=True)
    kind = task.config.kind
    if head.get("kind", "single") != kind and not (kind == "single" and head["kind"] == "hierarchical"):
        head = {"kind": kind}
    head |= {"axes": list(task.config.axes)} if kind == "vad" else {"space": task.config.space}
    data = settings["data"]
    if "shards" not in data:
        raise UserError(f"{protocol.config}: data is a mixture; the suite needs one set, which it replaces")
    if refused := set(data.get("select") or {}) - {*CHOSEN, "space", "labelled"}:
        raise UserError(f"{protocol.config}: data.select.{min(refused)} is the suite's to set")
    validation = task.config.validation_split
    choosing = f"{validation or 'hold_out'}_{HEAD}_{task.config.score}"
    settings |= {
        "out": str(out),
        "encoder": encoder.weights,
        "random": encoder.random,
        "image_size": encoder.image_size or given.image_size,
        "person": task.config.person,
        "heads": {HEAD: head},
        "data": {
            **{key: value for key, value in data.items() if key in KEPT},
            "shards": str(task.shards.folder),
            "split": task.config.train_split,
            "spaces": task.config.spaces,
            "select": _selection(task, seed, data.get("select") or {}),
        },
        "evaluation": {
            **settings.get("evaluation", {}),
            "shards": None,
            "validation_split": validation,
            "test_split": task.config.test_split,
        },
        "training": {
            **settings.get("training", {}),
            "seed": seed,
            "best": choosing,
            "best_is": direction(task.config.score),
        },
    }
    if task.config.person != "crop_and_scene":
        settings.pop("context", None)
    try:
        return FinetuneConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{protocol.config} does not fit {task.name}: {where}: {first['msg']}") from None


def _selection(task: Task, seed: int, given: dict[str, Any]) -> dict[str, Any] | None:
    """None where all of the split is trained on; fraction and balance, the user's choice, are kept."""
    wanted = task.selection(given.get("fraction", 1.0), seed).model_dump(mode="json", exclude_defaults=True)
    wanted |= {"balanced": True} if given.get("balanced") else {}
    return wanted if {"fraction", "hold_out", "balanced"} & set(wanted) else None
