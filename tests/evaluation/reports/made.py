"""A suite.json and predictions of every kind, drawn from a seed. Names and figures are invented.

python made.py FOLDER writes the pages that the tests read, to look at them.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.predictions import Predictions
from vemo.evaluation.scoring import SCORES_OF, direction

ENCODERS = {
    "uniemox": {"title": "UniEmoX ViT-B", "weights": "releases/uniemox-vitb16", "random": False},
    "mae": {"title": "MAE ViT-B", "weights": "timm:vit_base_patch16_224.mae", "random": False},
    "clip": {"title": "CLIP ViT-B", "weights": "timm:vit_base_patch16_clip_224.openai", "random": False},
    "supervised": {"title": "ImageNet-21k", "weights": "timm:vit_base_patch16_224", "random": False},
    "untrained": {"title": "Untrained", "weights": "releases/uniemox-vitb16", "random": True},
}
SKILL = {"uniemox": 1.0, "mae": 0.72, "clip": 0.97, "supervised": 0.8, "untrained": 0.25}
SEARCH = {"steps": 200}
PROTOCOLS = {
    "linear": {"kind": "linear", "linear": SEARCH},
    "neighbours": {"kind": "neighbours"},
    "finetune": {"kind": "finetune"},
    "parts": {"kind": "few_shot", "fractions": [0.01, 0.05, 0.1, 0.25, 0.5], "linear": SEARCH},
    "transfer": {"kind": "transfer", "linear": SEARCH},
}
# name: title, kind, space, number of classes, floor and reach of the main score
TASKS = {
    "postcards": ("Postcards", "single", "mikels8", 0.04, 0.62),
    "murals": ("Murals", "single", "ekman6", 0.06, 0.48),
    "harbour": ("Harbour faces", "single", "fer7", 0.05, 0.71),
    "lanterns": ("Lanterns", "distribution", "ekman7", 0.92, 0.41),
    "crowds": ("Crowds & places", "multilabel", "emotic26", 0.11, 0.33),
    "meadows": ("Meadows", "vad", None, 0.0, 0.66),
}
SEEDS = [1, 2, 3]


def classes_of(kind: str, space: str | None) -> tuple[str, ...]:
    return label_space(space).names if space else ("valence", "arousal")


def make_predictions(kind: str, space: str | None, count: int = 400, seed: int = 0) -> Predictions:
    """Predictions that are right more often than not and too sure; every fifth sample is a copy."""
    draw = torch.Generator().manual_seed(seed)
    names = classes_of(kind, space)
    noise = torch.randn(count, len(names), generator=draw)
    if kind == "vad":
        targets = torch.rand(count, len(names), generator=draw) * 2 - 1
        outputs = (0.7 * targets + 0.25 * noise).clamp(-1, 1)
        targets[::7, 1] = float("nan")
    elif kind == "multilabel":
        targets = (
            torch.rand(count, len(names), generator=draw) < torch.linspace(0.35, 0.03, len(names))
        ).float()
        outputs = 2.2 * noise + 4 * targets - 3
    elif kind == "distribution":
        truth = 1.5 * torch.randn(count, len(names), generator=draw)
        targets, outputs = truth.softmax(1), 1.4 * (truth + 0.9 * noise)
    else:
        weights = torch.linspace(2, 0.6, len(names))
        labels = torch.multinomial(weights, count, replacement=True, generator=draw)
        targets = torch.nn.functional.one_hot(labels, len(names)).float()
        outputs = 3 * (1.1 * targets + noise)
    ids = tuple(f"{kind}/{number:04d}" for number in range(count))
    groups = tuple(f"{kind}/{number - (number % 5 == 4):04d}" for number in range(count))
    return Predictions(kind, space, names, ids, groups, outputs, targets)


def make_report() -> dict[str, Any]:
    """A whole suite.json as CONTRACT describes it."""
    draw = np.random.default_rng(7)
    tasks = {name: _task(*about) for name, about in TASKS.items()}
    tasks["postcards"] |= {"straddling": 12}
    tasks["theatre"] = {
        **_task("Theatre <stage>", "single", "mikels8", 0, 0),
        "state": "missing",
        "how_to_get": "Ask the authors by their form, then: make shards CONFIG=configs/datasets/theatre.yaml",
    }
    rows = [
        _row(draw, task, encoder, protocol, variant)
        for task in TASKS
        for encoder in ENCODERS
        for protocol in PROTOCOLS
        for variant in _variants(task, protocol)
        if not (protocol == "neighbours" and tasks[task]["kind"] != "single")
        and not (protocol == "finetune" and encoder in ("clip", "untrained"))
    ]
    rows[0]["seeds"], rows[0]["missing_seeds"] = [1, 2], [3]
    absent = [
        {
            "task": task,
            "encoder": encoder,
            "protocol": "neighbours",
            "variant": "",
            "kind": "makes no sense",
            "reason": "neighbours vote for one class",
            "seeds": "1, 2, 3",
        }
        for task in ("lanterns", "crowds", "meadows")
        for encoder in ENCODERS
    ]
    absent += [
        {
            "task": "harbour",
            "encoder": e,
            "protocol": "transfer",
            "variant": "from postcards",
            "reason": "no label map mikels8 → fer7",
        }
        for e in ENCODERS
    ]
    return {
        "format": 1,
        "vemo": "0.1.0",
        "date": "2026-11-24",
        "title": "Visual emotion benchmark",
        "note": "",
        "reference": "uniemox",
        "seeds": SEEDS,
        "command": "vemo evaluate configs/evaluation/suite.yaml out=runs/suite",
        "encoders": ENCODERS,
        "protocols": PROTOCOLS,
        "tasks": tasks,
        "rows": rows,
        "comparisons": _comparisons(draw, tasks, rows),
        "absent": absent,
        "published": [
            {
                "task": "postcards",
                "model": "Somebody et al.",
                "score": "accuracy",
                "value": 0.701,
                "source": "Table 2",
            },
            {
                "task": "postcards",
                "model": "UniEmoX",
                "score": "accuracy",
                "value": None,
                "source": "to be filled in",
            },
            {"task": "lanterns", "model": "Nobody et al.", "score": "kl", "value": 0.52, "source": "Table 1"},
        ],
    }


def _task(title: str, kind: str, space: str | None, floor: float, reach: float) -> dict[str, Any]:
    main = SCORES_OF[kind][0]
    return {
        "title": title,
        "kind": kind,
        "space": space,
        "classes": list(classes_of(kind, space)),
        "main": main,
        "direction": direction(main),
        "note": "Invented." if kind != "vad" else "Invented; two axes.",
        "state": "ready",
        "dataset": title.lower(),
        "licence": None if kind == "vad" else "research-only",
        "fingerprint": "5f" * 32,
        "train": 8123,
        "validation": 902,
        "test": 3497,
        "test_groups": 3301,
        "straddling": 0,
        "majority": {main: floor},
    }


def _variants(task: str, protocol: str) -> list[str]:
    if protocol == "parts":
        return [f"{fraction:g}" for fraction in PROTOCOLS["parts"]["fractions"]]
    if protocol == "transfer":
        sources = ("postcards", "murals", "harbour")
        there = task in sources
        return [f"from {s}" for s in sources if there and s != task and (task, s) != ("harbour", "postcards")]
    return [""]


def _row(draw: np.random.Generator, task: str, encoder: str, protocol: str, variant: str) -> dict[str, Any]:
    _, kind, _, floor, reach = TASKS[task]
    skill = 1.15 if (encoder, task) == ("clip", "murals") else SKILL[encoder]
    amount = skill * {"neighbours": 0.85, "finetune": 1.12, "transfer": 0.55}.get(protocol, 1.0)
    if protocol == "parts":
        amount *= 1 - 0.22 * np.log(1 / float(variant)) / np.log(10)
    mean = floor + amount * (reach - floor)
    each = (mean + draw.normal(0, 0.03 if variant in ("0.01", "0.05") else 0.008, len(SEEDS))).tolist()
    main = SCORES_OF[kind][0]
    score = {"mean": float(np.mean(each)), "deviation": float(np.std(each, ddof=1)), "each": each}
    scores = {main: score | {"low": score["mean"] - 0.017, "high": score["mean"] + 0.018}}
    scores |= {name: dict(score) for name in SCORES_OF[kind][1:3]}
    calibration = None
    if kind in ("single", "distribution"):
        before = {"ece": 0.11, "classwise_ece": 0.05, "nll": 1.42, "brier": 0.61}
        calibration = {
            "before": before,
            "after": {k: 0.8 * v for k, v in before.items()},
            "temperature": 1.63,
        }
    asked = "accuracy" if kind == "single" else main
    inside = [
        {
            "name": "not in training",
            "score": asked,
            "samples": 3485,
            "inside": score["mean"] - 0.003,
            "outside": None,
        },
        {
            "name": "with faces",
            "score": asked,
            "samples": 1204,
            "inside": score["mean"] + 0.02,
            "outside": score["mean"] - 0.01,
        },
    ]
    place = f"cells/{task}/{encoder}/{protocol}{'-' + variant.replace(' ', '-') if variant else ''}"
    return {
        "task": task,
        "encoder": encoder,
        "protocol": protocol,
        "variant": variant,
        "seeds": SEEDS,
        "missing_seeds": [],
        "scores": scores,
        "calibration": calibration,
        "slices": inside if protocol == "linear" else [],
        "cells": [f"{place}/seed-{seed}" for seed in SEEDS],
    }


def _comparisons(
    draw: np.random.Generator, tasks: dict[str, Any], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    place = {(r["task"], r["encoder"], r["protocol"], r["variant"]): r for r in rows}
    found = []
    for (task, encoder, protocol, variant), row in place.items():
        first = place.get((task, "uniemox", protocol, variant))
        if encoder == "uniemox" or first is None:
            continue
        main = tasks[task]["main"]
        value = first["scores"][main]["mean"] - row["scores"][main]["mean"]
        beyond, mcnemar = abs(value) > 0.02, {"only_first": 301, "only_second": 210, "p_mid": 0.0002}
        found.append(
            {
                "task": task, "protocol": protocol, "variant": variant,
                "first": "uniemox", "second": encoder, "score": main,
                "difference": {"value": value, "low": value - 0.02, "high": value + 0.02, "p": 0.01},
                "mcnemar": mcnemar if tasks[task]["kind"] == "single" else None,
                "p_holm": 0.004 if beyond else 0.9,
            }
        )  # fmt: skip
    return found


if __name__ == "__main__":
    from vemo.evaluation.reports import suite_markdown, write_run_page, write_suite_page

    folder, report = Path(sys.argv[1]), make_report()
    for _, kind, space, *_ in TASKS.values():
        page = folder / f"{kind}-{space}.html"
        facts = {"encoder": "UniEmoX ViT-B", "protocol": "linear", "shards": "5f5f5f5f5f5f"}
        test, validation = (make_predictions(kind, space, seed=seed) for seed in (1, 2))
        write_run_page(page, f"{kind} on {space}", facts, test, validation, None, "test")
    for row in report["rows"][:40]:
        for cell in row["cells"]:
            (folder / cell).mkdir(parents=True, exist_ok=True)
            (folder / cell / "index.html").write_text("a run")
    write_suite_page(folder, report)
    (folder / "suite.md").write_text(suite_markdown(report))
