"""From predictions to scores: every number of a cell of the suite and of a fine-tuning run is made here.

A score is a function of the rows that are looked at, so that the same one serves for a split, for a slice of
it and for its bootstrap resamples.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ..datasets.taxonomy import label_space
from ..foundation.errors import UserError
from .bootstrap import Statistic
from .metrics import (
    Temperature,
    average_precision,
    brier,
    class_histogram,
    classwise_calibration_error,
    confusion_matrix,
    distribution_measures,
    fit_temperature,
    multilabel_scores,
    negative_log_likelihood,
    per_class,
    polarities,
    regression_scores,
    reliability,
    scores,
    top_k_hits,
    valence_confusion,
)
from .predictions import Kind, Predictions

# The scores of a kind, in the order they are shown; the first chooses checkpoints.
SCORES_OF: dict[Kind, tuple[str, ...]] = {
    "single": ("macro_f1", "accuracy", "uar", "top3_accuracy", "nll", "brier"),
    "distribution": (
        "kl",
        "chebyshev",
        "clark",
        "canberra",
        "cosine",
        "intersection",
        "jensen_shannon",
        "top1_agreement",
    ),
    "multilabel": ("mean_average_precision", "micro_f1", "macro_f1", "jaccard"),
    "vad": ("ccc", "pearson", "rmse", "sign_agreement"),
}
LOWER_IS_BETTER = {"nll", "brier", "ece", "classwise_ece", "rmse", "mae"}
LOWER_IS_BETTER |= {"kl", "chebyshev", "clark", "canberra", "jensen_shannon"}


def direction(score: str) -> str:
    """ "lowest" or "highest": which end of a score is better."""
    return "lowest" if score in LOWER_IS_BETTER else "highest"


def statistic(predictions: Predictions, score: str) -> Statistic:
    """A score of SCORES_OF as a function of rows, int64 [M], repeats allowed.

    Raises:
        UserError: the kind has no such score.
    """
    if score not in SCORES_OF[predictions.kind]:
        there = ", ".join(SCORES_OF[predictions.kind])
        raise UserError(f"predictions of the kind {predictions.kind} have no score {score!r}, only {there}")
    if predictions.kind == "single":
        return _of_classes(predictions, score)
    said, targets = predictions.said, predictions.targets.double()
    if predictions.kind == "distribution":
        if score == "top1_agreement":
            values = targets.gather(1, said.argmax(1, keepdim=True))[:, 0] == targets.amax(1)
        else:
            values = getattr(distribution_measures(targets, said), score)
        return _mean(values)
    if predictions.kind == "multilabel":
        return lambda rows: getattr(multilabel_scores(targets[rows], said[rows]), score)
    return lambda rows: _over_axes(targets[rows], said[rows], score)


def _of_classes(predictions: Predictions, score: str) -> Statistic:
    labels, logits, classes = predictions.labels, predictions.outputs, len(predictions.classes)
    if score in ("nll", "brier"):
        return _mean((negative_log_likelihood if score == "nll" else brier)(labels, logits))
    if score in ("accuracy", "top3_accuracy"):
        return _mean(top_k_hits(labels, logits, 1 if score == "accuracy" else 3))
    guesses = logits.argmax(1)
    return lambda rows: float(scores(confusion_matrix(labels[rows], guesses[rows], classes))[score])


def _mean(values: Tensor) -> Statistic:
    values = values.double()
    return lambda rows: float(values[rows].mean())


def _over_axes(targets: Tensor, said: Tensor, score: str) -> float:
    """The mean over the axes that are known of any sample."""
    known = targets.isfinite()
    found = [
        getattr(regression_scores(targets[:, axis], said[:, axis], known[:, axis]), score)
        for axis in range(targets.shape[1])
        if known[:, axis].any()
    ]
    return sum(found) / len(found) if found else float("nan")


def flat_scores(predictions: Predictions) -> dict[str, float]:
    """Every score of the kind, for classes the calibration error too; {} without samples."""
    if len(predictions) == 0:
        return {}
    everything = torch.arange(len(predictions))
    found = {name: statistic(predictions, name)(everything) for name in SCORES_OF[predictions.kind]}
    if predictions.kind == "single":
        if len(predictions.classes) <= 3:
            del found["top3_accuracy"]
        found["ece"] = reliability(predictions.labels, predictions.outputs).ece
    return found


def calibration(test: Predictions, validation: Predictions | None) -> dict[str, Any] | None:
    """Calibration on the test split before and after the temperature that the validation split chooses.

    Against distributions every measure takes them as they are (soft ECE, cross-entropy). None for kinds
    whose outputs do not sum to 1. Nothing is scaled without validation samples, or where they identify no
    temperature (`Temperature.identified`): there is no "after" then.
    """
    if test.kind not in ("single", "distribution") or len(test) == 0:
        return None
    found: dict[str, Any] = {"before": _calibrated(test, test.outputs)}
    if validation is not None and len(validation) > 0:
        temperature: Temperature = fit_temperature(_truth(validation), validation.outputs)
        found["temperature"] = asdict(temperature)
        if temperature.identified:  # else any value would say more of the few samples than of the model
            found["after"] = _calibrated(test, temperature(test.outputs))
    return found


def _truth(predictions: Predictions) -> Tensor:
    return predictions.labels if predictions.kind == "single" else predictions.targets


def _calibrated(predictions: Predictions, logits: Tensor) -> dict[str, Any]:
    truth = _truth(predictions)
    diagram = reliability(truth, logits)
    return {
        "ece": diagram.ece,
        "classwise_ece": classwise_calibration_error(truth, logits),
        "nll": float(negative_log_likelihood(truth, logits).mean()),
        "brier": float(brier(truth, logits).mean()),
        "bins": [asdict(each) for each in diagram.bins],
    }


def by_class(predictions: Predictions) -> dict[str, dict[str, float | None]]:
    """What there is to say of each class (each axis) alone, in the order of the classes."""
    names, targets, said = predictions.classes, predictions.targets.double(), predictions.said
    if len(predictions) == 0:
        return {}
    if predictions.kind == "single":
        return {name: {**row} for name, row in per_class(confusion(predictions), names).items()}
    if predictions.kind == "distribution":
        columns = zip(
            targets.mean(0).tolist(), said.mean(0).tolist(), (targets - said).abs().mean(0).tolist()
        )
        keys = ("true_share", "predicted_share", "mean_absolute_error")
        return {name: dict(zip(keys, values)) for name, values in zip(names, columns)}
    if predictions.kind == "multilabel":
        precision = average_precision(targets, said).tolist()
        counts = targets.sum(0).tolist()
        return {
            name: {"average_precision": None if p != p else p, "support": count}
            for name, p, count in zip(names, precision, counts)
        }
    known = targets.isfinite()
    return {
        name: asdict(regression_scores(targets[:, axis], said[:, axis], known[:, axis]))
        for axis, name in enumerate(names)
        if known[:, axis].any()
    }


def confusion(predictions: Predictions) -> Tensor:
    """int64 [C, C], rows: what is true; of single."""
    return confusion_matrix(predictions.labels, predictions.outputs.argmax(1), len(predictions.classes))


def details(predictions: Predictions) -> dict[str, Any]:
    """By class, and where there is one class the confusion, which classes are said how often, and whether
    errors keep the valence."""
    found: dict[str, Any] = {"by_class": by_class(predictions)}
    if predictions.kind != "single" or len(predictions) == 0:
        return found
    matrix = confusion(predictions)
    found |= {"confusion": matrix.tolist(), "histogram": asdict(class_histogram(matrix)), "valence": None}
    if predictions.space:
        try:
            polarity = polarities(label_space(predictions.space))
        except UserError:  # a space of which nobody said what is positive
            return found
        found["valence"] = asdict(valence_confusion(matrix, polarity))
    return found
