"""McNemar against scipy's binomial, Holm against its definition, and both against chance."""

import pytest
import torch
from scipy.stats import binom, binomtest
from vemo.evaluation.metrics import holm, mcnemar


def hits(
    only_first: int, only_second: int, both: int = 3, neither: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    first = [True] * only_first + [False] * only_second + [True] * both + [False] * neither
    second = [False] * only_first + [True] * only_second + [True] * both + [False] * neither
    return torch.tensor(first), torch.tensor(second)


@pytest.mark.parametrize(
    ("only_first", "only_second"),
    [(1, 0), (0, 5), (5, 5), (4, 5), (3, 17), (120, 80), (1000, 900), (30_000, 29_000)],
)
def test_agrees_with_the_binomial_of_scipy(only_first: int, only_second: int) -> None:
    found = mcnemar(*hits(only_first, only_second))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    parted, rarer = only_first + only_second, min(only_first, only_second)
    assert found.p_exact == pytest.approx(binomtest(rarer, parted).pvalue, abs=1e-9, rel=1e-9)
    mid = 2 * binom.cdf(rarer, parted, 0.5) - binom.pmf(rarer, parted, 0.5)
    assert found.p_mid == pytest.approx(min(1, mid), abs=1e-9, rel=1e-9)
    assert found.p_mid <= found.p_exact
    swapped = mcnemar(*hits(only_second, only_first))
    assert (swapped.p_exact, swapped.p_mid) == (found.p_exact, found.p_mid)


def test_models_that_never_part_do_not_differ() -> None:
    found = mcnemar(*hits(0, 0))
    assert (found.only_first, found.only_second, found.p_exact, found.p_mid) == (0, 0, 1, 1)
    single = mcnemar(torch.tensor([True]), torch.tensor([False]))
    assert (single.p_exact, single.p_mid) == (1, 0.5)


def test_equal_models_are_told_apart_as_often_as_the_level_says() -> None:
    """Of 1000 pairs of equal models, 5 % at most by the exact test; mid-p comes nearer to 5 %."""
    drawn = torch.rand(1000, 2, 200, generator=torch.Generator().manual_seed(0)) < 0.7
    found = [mcnemar(*pair) for pair in drawn]
    exact, mid = (sum(getattr(each, name) <= 0.05 for each in found) / 1000 for name in ("p_exact", "p_mid"))
    assert exact <= 0.055
    assert 0.025 <= mid <= 0.065
    assert exact < mid


def test_only_hits_are_compared() -> None:
    with pytest.raises(ValueError, match=r"second: torch.int64 \[2\], expected bool \[N\]"):
        mcnemar(torch.tensor([True, False]), torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="first 1, second 2"):
        mcnemar(torch.tensor([True]), torch.tensor([True, False]))


def test_holm_worked_out_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_holm_rejects_what_stepping_down_rejects() -> None:
    """The procedure itself: the smallest against level/m, the next against level/(m - 1), until one fails."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        values = (torch.rand(8, generator=generator, dtype=torch.float64) ** 3).tolist()
        values[3] = values[5]  # a tie
        for level in (0.01, 0.05, 0.2):
            rejected = set()
            for rank, place in enumerate(sorted(range(8), key=lambda place: values[place])):
                if values[place] > level / (8 - rank):
                    break
                rejected.add(place)
            assert {place for place, p in enumerate(holm(values)) if p <= level} == rejected


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_p_value_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"p_values: .* at \[1\]"):
        holm([0.5, bad])
