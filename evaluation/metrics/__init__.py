"""The arithmetic of the benchmark suite: pure functions of what is true and what was predicted.

Conventions, stated once. The truth comes first, the prediction second. Sums are in float64 whatever comes
in. Per-sample values are tensors, so that they can be resampled; scores are floats or small frozen
dataclasses of them, and None stands where there is nothing to take a share of. NaN, wrong shapes and classes
that do not exist are a ValueError that names the place. Nothing depends on the order of the samples, ties
included. With several processes there is one rule: `gather` the predictions, then compute once.

Not here: intervals and paired differences (`evaluation/bootstrap.py`), agreement of raters
(`evaluation/audit/agreement.py`), tables.
"""

from .abstention import RiskCoverage, risk_coverage
from .calibration import Bin, Reliability, classwise_calibration_error, confidences, reliability
from .classification import Histogram, class_histogram, top_k_accuracy, top_k_hits
from .comparisons import McNemar, holm, mcnemar
from .confusion import SCORES, confusion_matrix, per_class, scores
from .distributions import DistributionMeasures, distribution_measures, entropy
from .gather import Predictions, gather
from .multilabel import MultiLabel, average_precision, multilabel_scores
from .proper_scores import brier, negative_log_likelihood
from .regression import Regression, ccc, pearson, regression_scores, spearman
from .temperature import Temperature, fit_temperature
from .valence import ValenceConfusion, polarities, valence_confusion
from .wheel import WheelScores, wheel_distances, wheel_scores

__all__ = [
    "SCORES",
    "Bin",
    "DistributionMeasures",
    "Histogram",
    "McNemar",
    "MultiLabel",
    "Predictions",
    "Regression",
    "Reliability",
    "RiskCoverage",
    "Temperature",
    "ValenceConfusion",
    "WheelScores",
    "average_precision",
    "brier",
    "ccc",
    "class_histogram",
    "classwise_calibration_error",
    "confidences",
    "confusion_matrix",
    "distribution_measures",
    "entropy",
    "fit_temperature",
    "gather",
    "holm",
    "mcnemar",
    "multilabel_scores",
    "negative_log_likelihood",
    "pearson",
    "per_class",
    "polarities",
    "regression_scores",
    "reliability",
    "risk_coverage",
    "scores",
    "spearman",
    "top_k_accuracy",
    "top_k_hits",
    "valence_confusion",
    "wheel_distances",
    "wheel_scores",
]
