"""Every metric refuses NaN and misfits, and says where they are."""

import pytest
import torch
from vemo.evaluation import metrics

LABELS = torch.tensor([0, 1, 2])
LOGITS = torch.zeros(3, 3)
SHARES = torch.full((3, 3), 1 / 3)
VALUES = torch.arange(3.0)

CALLS = {  # metric, its truth, its prediction
    "top_k_accuracy": (lambda truth, said: metrics.top_k_accuracy(truth, said, 1), LABELS, LOGITS),
    "negative_log_likelihood": (metrics.negative_log_likelihood, LABELS, LOGITS),
    "soft negative_log_likelihood": (metrics.negative_log_likelihood, SHARES, LOGITS),
    "brier": (metrics.brier, SHARES, LOGITS),
    "reliability": (metrics.reliability, LABELS, LOGITS),
    "classwise_calibration_error": (metrics.classwise_calibration_error, LABELS, LOGITS),
    "fit_temperature": (metrics.fit_temperature, LABELS, LOGITS),
    "risk_coverage": (metrics.risk_coverage, VALUES, VALUES),
    "distribution_measures": (metrics.distribution_measures, SHARES, SHARES),
    "average_precision": (metrics.average_precision, torch.eye(3), LOGITS),
    "multilabel_scores": (metrics.multilabel_scores, torch.eye(3), LOGITS),
    "regression_scores": (metrics.regression_scores, VALUES, VALUES),
    "ccc": (metrics.ccc, VALUES, VALUES),
    "pearson": (metrics.pearson, VALUES, VALUES),
    "spearman": (metrics.spearman, VALUES, VALUES),
}


@pytest.mark.parametrize("name", CALLS)
def test_nan_is_refused_with_its_place(name: str) -> None:
    metric, truth, said = CALLS[name]
    metric(truth, said)  # is fine
    for side in (0, 1):
        arguments = [truth.clone(), said.clone()]
        if not arguments[side].is_floating_point():
            continue
        arguments[side][(2,) * arguments[side].ndim] = torch.nan
        place = r"nan at \[2, 2\]" if arguments[side].ndim == 2 else r"nan at \[2\]"
        with pytest.raises(ValueError, match=place):
            metric(*arguments)


@pytest.mark.parametrize("name", CALLS)
def test_misfits_are_refused(name: str) -> None:
    metric, truth, said = CALLS[name]
    with pytest.raises(ValueError, match="different numbers of samples"):
        metric(truth[:2], said)
    with pytest.raises(ValueError, match="at least one sample"):
        metric(truth[:0], said[:0])


def test_infinities_and_wrong_classes() -> None:
    with pytest.raises(ValueError, match=r"logits: inf at \[1, 0\]"):
        metrics.brier(LABELS, LOGITS.index_fill(0, torch.tensor(1), torch.inf))
    with pytest.raises(ValueError, match=r"logits: -inf at \[1, 0\] and 2 more; a class must be left"):
        metrics.brier(LABELS, LOGITS.index_fill(0, torch.tensor(1), -torch.inf))
    with pytest.raises(ValueError, match=r"targets: 3 at \[1\]; there are 3 classes"):
        metrics.brier(torch.tensor([0, 3, 1]), LOGITS)
    with pytest.raises(ValueError, match=r"targets: torch.float32 \[3\], expected integers"):
        metrics.brier(VALUES, LOGITS)
    with pytest.raises(ValueError, match="targets: 2 classes, the prediction has 3"):
        metrics.brier(torch.full((3, 2), 0.5), LOGITS)
    with pytest.raises(ValueError, match="k: 0"):
        metrics.top_k_accuracy(LABELS, LOGITS, 0)
    with pytest.raises(ValueError, match="bins: 0"):
        metrics.reliability(LABELS, LOGITS, bins=0)


def test_half_precision_comes_in_and_float64_is_reckoned_with() -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert metrics.negative_log_likelihood(LABELS, logits).dtype == torch.float64
    exact = metrics.negative_log_likelihood(LABELS, logits.double())
    assert (metrics.negative_log_likelihood(LABELS, logits) == exact).all()
