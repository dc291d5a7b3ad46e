"""The model of raters: a case by hand, its authors' own data, and raters whose skill is known."""

import numpy as np
import pytest
from vemo.datasets.raters import dawid_skene
from vemo.foundation.errors import UserError

# Dawid and Skene 1979, table 1: 45 patients; observer 1 answered three times, observers 2 to 5 once.
ANAESTHETISTS = """
111 1 1 1 1,333 4 3 3 4,112 2 1 2 2,222 3 1 2 1,222 3 2 2 2,222 3 3 2 2,122 2 1 1 1,333 3 4 3 3,222 2 2 2 3,
232 2 2 2 3,444 4 4 4 4,222 3 3 4 3,111 1 1 1 1,222 3 2 1 2,121 1 1 1 1,111 2 1 1 1,111 1 1 1 1,111 1 1 1 1,
222 2 2 2 1,222 1 3 2 2,222 2 2 2 2,222 2 2 2 1,222 3 2 2 2,221 2 2 2 2,111 1 1 1 1,111 1 1 1 1,232 2 2 2 2,
111 1 1 1 1,111 1 1 1 1,112 1 1 2 1,111 1 1 1 1,333 3 2 3 3,111 1 1 1 1,222 2 2 2 2,222 3 2 3 2,433 4 3 4 3,
221 2 2 3 2,232 3 2 3 3,333 3 4 3 2,111 1 1 1 1,111 1 1 1 1,121 2 1 1 1,232 2 2 2 2,121 1 1 1 1,222 2 2 2 2
"""


def test_one_step_by_hand():
    """Two samples: all three raters say 0 of the first; 1, 1, 0 of the second. Without smoothing the shares
    are (1, 0) and (1/3, 2/3), the prevalence (2/3, 1/3), and of class 0 raters 1 and 2 answer right with
    probability 3/4, rater 3 always; of class 1 they say 1, 1 and 0."""
    items, who, answers = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2] * 2), np.array([0, 0, 0, 1, 1, 0])
    found = dawid_skene(items, who, answers, (2, 3, 2), smoothing=0, iterations=1)
    second = np.array([2 / 3 * 1 / 4 * 1 / 4, 1 / 3])
    assert found.posterior == pytest.approx(np.stack([[1, 0], second / second.sum()]))
    assert (found.iterations, found.converged) == (1, False)


def test_their_own_example():
    rows = [
        (patient, observer, int(answer) - 1)
        for patient, line in enumerate(ANAESTHETISTS.replace("\n", "").strip(",").split(","))
        for observer, given in enumerate(line.split())
        for answer in given
    ]
    items, who, answers = np.array(rows).T
    found = dawid_skene(items, who, answers, (45, 5, 4), smoothing=0)
    assert found.converged
    assert found.prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=6e-3)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert found.confusion[0] == pytest.approx(np.array(first), abs=6e-3)


def divergence(true, found):
    """Mean KL(true ‖ found) in nats."""
    logs = np.log(np.where(true > 0, true, 1)) - np.log(np.maximum(found, 1e-12))
    return float((true * logs).sum(1).mean())


@pytest.mark.parametrize("alike", [50, 0.5])  # mistakes spread evenly; favourite mistakes
@pytest.mark.parametrize("seed", range(5))
def test_soft_labels_beat_votes_by_raters_of_known_skill(crowd, seed, alike):
    """Five raters, right 90, 80, 70, 50 and 30 times of a hundred, three answers a sample. Votes are smoothed
    as suits them best: raw shares give a class that nobody named probability 0, and diverge."""
    given = crowd(seed, alike=alike)
    found = dawid_skene(given.items, given.who, given.answers, given.shape)
    assert found.converged
    truth = np.eye(given.shape[2])[given.truth]
    votes = [(given.votes + some / given.shape[2]) / (3 + some) for some in (1e-6, 0.05, 0.1, 0.2, 0.5, 1, 2)]
    for target in (truth, given.exact):
        assert divergence(target, found.posterior) < 0.85 * min(divergence(target, each) for each in votes)
    right = [float((each.argmax(1) == given.truth).mean()) for each in (found.posterior, given.votes)]
    assert right[0] > right[1]
    assert np.argsort(-found.accuracy).tolist() == [0, 1, 2, 3, 4]


def test_known_classes_stand_and_tell_raters_apart(crowd):
    """Half of 60 samples are gold; over ten crowds, skill and the other half come out better than without."""
    errors, divergences = [], []
    for seed in range(10):
        given = crowd(seed, samples=60, classes=3)
        gold = np.where(np.arange(60) < 30, given.truth, -1)
        found = dawid_skene(given.items, given.who, given.answers, given.shape, gold)
        plain = dawid_skene(given.items, given.who, given.answers, given.shape)
        truth = np.eye(3)[given.truth]
        assert (found.posterior[:30] == truth[:30]).all()
        skills = np.einsum("k,rkk->r", given.prevalence, given.confusion)
        errors.append([np.abs(each.accuracy - skills).mean() for each in (found, plain)])
        divergences.append([divergence(truth[30:], each.posterior[30:]) for each in (found, plain)])
    for with_gold, without in (np.mean(errors, 0), np.mean(divergences, 0)):
        assert with_gold < 0.97 * without


def test_two_raters_of_equal_standing_stay_tied():
    items, who, answers = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1] * 3), np.array([0, 0, 1, 1, 0, 1])
    assert dawid_skene(items, who, answers, (3, 2, 2)).posterior[2] == pytest.approx([0.5, 0.5])


def test_the_order_of_answers_does_not_matter(crowd):
    given = crowd(3, samples=50)
    order = np.random.default_rng(0).permutation(len(given.items))
    one = dawid_skene(given.items, given.who, given.answers, given.shape)
    other = dawid_skene(given.items[order], given.who[order], given.answers[order], given.shape)
    assert one.posterior == pytest.approx(other.posterior, abs=1e-9)


def test_a_sample_without_an_answer_is_refused():
    with pytest.raises(UserError, match="without an answer"):
        dawid_skene(np.array([0]), np.array([0]), np.array([1]), (2, 1, 2))
