"""Correlations and errors against scipy and scikit-learn; constants, single samples and masks."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from vemo.evaluation.metrics import ccc, pearson, regression_scores, spearman


@pytest.mark.parametrize("decimals", [1, 8])  # 1: many ties
@pytest.mark.parametrize("samples", [2, 3, 500])
def test_agrees_with_scipy_and_scikit_learn(samples: int, decimals: int) -> None:
    generator = torch.Generator().manual_seed(samples)
    x, noise = torch.randn(2, samples, generator=generator, dtype=torch.float64)
    x, y = x.round(decimals=decimals), (0.4 * x + noise + 0.3).round(decimals=decimals)
    found = regression_scores(x, y)
    one, two = x.numpy(), y.numpy()
    assert found.count == samples
    assert found.pearson == pytest.approx(stats.pearsonr(one, two)[0], abs=1e-9)
    assert found.spearman == pytest.approx(stats.spearmanr(one, two)[0], abs=1e-9)
    assert found.rmse == pytest.approx(root_mean_squared_error(one, two), abs=1e-9)
    assert found.mae == pytest.approx(mean_absolute_error(one, two), abs=1e-9)
    assert found.sign_agreement == pytest.approx(np.mean(np.sign(one) == np.sign(two)), abs=1e-9)
    # Lin's own form: the correlation times how alike means and spreads are.
    spread_x, spread_y = one.std(), two.std()
    alike = 2 * spread_x * spread_y / (spread_x**2 + spread_y**2 + (one.mean() - two.mean()) ** 2)
    assert found.ccc == pytest.approx(stats.pearsonr(one, two)[0] * alike, abs=1e-9)


def test_concordance_minds_scale_and_shift_where_correlation_does_not() -> None:
    x = torch.linspace(-1, 1, 50)
    assert ccc(x, x) == pytest.approx(1)
    assert ccc(x, -x) == pytest.approx(-1)
    assert pearson(x, 2 * x + 3) == pytest.approx(1)
    assert spearman(x, x**3) == pytest.approx(1) != pearson(x, x**3)
    assert ccc(x, x + 1) == pytest.approx(ccc(x, x - 1))
    assert 0 < ccc(x, x + 1) < 0.5


def test_constants_and_single_samples_are_zero() -> None:
    """0.1 is not exact in binary: its mean over many samples is not quite 0.1."""
    constant, varied = torch.full((77,), 0.1), torch.linspace(0, 1, 77)
    for score in (ccc, pearson, spearman):
        assert score(constant, varied) == score(varied, constant) == score(constant, constant) == 0
        assert score(torch.tensor([0.3]), torch.tensor([0.3])) == 0
    single = regression_scores(torch.tensor([0.25]), torch.tensor([-0.25]))
    assert (single.count, single.rmse, single.mae, single.sign_agreement) == (1, 0.5, 0.5, 0)


def test_a_large_offset_does_not_swallow_the_spread() -> None:
    x = torch.linspace(0, 1, 100, dtype=torch.float64)
    assert pearson(x + 1e6, x.square() + 1e6) == pytest.approx(pearson(x, x.square()), abs=1e-9)
    assert ccc(x + 1e6, x.square() + 1e6) == pytest.approx(ccc(x, x.square()), abs=1e-9)


def test_zero_is_a_sign_of_its_own() -> None:
    targets, predictions = torch.tensor([0.0, 0.0, 1.0, -1.0]), torch.tensor([0.0, 0.1, 0.2, 0.2])
    assert regression_scores(targets, predictions).sign_agreement == 0.5


def test_only_an_explicit_mask_lets_nan_pass() -> None:
    targets = torch.tensor([0.1, torch.nan, 0.3, torch.nan, 0.7])
    predictions = torch.tensor([0.2, 5.0, 0.1, torch.nan, 0.6])
    known = torch.tensor([True, False, True, False, True])
    found = regression_scores(targets, predictions, known)
    assert found == regression_scores(targets[known], predictions[known])
    assert found.count == 3
    with pytest.raises(ValueError, match=r"targets: nan at \[1\] and 1 more; every value must be finite"):
        regression_scores(targets, predictions)
    with pytest.raises(ValueError, match=r"targets: nan at \[1\]"):
        regression_scores(targets, predictions, torch.tensor([True, True, True, False, True]))
    with pytest.raises(ValueError, match="at least one sample"):
        regression_scores(targets, predictions, torch.zeros(5, dtype=torch.bool))
    with pytest.raises(ValueError, match="expected bool"):
        regression_scores(targets, predictions, torch.ones(5))
