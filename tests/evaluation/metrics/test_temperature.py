"""Temperature scaling finds the minimum, and never makes the validation NLL worse whatever comes in."""

import pytest
import torch
from scipy.optimize import minimize_scalar
from vemo.evaluation.metrics import fit_temperature, negative_log_likelihood, reliability


def sampled(
    count: int, classes: int, too_sure: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Labels and votes drawn from true logits, and logits that are those times `too_sure`."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial(logits.softmax(1), 10, replacement=True, generator=generator)
    votes = torch.nn.functional.one_hot(drawn, classes).double().mean(1)
    return drawn[:, 0], votes, too_sure * logits


@pytest.mark.parametrize("too_sure", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("soft", [False, True])
def test_finds_what_scipy_finds(too_sure: float, soft: bool) -> None:
    labels, votes, logits = sampled(300, 5, too_sure, seed=0)
    targets = votes if soft else labels
    found = fit_temperature(targets, logits)
    best = minimize_scalar(
        lambda log: float(negative_log_likelihood(targets, logits / 2.0**log).mean()),
        bracket=(-3, 3),
        options={"xtol": 1e-12},
    )
    assert found.identified
    assert found.value == pytest.approx(2.0**best.x, rel=1e-5)  # the minimum is flat: scipy sees no finer
    assert found.nll_after == pytest.approx(best.fun, abs=1e-9)
    assert found.nll_after <= best.fun + 1e-15


def test_recovers_the_temperature_and_calibrates_another_set() -> None:
    labels, _, logits = sampled(5000, 4, 3.0, seed=1)
    found = fit_temperature(labels, logits)
    assert found.value == pytest.approx(3, rel=0.05)
    test_labels, _, test_logits = sampled(5000, 4, 3.0, seed=2)
    assert reliability(test_labels, test_logits).ece > 0.1
    assert reliability(test_labels, found(test_logits)).ece < 0.03
    assert (found(test_logits).argmax(1) == test_logits.argmax(1)).all()


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e2, 1e6])
@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("kind", ["random", "separable", "wrong", "constant", "votes"])
def test_never_worsens_the_validation_nll(scale: float, count: int, kind: str) -> None:
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        logits = scale * torch.randn(count, 4, generator=generator, dtype=torch.float64)
        targets = {
            "random": torch.randint(4, (count,), generator=generator),
            "separable": logits.argmax(1),
            "wrong": logits.argmin(1),
            "constant": torch.zeros(count, dtype=torch.int64),
            "votes": torch.rand(count, 4, generator=generator).softmax(1),
        }[kind]
        if kind == "constant":
            logits = logits[:, :1].expand(-1, 4)
        found = fit_temperature(targets, logits)
        assert found.nll_after <= found.nll_before
        assert 1e-3 <= found.value <= 1e3
        before, after = (
            float(negative_log_likelihood(targets, each).mean()) for each in (logits, found(logits))
        )
        assert (found.nll_before, found.nll_after) == (before, after)
        if kind in ("separable", "wrong", "constant"):
            assert not found.identified
        if kind == "constant":
            assert found.value == 1
        if kind == "separable" and scale == 1:
            assert found.value < 1
        if kind == "wrong":
            assert found.value > 1


def test_float32_is_no_way_round_the_guarantee() -> None:
    labels, _, logits = sampled(40, 3, 1.7, seed=4)
    found = fit_temperature(labels, logits.float())
    after = float(negative_log_likelihood(labels, found(logits.float())).mean())
    assert after == found.nll_after <= found.nll_before


def test_a_class_ruled_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"logits: -inf at \[0, 1\]; every value must be finite"):
        fit_temperature(torch.tensor([0]), torch.tensor([[0.0, -torch.inf]]))
