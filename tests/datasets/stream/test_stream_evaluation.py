"""Evaluation: every sample exactly once."""

import pytest
from vemo.datasets.stream import EvaluationView, ShardSet, evaluation_batches


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5, 13])
def test_every_sample_exactly_once_over_all_ranks(toy, world):
    shards, view = ShardSet(toy), EvaluationView(8)
    ranks = [list(evaluation_batches(shards, "val", view, 4, rank, world)) for rank in range(world)]
    seen = [index for batches in ranks for batch in batches for index in batch["index"].tolist()]
    assert sorted(seen) == list(range(11))
    sizes = [sum(len(batch["index"]) for batch in batches) for batches in ranks]
    assert max(sizes) - min(sizes) <= 1


def test_the_last_batch_is_ragged(toy):
    batches = list(evaluation_batches(ShardSet(toy), "val", EvaluationView(8), 4))
    assert [len(batch["index"]) for batch in batches] == [4, 4, 3]
    assert [tuple(batch["image"].shape[1:]) for batch in batches] == [(3, 8, 8)] * 3


def test_workers_change_nothing(toy, random_view, same):
    shards = ShardSet(toy)
    here, there = (list(evaluation_batches(shards, "val", random_view, 4, workers=w)) for w in (0, 2))
    assert len(here) == len(there) and all(same(*pair) for pair in zip(here, there))
