"""What is said of each group by itself, and of all samples together: scores, sureness, abstention."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ..bootstrap import Interval, interval_of, intervals
from ..metrics import (
    SCORES,
    confidences,
    confusion_matrix,
    distribution_measures,
    entropy,
    fit_temperature,
    reliability,
    risk_coverage,
    scores,
    spearman,
)
from ..predictions import Predictions
from .gaps import CLASS_RECALL, Samples
from .groups import Partition

CURVE_POINTS = 60  # of an abstention curve that is drawn


class Said:
    """Predictions as the audit reads them.

    Attributes:
        outcome: float64 [N]: 1 where the class is right, or KL (nats) of a distribution; `score` is its name.
        right: float64 [N]: 1 where the class is right, or the share of people who say it.
        confidence: float64 [N], behind the temperature that the validation split chose, if there is one.
        labels: int64 [N], of a distribution the commonest class.
    """

    def __init__(self, predictions: Predictions, validation: Predictions | None = None) -> None:
        self.predictions, self.validation = predictions, validation
        self.single = predictions.kind == "single"
        self.score = "accuracy" if self.single else "kl"
        self.labels, self.units = predictions.labels, predictions.group_numbers
        self.truth = self.labels if self.single else predictions.targets
        self.temperature = None
        self.logits = predictions.outputs.double()
        if validation is not None and len(validation):
            truth = validation.labels if self.single else validation.targets
            self.temperature = fit_temperature(truth, validation.outputs)
            self.logits = self.temperature(predictions.outputs)
        self.confidence, self.guesses = confidences(self.logits)
        self.right = predictions.targets.double().gather(1, self.guesses[:, None])[:, 0]
        self.outcome = self.right
        if not self.single:
            self.outcome = distribution_measures(predictions.targets, predictions.said).kl

    @property
    def samples(self) -> Samples:
        """What gaps are computed from."""
        surplus = self.confidence - self.right
        classes = len(self.predictions.classes)
        return Samples(self.outcome, surplus, self.labels, self.units, classes)

    def describe(self, rows: Tensor, threshold: float, resamples: int, seed: int) -> dict[str, Any]:
        """Of the samples at places int64 [M], M ≥ 1: scores with intervals, sureness, abstention, classes."""
        labels, guesses, units = self.labels[rows], self.guesses[rows], self.units[rows]
        classes = len(self.predictions.classes)
        confidence, right, outcome = self.confidence[rows], self.right[rows], self.outcome[rows]
        found: dict[str, Any] = {"samples": len(rows), "dataset_groups": len(units.unique())}
        if self.single:
            found |= _as_dicts(intervals(labels, guesses, classes, units, resamples, seed))
        else:
            mean = interval_of(lambda at: float(outcome[at].mean()), len(rows), units, resamples, seed)
            found |= _as_dicts({"kl": mean})
        answered = confidence >= threshold
        support = torch.bincount(labels, minlength=classes)
        sums = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels, outcome)
        return found | {
            "ece": reliability(self.truth[rows], self.logits[rows]).ece,
            "confidence": float(confidence.mean()),
            "right": float(right.mean()),
            "answered": float(answered.double().mean()),
            "right_where_answered": float(right[answered].mean()) if answered.any() else None,
            "class_mix": (support / len(rows)).tolist(),
            "support": support.tolist(),
            "by_class": [
                total / count if count >= CLASS_RECALL else None
                for total, count in zip(sums.tolist(), support.tolist())
            ],
            "said": (torch.bincount(guesses, minlength=classes) / len(rows)).tolist(),
        }

    def abstention(self, rows: Tensor | None = None) -> dict[str, Any]:
        """Share of wrong answers by share of answers: at most `CURVE_POINTS` points, `aurc` of all."""
        rows = torch.arange(len(self.predictions)) if rows is None else rows
        curve = risk_coverage(1 - self.right[rows], self.confidence[rows])
        last = len(curve.coverage) - 1
        places = sorted({round(last * place / (CURVE_POINTS - 1)) for place in range(CURVE_POINTS)})
        return {
            "coverage": [curve.coverage[place] for place in places],
            "risk": [curve.risk[place] for place in places],
            "threshold": [curve.threshold[place] for place in places],
            "aurc": curve.aurc,
        }

    def soft_labels(self) -> dict[str, float] | None:
        """Against people's shares: Geng's measures, and whether the model doubts where people do. None for
        predictions of one class."""
        if self.single:
            return None
        targets, said = self.predictions.targets.double(), self.predictions.said
        doubt = spearman(entropy(targets), entropy(said))
        return {**distribution_measures(targets, said).means(), "entropy_spearman": doubt}


def summary(partition: Partition, described: list[dict[str, Any]], said: Said) -> dict[str, float]:
    """What papers on fairness call by name, over the groups that are compared.

    worst, best, range: of the score; group_averaged_macro_f1: the mean of the groups' own; parity: the widest
    gap in how often a class is said, averaged over the classes (Hu et al. 2024; it is not 0 for a perfect
    model whose groups have unequal class mixes); cramers_v: of group and class, 0 where they are independent.
    """
    if not described:
        return {}
    means = [each[said.score]["value"] for each in described]
    worst, best = (min(means), max(means)) if said.single else (max(means), min(means))
    rates = torch.tensor([each["said"] for each in described], dtype=torch.float64)
    found = {
        "worst": worst,
        "best": best,
        "range": abs(best - worst),
        "parity": float((rates.amax(0) - rates.amin(0)).mean()),
        "cramers_v": _cramers_v(partition, said),
    }
    if said.single:
        f1 = [each["macro_f1"]["value"] for each in described]
        found["group_averaged_macro_f1"] = sum(f1) / len(f1)
    return found


def overall(said: Said, threshold: float, resamples: int, seed: int) -> dict[str, Any]:
    """All samples as one group, and their abstention curve."""
    rows = torch.arange(len(said.predictions))
    found = said.describe(rows, threshold, resamples, seed)
    return found | {"soft_labels": said.soft_labels(), "abstention": said.abstention()}


def flat(predictions: Predictions) -> dict[str, float]:
    """The few scores that corrupted images are compared by."""
    said = Said(predictions)
    found = {"ece": reliability(said.truth, said.logits).ece, "confidence": float(said.confidence.mean())}
    if not said.single:
        return {"kl": float(said.outcome.mean()), **found}
    matrix = confusion_matrix(said.labels, said.guesses, len(predictions.classes))
    return {**{name: float(value) for name, value in scores(matrix).items() if name in SCORES}, **found}


def _cramers_v(partition: Partition, said: Said) -> float:
    compared = (partition.number >= 0) & (partition.number < len(partition.names))
    classes = len(said.predictions.classes)
    cell = partition.number[compared] * classes + said.labels[compared]
    counts = torch.bincount(cell, minlength=len(partition.names) * classes).double()
    counts = counts.view(-1, classes)
    counts = counts[:, counts.sum(0) > 0]
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return 0.0
    total = counts.sum()
    expected = counts.sum(1, keepdim=True) * counts.sum(0, keepdim=True) / total
    return float(((counts - expected).square() / expected).sum().div(total * smaller).sqrt())


def _as_dicts(found: dict[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in found.items()}
