"""Figures of papers, as a file that people fill in; in reports they have a column of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ...foundation.config import Config, load_config
from ...foundation.config_errors import Problem, report
from ..predictions import Kind
from ..scoring import SCORES_OF, direction
from .config import TaskConfig

TASKS = "tasks"  # the folder beside the file


class PublishedFigure(Config):
    """What a paper, or the authors' own page, says of a model."""

    task: str = Field(description="Its name in the suite")
    model: str = Field(min_length=1)
    score: str = Field(description="Of the task's kind, by its name here")
    value: float | None = Field(allow_inf_nan=False, description="Shares, not per cent; null: not known yet")
    source: str = Field(min_length=1, description="Where it stands, and on what other terms than ours")


class PublishedConfig(Config):
    """`configs/evaluation/published.yaml`."""

    entries: tuple[PublishedFigure, ...]


def published(path: Path, tasks: Mapping[str, Path] | None = None) -> list[dict[str, Any]]:
    """The entries in their order, each {task, model, score, value, source}.

    Tasks are the YAMLs in the folder `tasks` beside the file, and `tasks` (name → YAML), as in a suite.
    Raises UserError naming every entry with an unknown task, a score that is not of the task's kind, or a
    value that must be per cent.
    """
    entries = load_config(PublishedConfig, path).entries
    known = {file.stem: file for file in sorted((path.parent / TASKS).glob("*.yaml"))} | dict(tasks or {})
    kinds: dict[str, Kind] = {
        name: load_config(TaskConfig, known[name]).kind
        for name in dict.fromkeys(entry.task for entry in entries)
        if name in known
    }
    problems: list[Problem] = []
    for place, entry in enumerate(entries):
        if wrong := _wrong_with(entry, kinds.get(entry.task), known):
            problems.append(Problem(f"entries.{place}: {entry.model}: {wrong}"))
    if problems:
        raise report(str(path), problems)
    return [entry.model_dump() for entry in entries]


def _wrong_with(entry: PublishedFigure, kind: Kind | None, known: Mapping[str, Path]) -> str | None:
    if kind is None:
        return f"no task {entry.task!r}; there are {', '.join(sorted(known)) or 'none'}"
    if entry.score not in SCORES_OF[kind]:
        return f"{entry.task} has no score {entry.score!r}; it has {', '.join(SCORES_OF[kind])}"
    if entry.value is not None and direction(entry.score) == "highest" and abs(entry.value) > 1:
        return f"{entry.score} is at most 1, got {entry.value:g}; is it per cent?"
    return None
