"""A cell of the suite: one encoder by one protocol on one task with one seed, done once and kept."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ...foundation.files import write_json
from ..predictions import Predictions, load_predictions, save_predictions

CELLS, ABOUT, TEST, VALIDATION = "cells", "cell.json", "test.safetensors", "val.safetensors"


@dataclass(frozen=True)
class Cell:
    """`variant` tells apart what one protocol does several times: a fraction, or the task learnt from."""

    task: str
    encoder: str
    protocol: str
    seed: int
    variant: str = ""

    @property
    def folder(self) -> str:
        """Its folder below the suite's `out`."""
        parts = [CELLS, self.task, self.encoder, self.protocol, self.variant.replace(" ", "-")]
        return "/".join([*filter(None, parts), f"seed-{self.seed}"])

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What it shares with the other seeds of its row."""
        return self.task, self.encoder, self.protocol, self.variant


@dataclass(frozen=True)
class Outcome:
    """What a cell leaves: predictions, and what a reader may want to know of how they came about."""

    test: Predictions
    validation: Predictions | None
    facts: dict[str, Any]


def identity(parts: dict[str, Any]) -> str:
    """sha256 of everything a cell depends on: with another one it has to be done again."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_done(folder: Path, wanted: str) -> bool:
    """Whether the folder holds this very cell, whole."""
    if not (folder / ABOUT).exists() or not (folder / TEST).exists():
        return False
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
    except ValueError:  # damaged from outside: we write it whole or not at all
        return False
    return about["identity"] == wanted and (not about["validation"] or (folder / VALIDATION).exists())


def keep(folder: Path, cell: Cell, wanted: str, outcome: Outcome, seconds: float) -> None:
    """Write predictions, then cell.json, which is what makes it done. UserError where a number is none."""
    if not outcome.test.outputs.isfinite().all():
        raise UserError(f"{cell.folder}: predictions that are no numbers; look at learning rate and data")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    save_predictions(folder / TEST, outcome.test)
    if outcome.validation is not None:
        save_predictions(folder / VALIDATION, outcome.validation)
    about = {**cell.__dict__, "identity": wanted, "validation": outcome.validation is not None}
    write_json(folder / ABOUT, {**about, "seconds": round(seconds, 2), **outcome.facts})


def read(folder: Path) -> tuple[Predictions, Predictions | None]:
    """Test and validation predictions of a cell that is done."""
    validation = folder / VALIDATION
    return load_predictions(folder / TEST), load_predictions(validation) if validation.exists() else None
