"""What the audit is worth: few false findings, planted faults found, class mixes seen through."""

from vemo.evaluation.model_audit.self_test import (
    audited,
    biased,
    confounded,
    finds,
    finds_gap,
    most_by_chance,
    random_groups,
    self_test,
    served_worse,
)


def test_random_groups_show_no_more_than_the_level():
    """200 audits of 24 tests each, whose samples come in dataset groups of copies."""
    found = sum(finds(audited(random_groups(seed), 0.05, seed, True)) for seed in range(200))
    assert found <= most_by_chance(200, 0.05) == 19


def test_a_planted_bias_is_found():
    """15 % of the right answers of 400 samples made wrong, beside 1,200 others."""
    found = [served_worse(audited(biased(seed), 0.05, seed, False)[0]) for seed in range(60)]
    assert sum(found) >= 0.95 * len(found)


def test_a_class_mix_is_seen_through():
    found = [audited(confounded(seed), 0.05, seed, False)[0] for seed in range(60)]
    assert sum(finds_gap(each, "raw") for each in found) >= 0.95 * len(found)
    assert sum(finds_gap(each, "standardised") for each in found) <= most_by_chance(60, 0.05)
    assert sum(each.verdict(0) == "class mix" for each in found) >= 0.9 * len(found)


def test_the_command_s_own_table():
    found = self_test(audits=2)
    assert len(found.rates) == 4 and "planted bias" in found.table
    assert found.ok == all(rate.ok for rate in found.rates)


def test_chance_s_upper_end_is_binomial():
    assert most_by_chance(1, 0.05) == 1 and most_by_chance(1000, 0.05) == 69
