"""From files of predictions to rows of the table: every figure but the milliseconds is made here."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from vemo.evaluation.bootstrap import intervals, paired_differences
from vemo.evaluation.metrics import holm, mcnemar
from vemo.evaluation.predictions import Predictions
from vemo.evaluation.scoring import by_class, flat_scores

CALIBRATION = ("ece", "nll", "brier")
UNSEEN, SEEN = "not in training", "also in training"


def parts(predictions: Predictions, seen: frozenset[str]) -> dict[str, Predictions]:
    """All of it; what is not also a training image; what is. Without those that are empty."""
    known = torch.tensor([each in seen for each in predictions.ids])
    masks = {"all": torch.ones_like(known), UNSEEN: ~known, SEEN: known}
    return {name: _at(predictions, mask) for name, mask in masks.items() if mask.any()}


def _at(predictions: Predictions, mask: Tensor) -> Predictions:
    rows = mask.nonzero().flatten()
    places = rows.tolist()
    return replace(
        predictions,
        ids=tuple(predictions.ids[place] for place in places),
        groups=tuple(predictions.groups[place] for place in places),
        outputs=predictions.outputs[rows],
        targets=predictions.targets[rows],
    )


def row(predictions: Predictions, seen: frozenset[str], resamples: int) -> dict[str, Any]:
    """By part: samples, accuracy, macro-F1 and UAR each as [value, low, high] (95 %, images drawn by group),
    and calibration of the probabilities as they are; F1 of each class over all."""
    found: dict[str, Any] = {}
    for name, part in parts(predictions, seen).items():
        drawn = intervals(*_hard(part), part.group_numbers, resamples)
        flat = flat_scores(part)
        found[name] = {
            "samples": len(part),
            **{score: _rounded(each.value, each.low, each.high) for score, each in drawn.items()},
            **{score: round(flat[score], 4) for score in CALIBRATION},
        }
    found["f1"] = {name: _rounded(scores["f1"] or 0.0)[0] for name, scores in by_class(predictions).items()}
    return found


def compared(
    ours: Predictions, peers: Mapping[str, Predictions], seen: frozenset[str], resamples: int
) -> dict[str, dict[str, Any]]:
    """Peer → part → ours minus the peer on the same images, McNemar's test, p adjusted over the peers."""
    found: dict[str, dict[str, Any]] = {name: {} for name in peers}
    for part, mine in parts(ours, seen).items():
        for name, whole in peers.items():
            other = parts(whole, seen)[part]
            if other.ids != mine.ids:
                raise ValueError(f"{name} and ours: predictions of different images")
            labels, guesses, classes = _hard(mine)
            _, others, _ = _hard(other)
            gaps = paired_differences(labels, guesses, others, classes, mine.group_numbers, resamples)
            test = mcnemar(guesses == labels, others == labels)
            found[name][part] = {
                score: [*_rounded(gap.value, gap.low, gap.high)] for score, gap in gaps.items()
            } | {"only ours right": test.only_first, "only peer right": test.only_second, "p": test.p_mid}
        for name, p in zip(peers, holm([found[name][part]["p"] for name in peers])):
            found[name][part]["p_holm"] = p
    return found


def _hard(predictions: Predictions) -> tuple[Tensor, Tensor, int]:
    return predictions.labels, predictions.outputs.argmax(1), len(predictions.classes)


def _rounded(*values: float) -> list[float]:
    return [round(value, 4) for value in values]


def milliseconds(rounds: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each round the median image; over rounds their median, and the ratio to ours of the same round."""
    medians = [statistics.median(each["cpu_ms"]) for each in rounds]
    found: dict[str, Any] = {
        "median": round(statistics.median(medians), 3),
        "by round": [round(each, 3) for each in medians],
    }
    if ours:
        mine = [statistics.median(each["cpu_ms"]) for each in ours]
        ratios = [theirs / own for theirs, own in zip(medians, mine)]
        found["times ours"] = round(statistics.median(ratios), 3)
    return found


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown."""
    heads = (
        "",
        "accuracy",
        "macro-F1",
        "UAR",
        f"accuracy, {UNSEEN}",
        f"macro-F1, {UNSEEN}",
        f"accuracy, {SEEN}",
    )
    heads += ("ECE", "FER+ majority", "CPU ms/image", "× ours")
    lines = [heads, tuple("---" for _ in heads)]
    for name, each in rows.items():
        if "absent" in each:
            lines.append((name, f"absent: {each['absent']}", *("" for _ in heads[2:])))
            continue
        fer, plus, time = each["FER2013"], each["FER+"], each.get("cpu_ms", {})
        cells = [_cell(fer, "all", score) for score in ("accuracy", "macro_f1", "uar")]
        cells += [
            _cell(fer, UNSEEN, "accuracy"),
            _cell(fer, UNSEEN, "macro_f1"),
            _cell(fer, SEEN, "accuracy"),
        ]
        cells += [f"{fer['all']['ece']:.3f}" if "all" in fer else "–", _cell(plus, "all", "accuracy")]
        cells += [str(time.get("median", "–")), str(time.get("times ours", "–"))]
        lines.append((name, *cells))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(found: Mapping[str, Any], part: str, score: str) -> str:
    if part not in found:
        return "–"
    value, low, high = found[part][score]
    return f"{value:.4f} [{low:.3f}, {high:.3f}]"
