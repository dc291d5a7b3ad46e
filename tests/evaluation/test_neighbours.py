"""The batched vote against a loop that reads like the definition."""

import math

import pytest
import torch
from torch.nn.functional import one_hot
from vemo.evaluation.neighbours import NeighboursConfig, choose_k, nearest_neighbours, vote


def brute_force(query, bank, labels, classes, k, temperature):
    similarities = [float(torch.cosine_similarity(query, row, dim=0)) for row in bank]
    nearest = sorted(range(len(bank)), key=lambda index: -similarities[index])[:k]
    tally = [0.0] * classes
    for index in nearest:
        tally[int(labels[index])] += math.exp(similarities[index] / temperature)
    return tally.index(max(tally))


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_brute_force(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(60, 8, generator=generator), torch.randn(40, 8, generator=generator)
    labels = torch.randint(4, (60,), generator=generator)
    found = vote(queries, bank, one_hot(labels, 4), NeighboursConfig(ks=(1, 5, 200), temperature=temperature))
    for k, guesses in found.items():
        expected = [brute_force(query, bank, labels, 4, min(k, 60), temperature) for query in queries]
        assert guesses.argmax(1).tolist() == expected


def test_own_group_has_no_vote() -> None:
    """Each picture's only close neighbour is its own copy, labelled by chance; the rest is separable."""
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.0, 1.0], [0.1, 0.9]])
    labels, groups = torch.tensor([0, 0, 1, 1, 1, 0]), torch.tensor([0, 0, 1, 2, 2, 3])
    guesses = vote(features, features, one_hot(labels), NeighboursConfig(ks=(1,)), groups, groups)[1]
    assert guesses.argmax(1).tolist() == [1, 1, 0, 0, 0, 1]  # always the other group's label


def test_k_is_chosen_on_the_training_set() -> None:
    """Labels flip at random on 30 % of two tight clusters: one neighbour is fooled, many are not."""
    generator = torch.Generator().manual_seed(1)
    side = torch.arange(200) % 2
    features = torch.randn(200, 4, generator=generator) * 0.3
    features[:, 0] += side * 4 - 2.0
    labels = torch.where(torch.rand(200, generator=generator) < 0.3, 1 - side, side)
    config = NeighboursConfig(ks=(1, 25))
    assert choose_k(features, one_hot(labels), torch.arange(200), config) == 25
    queries = torch.tensor([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]])
    found = nearest_neighbours(features, one_hot(labels), torch.arange(200), queries, config)
    assert (found.k, found.predictions.tolist()) == (25, [1, 0])


def test_numbers_are_averaged_over_who_knows_them() -> None:
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    values = torch.tensor([[0.5, torch.nan], [-0.1, torch.nan], [1.0, 0.8]])
    mean = vote(bank[:1], bank, values, NeighboursConfig(ks=(2,)))[2]
    torch.testing.assert_close(mean, torch.tensor([[0.2, 0.0]]))
    found = nearest_neighbours(bank, values, torch.arange(3), bank[2:], NeighboursConfig(ks=(1,)), "vad")
    torch.testing.assert_close(found.outputs, values[2:])
