"""The measures of label distributions against scipy, row by row, zeros included."""

import math

import pytest
import torch
from scipy.spatial import distance
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy
from vemo.evaluation.metrics import distribution_measures, entropy

REFERENCES = {
    "chebyshev": distance.chebyshev,
    "clark": lambda d, p: math.sqrt(
        sum(((one - two) / (one + two)) ** 2 for one, two in zip(d, p) if one + two)
    ),
    "canberra": distance.canberra,
    "jensen_shannon": lambda d, p: distance.jensenshannon(d, p) ** 2,
    "kl": lambda d, p: rel_entr(d, p).sum(),
    "cosine": lambda d, p: 1 - distance.cosine(d, p),
    "intersection": lambda d, p: sum(map(min, d, p)),
}


def random_shares(samples: int, classes: int, seed: int) -> torch.Tensor:
    """Distributions [N, C], a third of whose entries are zero."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(samples, classes, generator=generator, dtype=torch.float64)
    shares *= torch.rand(samples, classes, generator=generator) > 0.3
    shares[:, 0] += 0.1
    return shares / shares.sum(1, keepdim=True)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize(("samples", "classes"), [(1, 1), (1, 8), (50, 2), (50, 20)])
def test_agrees_with_scipy(name: str, samples: int, classes: int) -> None:
    reference, predicted = random_shares(samples, classes, 1), random_shares(samples, classes, 2)
    found = getattr(distribution_measures(reference, predicted), name)
    assert found.shape == (samples,)
    expected = [REFERENCES[name](d, p) for d, p in zip(reference.numpy(), predicted.numpy())]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_equal_and_disjoint_distributions_reach_the_ends_of_the_ranges() -> None:
    one, other = torch.tensor([[0.5, 0.5, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    same = distribution_measures(one, one).means()
    assert same == pytest.approx({**dict.fromkeys(REFERENCES, 0), "cosine": 1, "intersection": 1})
    apart = distribution_measures(one, other).means()
    assert apart == pytest.approx(
        {
            "chebyshev": 0.5,
            "clark": 2,
            "canberra": 4,
            "jensen_shannon": math.log(2),
            "kl": math.inf,
            "cosine": 0,
            "intersection": 0,
        }
    )


def test_means_are_those_of_the_samples() -> None:
    measures = distribution_measures(random_shares(20, 8, 3), random_shares(20, 8, 4))
    assert measures.means()["clark"] == pytest.approx(sum(measures.clark.tolist()) / 20)
    assert list(measures.means()) == list(REFERENCES)


def test_rows_are_scaled_to_one_and_rounding_leaves_no_range() -> None:
    shares = torch.rand(500, 26, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert shares.dtype == torch.float32
    found = distribution_measures(shares, shares)
    assert (found.intersection <= 1).all()
    assert (found.cosine <= 1).all()
    assert float(distribution_measures(shares, 1.0009 * shares.double()).chebyshev.max()) < 1e-12
    # Without the clamp about half of these divergences of 1e-18 would be rounded below 0.
    one, noise = torch.rand(2, 500, 26, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = one.softmax(1)
    assert (distribution_measures(shares, shares * (1 + 1e-9 * noise)).kl >= 0).all()


def test_entropy() -> None:
    shares = random_shares(30, 8, 6)
    assert entropy(shares).tolist() == pytest.approx(scipy_entropy(shares.numpy(), axis=1).tolist(), abs=1e-9)
    assert entropy(torch.eye(3)).tolist() == [0, 0, 0]


def test_what_is_no_distribution_is_refused() -> None:
    good = torch.full((2, 4), 0.25)
    with pytest.raises(ValueError, match=r"predicted, sum of row: 2.0 at \[1\]; shares must sum to 1"):
        distribution_measures(good, good * torch.tensor([[1.0], [2.0]]))
    with pytest.raises(ValueError, match=r"reference: -0.5 at \[0, 1\]; no share may be negative"):
        distribution_measures(torch.tensor([[1.5, -0.5]]), torch.tensor([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="predicted"):
        distribution_measures(good, torch.full((2, 2), 0.5))
