"""Gaps against their definitions, p-values against all permutations there are, dataset groups as one."""

from itertools import permutations as all_orders

import numpy as np
import pytest
import torch
from vemo.evaluation.model_audit.compare import compare, enough
from vemo.evaluation.model_audit.gaps import Samples, gaps_of, questions_of
from vemo.evaluation.model_audit.groups import Partition, Size, partitions


def samples_of(right, labels, units=None, surplus=None):
    right = torch.tensor(right, dtype=torch.float64)
    units = torch.arange(len(right)) if units is None else torch.tensor(units)
    surplus = torch.zeros_like(right) if surplus is None else torch.tensor(surplus, dtype=torch.float64)
    return Samples(right, surplus, torch.tensor(labels), units, int(max(labels)) + 1)


def partition_of(names, samples, minimum=10):
    return partitions({"a": names}, samples.units, minimum, intersections=False)[0]


def find(gaps, measure, group):
    return next(each for each in gaps if (each.question.measure, each.question.group) == (measure, group))


@pytest.fixture(scope="module")
def three():
    """Three groups of unequal class mixes: values, names, gaps."""
    random = np.random.default_rng(0)
    names = np.repeat(["a", "b", "c"], [60, 80, 100])
    labels = np.concatenate(
        [random.choice(3, n, p=p) for n, p in ((60, (0.6, 0.3, 0.1)), (180, (0.2, 0.4, 0.4)))]
    )
    right = (random.random(240) < np.array([0.9, 0.6, 0.4])[labels]).astype(float)
    surplus = random.random(240) - right
    samples = samples_of(right, labels, surplus=surplus)
    return right, labels, names, surplus, gaps_of(partition_of(names.tolist(), samples), samples, 300, 300, 0)


def test_gaps_are_what_they_say(three):
    right, labels, names, surplus, gaps = three
    shares = np.bincount(labels) / len(labels)
    for place, name in enumerate("abc"):
        own = names == name
        assert find(gaps, "raw", place).value == pytest.approx(right[own].mean() - right[~own].mean())
        assert find(gaps, "sureness", place).value == pytest.approx(
            surplus[own].mean() - surplus[~own].mean()
        )
        cells = [right[own & (labels == c)].mean() - right[~own & (labels == c)].mean() for c in range(3)]
        assert find(gaps, "standardised", place).value == pytest.approx(shares @ np.array(cells))
    means = [right[names == name].mean() for name in "abc"]
    assert find(gaps, "raw", None).value == pytest.approx(max(means) - min(means))
    recall = np.array([[right[(names == n) & (labels == c)].mean() for c in range(3)] for n in "abc"])
    enough_of = np.array([[((names == n) & (labels == c)).sum() >= 10 for c in range(3)] for n in "abc"])
    spans = [np.ptp(recall[enough_of[:, c], c]) for c in range(3)]
    assert find(gaps, "by_class", None).value == pytest.approx(np.mean(spans))


def test_intervals_hold_the_value(three):
    for gap in three[-1]:
        assert gap.low <= gap.value <= gap.high and gap.low < gap.high
        assert gap.question.group is not None or gap.low >= 0


def test_p_is_that_of_all_permutations():
    random = np.random.default_rng(4)
    unit_right, unit_names = [1, 1, 1, 0, 1, 0, 0], ["a"] * 3 + ["b"] * 4
    right, names, units = (np.repeat(each, 10).tolist() for each in (unit_right, unit_names, range(7)))
    samples = samples_of(right, random.integers(0, 2, 70).tolist(), units)
    partition = partition_of(names, samples)
    assert not partition.names  # 7 dataset groups are too few for the audit, not for this test
    number = torch.tensor([0 if name == "a" else 1 for name in names])
    pair = Partition(("a",), ("a", "b"), (Size(30, 3), Size(40, 4)), {}, number)
    found = find(gaps_of(pair, samples, 0, 20_000, 1), "raw", 0)
    observed = np.mean(unit_right[:3]) - np.mean(unit_right[3:])
    values = [abs(np.mean(order[:3]) - np.mean(order[3:])) for order in all_orders(unit_right)]
    exact = np.mean([value >= abs(observed) - 1e-9 for value in values])
    assert found.value == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=0.012)


def test_copies_do_not_make_a_gap_surer():
    random = np.random.default_rng(5)
    right = (random.random(80) < np.repeat([0.75, 0.5], 40)).astype(float)
    names = np.repeat(["a", "b"], 40)
    labels = random.integers(0, 2, 80)
    once = samples_of(right, labels.tolist())
    four = samples_of(
        np.repeat(right, 4), np.repeat(labels, 4).tolist(), np.repeat(np.arange(80), 4).tolist()
    )
    single = find(gaps_of(partition_of(names.tolist(), once), once, 400, 2000, 0), "raw", 0)
    copied = find(gaps_of(partition_of(np.repeat(names, 4).tolist(), four), four, 400, 2000, 0), "raw", 0)
    assert copied.value == pytest.approx(single.value)
    assert copied.p == pytest.approx(single.p, abs=0.03)
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high))


def test_names_move_within_dataset_groups_that_hold_several():
    """Videos of two people, one always right: what tells them apart is within each video."""
    units = np.repeat(np.arange(30), 2)
    right, names = np.tile([1, 0], 30), np.tile(["a", "b"], 30)
    samples = samples_of(right.tolist(), [0] * 60, units.tolist())
    found = find(gaps_of(partition_of(names.tolist(), samples), samples, 200, 500, 0), "raw", 0)
    assert found.value == 1 and found.p == pytest.approx(1 / 501)
    # And where a video decides both, nothing is found: all its samples are alike.
    same = samples_of(np.repeat(np.arange(30) % 2, 2).tolist(), [0] * 60, units.tolist())
    assert find(gaps_of(partition_of(names.tolist(), same), same, 0, 500, 0), "raw", 0).p == 1


def test_the_same_seed_gives_the_same_answer():
    random = np.random.default_rng(6)
    samples = samples_of(random.integers(0, 2, 90).tolist(), random.integers(0, 3, 90).tolist())
    partition = partition_of(random.choice(["a", "b", "c"], 90).tolist(), samples)
    first, again, other = (gaps_of(partition, samples, 50, 200, seed) for seed in (0, 0, 1))
    assert first == again and first != other


def test_what_is_compared_and_what_is_too_small():
    samples = samples_of([0, 1] * 60, [0] * 120)
    names = ["a"] * 50 + ["b"] * 40 + ["c"] * 22 + [None] * 8
    partition = partition_of(names, samples, minimum=30)
    assert partition.names == ("a", "b") and partition.too_small["c"].samples == 22
    assert int((~partition.known).sum()) == 8 and int(partition.compared.sum()) == 90
    assert [each.group for each in questions_of(partition)] == [0, 0, 0, None]
    alone = partition_of(["a"] * 100 + ["b"] * 20, samples, minimum=30)
    assert alone.names == () and questions_of(alone) == [] and gaps_of(alone, samples, 10, 10, 0) == []
    few_units = samples_of([0, 1] * 60, [0] * 120, [0] * 60 + list(range(1, 61)))
    assert partition_of(["a"] * 60 + ["b"] * 60, few_units).names == ("b",)


def test_two_attributes_make_their_intersections():
    units = torch.arange(80)
    values = {"one": ["a", "b"] * 40, "two": ["c"] * 40 + ["d"] * 40}
    found = partitions(values, units, 10, intersections=True)
    assert [each.name for each in found] == ["one", "two", "one × two"]
    assert found[2].names == ("a · c", "a · d", "b · c", "b · d")
    assert len(partitions(values, units, 10, intersections=False)) == 2


def test_holm_runs_over_all_partitions():
    random = np.random.default_rng(7)
    samples = samples_of(random.integers(0, 2, 80).tolist(), random.integers(0, 2, 80).tolist())
    values = {"one": ["a", "b"] * 40, "two": ["c"] * 40 + ["d"] * 40}
    parted = partitions(values, samples.units, 10, intersections=False)
    found = compare(samples, parted, 0.05, 0, 400, 0)
    every = sorted((each for one in found for each in one.tested), key=lambda each: each.gap.p)
    assert len(every) == 8
    assert every[0].p_holm == pytest.approx(min(1, 8 * every[0].gap.p))
    assert all(each.p_holm >= each.gap.p and each.found == (each.p_holm <= 0.05) for each in every)
    assert 1 / (1 + enough(parted, 0.05)) * 8 < 0.05


@pytest.mark.parametrize("flip", [False, True])
def test_a_hidden_gap_is_found_and_one_of_the_mix_is_not(flip):
    """Two classes of recall 0.95 and 0.45: with flip, the group with the easy class is worse on both."""
    easy = np.concatenate([np.arange(400) < 340, np.arange(400) < 60])
    named = np.arange(800) < 400
    random = np.random.default_rng(8)
    recall = np.where(easy, 0.95, 0.45) - (0.38 * named if flip else 0)
    samples = samples_of((random.random(800) < recall).astype(float), (~easy).astype(int).tolist())
    parted = partitions({"g": np.where(named, "a", "b").tolist()}, samples.units, 30, False)
    (found,) = compare(samples, parted, 0.05, 0, 500, 0)
    assert found.verdict(0) == ("hidden" if flip else "class mix")
