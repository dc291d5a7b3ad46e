"""The risk-coverage curve against loops; ties against the mean over all orders."""

from itertools import permutations

import pytest
import torch
from vemo.evaluation.metrics import risk_coverage


def looped_aurc(losses: list[float]) -> float:
    """The mean risk of the first 1, 2, …, N, surest first."""
    risks = [sum(losses[:count]) / count for count in range(1, len(losses) + 1)]
    return sum(risks) / len(risks)


@pytest.mark.parametrize("samples", [1, 2, 200])
def test_without_ties_it_is_the_definition(samples: int) -> None:
    generator = torch.Generator().manual_seed(samples)
    wrong = torch.rand(samples, generator=generator) < 0.4
    confidence = torch.rand(samples, generator=generator, dtype=torch.float64)
    found = risk_coverage(wrong, confidence)
    ranked = wrong[confidence.argsort(descending=True)].double().tolist()
    assert found.aurc == pytest.approx(looped_aurc(ranked), abs=1e-9)
    assert found.coverage == pytest.approx([(place + 1) / samples for place in range(samples)])
    assert found.risk[-1] == pytest.approx(float(wrong.double().mean()))
    assert list(found.threshold) == sorted(confidence.tolist(), reverse=True)
    for threshold, coverage, risk in zip(found.threshold, found.coverage, found.risk):
        answered = confidence >= threshold
        assert coverage == pytest.approx(float(answered.double().mean()))
        assert risk == pytest.approx(float(wrong[answered].double().mean()))


def test_ties_are_the_mean_over_all_orders() -> None:
    losses, confidence = torch.tensor([0.0, 1.0, 0.5, 2.0, 0.0, 1.0]), torch.tensor([3, 2, 2, 2, 1, 1])
    orders = [looped_aurc([*losses[[0, *two, *one]].tolist()])
              for two in permutations([1, 2, 3]) for one in permutations([4, 5])]  # fmt: skip
    found = risk_coverage(losses, confidence)
    assert found.aurc == pytest.approx(sum(orders) / len(orders), abs=1e-12)
    assert found.threshold == (3, 2, 1)
    assert found.coverage == pytest.approx((1 / 6, 4 / 6, 1))
    assert found.risk == pytest.approx((0, 3.5 / 4, 4.5 / 6))
    shuffled = torch.tensor([5, 3, 1, 0, 4, 2])
    assert risk_coverage(losses[shuffled], confidence[shuffled]).aurc == pytest.approx(found.aurc, abs=1e-12)


def test_knowing_ones_errors_pays() -> None:
    wrong = torch.tensor([False] * 70 + [True] * 30)
    known, unknown = -wrong.double(), torch.zeros(100)
    assert risk_coverage(wrong, unknown).aurc == pytest.approx(0.3)
    assert risk_coverage(wrong, known).aurc < 0.06
    assert risk_coverage(wrong, known).risk == (0, 0.3)
    assert risk_coverage(wrong, -known).aurc > 0.3


def test_negative_losses_are_refused() -> None:
    with pytest.raises(ValueError, match=r"losses: -1.0 at \[1\]"):
        risk_coverage(torch.tensor([0.0, -1.0]), torch.tensor([0.5, 0.5]))
