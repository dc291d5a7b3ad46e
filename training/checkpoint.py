"""Run checkpoints: all that a run needs to go on, whole or absent.

```
checkpoints/
    step-00000200/
        state.pt           tensors: model, optimizer, average (read with weights_only=True)
        checkpoint.json    step, run id, metrics, settings, and the sha256 of state.pt
    step-00000300.part     being written; removed at the next start
    step-00000250.damaged  did not match its sha256; kept for whoever wants to look
```
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..foundation import UserError
from ..foundation.files import fsync_folder, sha256_of

FORMAT = 1
STATE, FACTS = "state.pt", "checkpoint.json"


class Checkpoints:
    """The checkpoints of one run, in one folder; only the main process writes.

    Args:
        keep: how many of the newest to keep.
        best: name of a metric; the checkpoint where it is lowest (or highest) is kept as well.
    """

    def __init__(self, folder: Path, keep: int, best: str, best_is: str) -> None:
        self.folder, self.keep, self.best, self.best_is = folder, keep, best, best_is

    def save(self, state: dict[str, Any], facts: dict[str, Any]) -> Path:
        """Write one checkpoint (`facts["step"]` names it), then remove those no longer wanted.

        A step that is already saved is left alone. Raises UserError when it cannot be written (disk full);
        nothing half-written stays, and the earlier checkpoints are untouched.
        """
        final = self.folder / f"step-{facts['step']:08d}"
        if final.exists():
            return final
        part = final.with_name(final.name + ".part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with (part / STATE).open("wb") as stream:
                torch.save(state, stream)
                _flush(stream)
            with (part / FACTS).open("w", encoding="utf-8") as stream:
                json.dump({"format": FORMAT, **facts, "sha256": sha256_of(part / STATE)}, stream, indent=2)
                _flush(stream)
            fsync_folder(part)
            part.rename(final)
            fsync_folder(self.folder)
        except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into a RuntimeError
            shutil.rmtree(part, ignore_errors=True)
            raise UserError(self._cannot_write(final, error)) from error
        self._remove_unwanted()
        return final

    def newest(self, say: Callable[[str], None]) -> Path | None:
        """The newest checkpoint that is sound, or None where there is none at all.

        Damaged ones are set aside and named through `say`. If all are damaged, UserError: a run must not
        silently start again from nothing.
        """
        for part in self.folder.glob("step-*.part"):
            shutil.rmtree(part)
        for folder in reversed(self._all()):
            fault = _fault(folder)
            if fault is None:
                return folder
            aside = folder.with_name(folder.name + ".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            say(f"checkpoint {folder.name} is damaged ({fault}): set aside as {aside.name}, going back")
        if any(self.folder.glob("step-*.damaged")):
            mend = "restore one, or start afresh in another run folder"
            raise UserError(f"{self.folder}: every checkpoint is damaged; {mend}")
        return None

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*") if not path.suffix)

    def chosen(self) -> Path | None:
        """The checkpoint whose metric `best` is best, the earliest of equals; None where none has it."""
        values = {folder: read_facts(folder)["metrics"].get(self.best) for folder in self._all()}
        rated = {folder: value for folder, value in values.items() if value is not None}
        return (min if self.best_is == "lowest" else max)(rated, key=rated.__getitem__, default=None)

    def _remove_unwanted(self) -> None:
        folders = self._all()
        kept = {*folders[-self.keep :], self.chosen()}
        for folder in folders:
            if folder not in kept:
                # Renamed first: half-removed, it must not look like a checkpoint.
                shutil.rmtree(folder.rename(folder.with_name(folder.name + ".part")))

    def _cannot_write(self, final: Path, error: Exception) -> str:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        free = shutil.disk_usage(self.folder.parent).free / 1e6
        earlier = self._all()
        kept = f"{earlier[-1].name} is kept" if earlier else "there is no earlier one"
        return f"{final}: cannot be written: {reason} ({free:,.0f} MB free); {kept}. Make room and run again."


def read_facts(folder: Path) -> dict[str, Any]:
    """What checkpoint.json says."""
    return json.loads((folder / FACTS).read_text(encoding="utf-8"))


def read_state(folder: Path) -> dict[str, Any]:
    """The tensors, on the CPU; nothing in the file is executed."""
    return torch.load(folder / STATE, map_location="cpu", weights_only=True)


def _fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        facts = read_facts(folder)
        if facts["format"] != FORMAT:
            raise UserError(f"{folder}: format {facts['format']}, this version of vemo reads format {FORMAT}")
        if sha256_of(folder / STATE) != facts["sha256"]:
            return f"{STATE} does not match its sha256"
    except FileNotFoundError as error:
        return f"no {Path(error.filename).name}"
    except (KeyError, TypeError, ValueError):
        return f"{FACTS} cannot be read"
    return None


def _flush(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())
