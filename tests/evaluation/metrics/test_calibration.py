"""Reliability against scikit-learn's curve and against loops written out; ties and single samples."""

import math

import pytest
import torch
from sklearn.calibration import calibration_curve
from vemo.evaluation.metrics import classwise_calibration_error, confidences, reliability


def random_case(samples: int, decimals: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels [N] and log-probabilities [N, 4]; few decimals make equal confidences."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (samples,), generator=generator)
    shares = (2 * torch.randn(samples, 4, generator=generator, dtype=torch.float64)).softmax(1)
    shares = shares.round(decimals=decimals) + 1e-12
    return labels, (shares / shares.sum(1, keepdim=True)).log()


def looped_ece(confidence: list[float], right: list[float], bins: int, equal: str) -> float:
    """The definition, sample by sample: (a, b] on (0, 1], or ranks cut evenly with equals kept together."""
    members: dict[int, list[int]] = {}
    ranked = sorted(confidence)
    for place, value in enumerate(confidence):
        if equal == "width":
            number = next(each for each in range(bins) if value <= (each + 1) / bins or each == bins - 1)
        else:
            number = ranked.index(value) * bins // len(ranked)
        members.setdefault(number, []).append(place)
    return math.fsum(
        abs(math.fsum(right[place] - confidence[place] for place in places)) / len(confidence)
        for places in members.values()
    )


@pytest.mark.parametrize("equal", ["width", "mass"])
@pytest.mark.parametrize(("samples", "decimals"), [(1, 9), (3, 9), (14, 1), (400, 9), (400, 1)])
def test_ece_is_the_loop(equal: str, samples: int, decimals: int) -> None:
    labels, logits = random_case(samples, decimals)
    confidence, predicted = confidences(logits)
    expected = looped_ece(confidence.tolist(), (predicted == labels).double().tolist(), 15, equal)
    assert reliability(labels, logits, equal=equal).ece == pytest.approx(expected, abs=1e-9)
    shares = logits.softmax(1)
    by_class = [
        looped_ece(shares[:, each].tolist(), (labels == each).double().tolist(), 15, equal)
        for each in range(4)
    ]
    found = classwise_calibration_error(labels, logits, equal=equal)
    assert found == pytest.approx(sum(by_class) / 4, abs=1e-9)


@pytest.mark.parametrize("samples", [1, 60, 1000])
def test_the_diagram_is_that_of_scikit_learn(samples: int) -> None:
    labels, logits = random_case(samples)
    confidence, predicted = confidences(logits)
    right = (predicted == labels).long()
    true, said = calibration_curve(right.numpy(), confidence.numpy(), n_bins=15, pos_label=1)
    found = reliability(labels, logits)
    assert [each.accuracy for each in found.bins] == pytest.approx(true.tolist(), abs=1e-9)
    assert [each.confidence for each in found.bins] == pytest.approx(said.tolist(), abs=1e-9)
    assert sum(each.count for each in found.bins) == samples
    assert found.largest_gap == pytest.approx(max(abs(true - said)), abs=1e-9)
    assert found.ece <= found.largest_gap + 1e-12
    for lower, upper in zip(found.bins, found.bins[1:]):
        assert lower.lowest <= lower.highest < upper.lowest


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    """0.5 of two bins lies in (0, 0.5], and certainty in the last bin."""
    logits = torch.tensor([[0.5, 0.5], [0.4, 0.6], [1.0, 0.0]], dtype=torch.float64).log()
    found = reliability(torch.tensor([0, 1, 0]), logits, bins=2)
    assert [(each.count, each.lowest, each.highest) for each in found.bins] == [(1, 0.5, 0.5), (2, 0.6, 1.0)]


def test_equal_mass_bins_hold_equally_many_and_do_not_part_equals() -> None:
    labels, logits = random_case(150)
    assert [each.count for each in reliability(labels, logits, equal="mass").bins] == [10] * 15
    constant = reliability(labels, torch.zeros(150, 4), equal="mass")
    assert [each.count for each in constant.bins] == [150]
    assert constant.ece == pytest.approx(abs(float((labels == 0).double().mean()) - 0.25))
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    tied, shuffled = random_case(150, 1)[1], random_case(150, 1)[1][order]
    one = reliability(labels, tied, equal="mass").ece
    assert reliability(labels[order], shuffled, equal="mass").ece == pytest.approx(one, abs=1e-12)


def test_a_calibrated_model_has_almost_none_and_a_boaster_has_some() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(20000, 4, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert reliability(labels, logits).ece < 0.02
    assert classwise_calibration_error(labels, logits) < 0.02
    assert reliability(labels, 4 * logits).ece > 0.2


def test_votes_are_right_by_their_share() -> None:
    votes = torch.tensor([[0.7, 0.3], [0.2, 0.8]], dtype=torch.float64)
    assert reliability(votes, votes.log()).ece == pytest.approx(0, abs=1e-12)
    found = reliability(votes, torch.tensor([[0.9, 0.1], [0.9, 0.1]], dtype=torch.float64).log())
    assert found.ece == pytest.approx(0.9 - (0.7 + 0.2) / 2)
