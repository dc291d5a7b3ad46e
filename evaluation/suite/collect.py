"""From all cells' predictions to suite.json: means over seeds, intervals over images, who beats whom."""

import datetime
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ..bootstrap import Statistic, difference_of, interval_of
from ..metrics import holm, mcnemar
from ..predictions import Predictions
from ..scoring import LOWER_IS_BETTER, calibration, flat_scores, statistic
from .cells import Cell, read
from .config import SuiteConfig
from .published import published
from .tasks import Task

Rows = dict[tuple[str, str, str, str], list[Cell]]


def collect(
    config: SuiteConfig,
    tasks: dict[str, Task],
    described: dict[str, dict[str, Any]],
    planned: Sequence[Cell],
    done: Sequence[Cell],
    absent: list[dict[str, str]],
    command: str,
) -> dict[str, Any]:
    """Everything a report shows, JSON-able (see docs/benchmark.md for its keys)."""
    rows: Rows = {}
    for cell in done:
        rows.setdefault(cell.row, []).append(cell)
    seeds: dict[Any, list[int]] = {}
    for cell in planned:
        seeds.setdefault(cell.row, []).append(cell.seed)
    said = {row: [read(config.out / cell.folder) for cell in cells] for row, cells in rows.items()}
    reference = config.reference or next(iter(config.encoders))
    titles = {name: each.title or name for name, each in config.encoders.items()}
    return {
        "format": 1,
        "vemo": __version__,
        "command": command,
        "date": datetime.date.today().isoformat(),
        "title": config.title,
        "note": config.note,
        "reference": reference,
        "seeds": list(config.seeds),
        "resamples": config.resamples,
        "encoders": {
            name: {"title": titles[name], "weights": each.weights, "random": each.random}
            for name, each in config.encoders.items()
        }
        | {
            name: {"title": name, "weights": str(each.teacher.get("name", "")), "random": False}
            for name, each in config.protocols.items()
            if each.kind == "zero_shot"
        },
        "protocols": {name: each.model_dump(mode="json") for name, each in config.protocols.items()},
        "tasks": described,
        "rows": [
            {**_row(config, tasks[row[0]], cells, said[row]), "missing_seeds": _missing(seeds[row], cells)}
            for row, cells in rows.items()
        ],
        "comparisons": _comparisons(config, tasks, rows, said, reference),
        "absent": _reasons(absent),
        "published": _published(config),
    }


def _row(
    config: SuiteConfig,
    task: Task,
    cells: list[Cell],
    both: list[tuple[Predictions, Predictions | None]],
) -> dict[str, Any]:
    """One encoder by one protocol on one task: all its seeds."""
    tests = [test for test, _ in both]
    flat = [flat_scores(test) for test in tests]
    scores: dict[str, dict[str, Any]] = {}
    for name in flat[0]:
        each = [found[name] for found in flat]
        deviation = statistics.stdev(each) if len(each) > 1 else None  # of one seed nothing is known
        scores[name] = {"mean": statistics.fmean(each), "deviation": deviation, "each": each}
    main, groups = task.config.score, tests[0].group_numbers
    found = interval_of(mean_of(tests, main), len(tests[0]), groups, config.resamples)
    scores[main] |= {"low": found.low, "high": found.high}
    where = dict(zip(("task", "encoder", "protocol", "variant"), cells[0].row))
    return {
        **where,
        "seeds": [cell.seed for cell in cells],
        "scores": scores,
        "calibration": _calibration(both),
        "slices": _slices(task, tests),
        "cells": [cell.folder for cell in cells],
    }


def mean_of(tests: Sequence[Predictions], score: str) -> Statistic:
    """The mean over seeds of a score on the same samples, as a function of rows."""
    if any(test.ids != tests[0].ids for test in tests):
        raise ValueError("the seeds of a row were tested on different samples")
    each = [statistic(test, score) for test in tests]
    return lambda rows: statistics.fmean(one(rows) for one in each)


def _missing(planned: list[int], cells: list[Cell]) -> list[int]:
    """Seeds that were planned and are not there."""
    there = {cell.seed for cell in cells}
    return [seed for seed in planned if seed not in there]


def _calibration(both: Iterable[tuple[Predictions, Predictions | None]]) -> dict[str, Any] | None:
    """Means over seeds, before and after each seed's own temperature."""
    every = [calibration(test, validation) for test, validation in both]
    known = [each for each in every if each is not None]
    if not known:
        return None
    names = ("ece", "classwise_ece", "nll", "brier")
    found: dict[str, Any] = {}
    for part in ("before", "after"):
        if all(part in each for each in known):
            found[part] = {name: statistics.fmean(each[part][name] for each in known) for name in names}
    if "after" in found:
        found["temperature"] = statistics.fmean(each["temperature"]["value"] for each in known)
    return found


def _slices(task: Task, tests: list[Predictions]) -> list[dict[str, Any]]:
    """A score inside and outside of each part of the test split: accuracy, where classes may be unequally
    common on the two sides, else the main one."""
    name_of_score = "accuracy" if task.config.kind == "single" else task.config.score
    score = mean_of(tests, name_of_score)
    found = []
    for name, ids in task.slices.items():
        inside = torch.tensor([each in ids for each in tests[0].ids])
        sides = {}
        for side, mask in (("inside", inside), ("outside", ~inside)):
            rows = mask.nonzero().flatten()
            sides[side] = score(rows) if len(rows) else None
        found.append({"name": name, "score": name_of_score, "samples": int(inside.sum()), **sides})
    return found


def _comparisons(
    config: SuiteConfig, tasks: dict[str, Task], rows: Rows, said: dict[Any, Any], reference: str
) -> list[dict[str, Any]]:
    """The reference against every other encoder, paired by test image; p adjusted over a protocol's pairs."""
    found: list[dict[str, Any]] = []
    for task, encoder, protocol, variant in rows:
        ours = (task, reference, protocol, variant)
        if encoder == reference or ours not in rows:
            continue
        first, second = (
            [test for test, _ in said[row]] for row in (ours, (task, encoder, protocol, variant))
        )
        if first[0].ids != second[0].ids:
            raise ValueError(f"{task}: {reference} and {encoder} were tested on different samples")
        score = tasks[task].config.score
        gap = difference_of(
            mean_of(first, score),
            mean_of(second, score),
            len(first[0]),
            first[0].group_numbers,
            config.resamples,
        )
        found.append(
            {
                "task": task,
                "protocol": protocol,
                "variant": variant,
                "first": reference,
                "second": encoder,
                "score": score,
                "lower_is_better": score in LOWER_IS_BETTER,
                "difference": {"value": gap.value, "low": gap.low, "high": gap.high, "p": gap.p},
                "mcnemar": _mcnemar(first[0], second[0]),
            }
        )
    for protocol in {each["protocol"] for each in found}:
        family = [each for each in found if each["protocol"] == protocol]
        for each, p in zip(family, holm([each["difference"]["p"] for each in family])):
            each["p_holm"] = p
    return found


def _mcnemar(first: Predictions, second: Predictions) -> dict[str, Any] | None:
    """Of the first seed of each: the test is about two models, not about two recipes. None where samples
    come in groups: it takes them to be independent."""
    if first.kind != "single" or len(set(first.groups)) < len(first):
        return None
    hits = [each.outputs.argmax(1) == each.labels for each in (first, second)]
    found = mcnemar(*hits)
    return {"only_first": found.only_first, "only_second": found.only_second, "p_mid": found.p_mid}


def _reasons(absent: list[dict[str, str]]) -> list[dict[str, str]]:
    """One line for the seeds of a row that share a reason."""
    keys = ("task", "encoder", "protocol", "variant", "kind", "reason")
    lines: dict[tuple[str, ...], list[str]] = {}
    for each in absent:
        lines.setdefault(tuple(each[key] for key in keys), []).append(each["seed"])
    return [
        {
            **dict(zip(("task", "encoder", "protocol", "variant", "kind", "reason"), line)),
            "seeds": ", ".join(seeds),
        }
        for line, seeds in lines.items()
    ]


def _published(config: SuiteConfig) -> list[dict[str, Any]]:
    """Those of the suite's tasks; none where the file is not there."""
    if config.published is None or not Path(config.published).exists():
        return []
    return [each for each in published(config.published, config.tasks) if each["task"] in config.tasks]
