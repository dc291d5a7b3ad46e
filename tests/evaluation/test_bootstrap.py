"""Intervals cover the truth as often as they say, groups widen them, and pairing narrows differences."""

import pytest
import torch
from vemo.evaluation.bootstrap import difference_of, interval_of, intervals, paired_differences
from vemo.evaluation.metrics import ccc


def simulated(count: int, accuracy: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels of three classes, and predictions that are right with the given probability."""
    labels = torch.randint(3, (count,), generator=generator)
    wrong = (labels + torch.randint(1, 3, (count,), generator=generator)) % 3
    right = torch.rand(count, generator=generator) < accuracy
    return labels, torch.where(right, labels, wrong)


def test_ninety_five_percent_intervals_cover_the_truth() -> None:
    """All three scores equal 0.7 by symmetry. Of 150 draws about 142 intervals should hold it."""
    generator = torch.Generator().manual_seed(1)
    covered = dict.fromkeys(("accuracy", "macro_f1", "uar"), 0)
    for trial in range(150):
        labels, predictions = simulated(300, 0.7, generator)
        for name, interval in intervals(labels, predictions, 3, resamples=400, seed=trial).items():
            covered[name] += interval.low <= 0.7 <= interval.high
    assert all(132 <= count <= 150 for count in covered.values()), covered
    assert min(covered.values()) < 150, "intervals that always cover are too wide"


def test_width_is_that_of_the_binomial() -> None:
    labels, predictions = simulated(1000, 0.7, torch.Generator().manual_seed(2))
    found = intervals(labels, predictions, 3)["accuracy"]
    assert found.low < found.value < found.high
    spread = (found.value * (1 - found.value) / 1000) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_copies_in_one_group_are_one_observation() -> None:
    labels, predictions = simulated(200, 0.7, torch.Generator().manual_seed(3))
    alone = intervals(labels, predictions, 3)["accuracy"]
    repeated = [tensor.repeat(4) for tensor in (labels, predictions)]
    naive = intervals(*repeated, 3)["accuracy"]
    grouped = intervals(*repeated, 3, groups=torch.arange(200).repeat(4))["accuracy"]
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert naive.high - naive.low < 0.6 * (grouped.high - grouped.low)


def test_paired_difference_sees_what_two_intervals_do_not() -> None:
    """Two classifiers that agree but on 2.5 % of the images: overlapping intervals, a certain difference."""
    labels, baseline = simulated(1000, 0.7, torch.Generator().manual_seed(4))
    wrong = torch.nonzero(baseline != labels).flatten()[:25]
    better = baseline.index_copy(0, wrong, labels[wrong])
    first, second = (intervals(labels, each, 3)["accuracy"] for each in (better, baseline))
    assert first.low < second.high
    found = paired_differences(labels, better, baseline, 3)["accuracy"]
    assert found.value == pytest.approx(0.025)
    assert found.beyond
    assert found.p < 0.01
    assert not paired_differences(labels, baseline, better, 3)["accuracy"].beyond


def test_no_difference_is_not_claimed() -> None:
    labels, baseline = simulated(500, 0.6, torch.Generator().manual_seed(5))
    same = paired_differences(labels, baseline, baseline, 3)["macro_f1"]
    assert (same.value, same.low, same.high, same.beyond, same.p) == (0, 0, 0, False, 1)
    false_alarms = 0
    for trial in range(60):
        generator = torch.Generator().manual_seed(100 + trial)
        labels, first = simulated(200, 0.6, generator)
        independent = torch.where(torch.rand(200, generator=generator) < 0.6, labels, (labels + 1) % 3)
        found = paired_differences(labels, first, independent, 3, resamples=300, seed=trial)
        false_alarms += found["accuracy"].beyond
    assert false_alarms <= 6  # one-sided: 2.5 % of 60 is 1.5


def test_deterministic_by_seed() -> None:
    labels, predictions = simulated(100, 0.5, torch.Generator().manual_seed(6))
    assert intervals(labels, predictions, 3, seed=1) == intervals(labels, predictions, 3, seed=1)
    assert intervals(labels, predictions, 3, seed=1) != intervals(labels, predictions, 3, seed=2)


def test_any_score_is_resampled_as_accuracy_is() -> None:
    """The mean of hits is the accuracy: same resamples, same interval, same p."""
    labels, predictions = simulated(120, 0.6, torch.Generator().manual_seed(7))
    baseline = predictions.roll(1)
    groups = torch.arange(120) // 3 * 10
    hits, others = ((each == labels).double() for each in (predictions, baseline))
    options = {"groups": groups, "resamples": 500, "seed": 3}
    found = interval_of(lambda rows: float(hits[rows].mean()), 120, **options)
    expected = intervals(labels, predictions, 3, **options)["accuracy"]
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-6
    )
    gap = difference_of(
        lambda rows: float(hits[rows].mean()), lambda rows: float(others[rows].mean()), 120, **options
    )
    pair = paired_differences(labels, predictions, baseline, 3, **options)["accuracy"]
    assert (gap.value, gap.low, gap.high, gap.p) == pytest.approx((pair.value, pair.low, pair.high, pair.p))


def test_scores_that_are_no_means_have_intervals_too() -> None:
    generator = torch.Generator().manual_seed(8)
    targets = torch.randn(200, generator=generator)
    near, far = (targets + spread * torch.randn(200, generator=generator) for spread in (0.5, 1.5))
    first, second = (lambda rows, said=each: ccc(targets[rows], said[rows]) for each in (near, far))
    found = interval_of(first, 200, resamples=300)
    assert found.value == ccc(targets, near)
    assert found.low < found.value < found.high
    assert difference_of(first, second, 200, resamples=300).beyond
    assert not difference_of(first, first, 200, resamples=300).beyond
    with pytest.raises(ValueError, match="groups: 3 for 200 samples"):
        interval_of(first, 200, groups=torch.arange(3))


def test_p_goes_on_where_counting_ends() -> None:
    """Many comparisons are corrected for by factors that a count of resamples could not survive."""
    labels = torch.zeros(400, dtype=torch.int64)
    right, wrong = labels.clone(), labels.clone()
    wrong[:100] = 1
    found = paired_differences(labels, right, wrong, 2, resamples=1000)["accuracy"]
    assert found.p * 260 < 0.05
    wrong = labels.clone()
    wrong[:3] = 1  # hardly anything: the count itself stands
    some = paired_differences(labels, right, wrong, 2, resamples=1000)["accuracy"]
    assert 0.01 < some.p < 0.2
