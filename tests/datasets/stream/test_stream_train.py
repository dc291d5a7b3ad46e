"""The training stream: what is seen when, whatever ranks, workers and interruptions."""

from itertools import islice

import numpy as np
import pytest
import torch
from vemo.datasets.stream import ShardSet, StreamConfig, TrainStream, open_batches
from vemo.datasets.stream.collate import collate, split_batch
from vemo.datasets.stream.order import epoch_order, generator, sample_seeds
from vemo.foundation import UserError

BATCH = 6  # 23 samples: three batches an epoch, five samples left out


def take(stream, count, start=0):
    batches = stream.batches(start)
    taken = list(islice(batches, count))
    batches.close()
    return taken


def joined(batches):
    return collate([sample for batch in batches for sample in split_batch(batch)])


def test_the_order_is_pinned():
    """Golden values: a change here breaks the exact resumption of every run ever started."""
    assert epoch_order(8, seed=3, epoch=1).tolist() == [4, 2, 0, 7, 1, 3, 6, 5]
    assert sample_seeds(3, 1, np.array([0, 7])).tolist() == [5214242197068442485, 6104010683263751420]


def test_a_views_generator_is_pinned_and_uniform():
    assert generator(5).integers(0, 1000, 4).tolist() == [692, 7, 986, 564]
    assert generator(5).random() == generator(5).random() != generator(6).random()
    first = np.array([generator(seed).random(2) for seed in range(4000)])
    assert abs(first.mean(0) - 0.5).max() < 0.02 and abs(np.corrcoef(first.T)[0, 1]) < 0.05
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < 0.05  # neighbouring seeds are unrelated


def test_order_and_seeds_are_well_mixed():
    seeds = np.concatenate(
        [sample_seeds(seed, epoch, np.arange(500)) for seed in (0, 1) for epoch in (0, 1, 2)]
    )
    assert len(set(seeds.tolist())) == 3000 and seeds.min() >= 0
    assert abs((seeds >> 62).mean() - 0.5) < 0.05 and abs((seeds & 1).mean() - 0.5) < 0.05
    assert len({tuple(epoch_order(50, seed, epoch)) for seed in (0, 1) for epoch in range(5)}) == 10


def test_epochs_differ_and_cover_everything(toy, random_view):
    stream = TrainStream(ShardSet(toy), "train", random_view, global_batch=23, seed=0)
    epochs = [batch["index"].tolist() for batch in take(stream, 3)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_incomplete_batches_are_left_out(toy, random_view):
    stream = TrainStream(ShardSet(toy), "train", random_view, BATCH, seed=0)
    assert stream.samples_per_epoch == 18
    first = joined(take(stream, 3))["index"].tolist()
    assert len(set(first)) == 18
    assert first == epoch_order(23, 0, 0)[:18].tolist()


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_resuming_equals_never_stopping(toy, random_view, same, workers, world):
    """Seven steps without a stop by one rank, against two steps and five more after a restart."""
    shards = ShardSet(toy)
    whole = take(TrainStream(shards, "train", random_view, BATCH, seed=5), 7)
    ranks = [
        TrainStream(shards, "train", random_view, BATCH, seed=5, rank=rank, world=world, workers=workers)
        for rank in range(world)
    ]
    parts = [take(stream, 2) + take(stream, 5, start=2 * BATCH) for stream in ranks]
    for step, batch in enumerate(whole):
        assert same(batch, joined([part[step] for part in parts]))


def test_two_ranks_equal_two_accumulated_micro_batches(toy, random_view, same):
    shards = ShardSet(toy)
    accumulated = take(TrainStream(shards, "train", random_view, BATCH, 1, accumulation=2), 8)
    ranks = [take(TrainStream(shards, "train", random_view, BATCH, 1, rank, world=2), 4) for rank in (0, 1)]
    assert all(len(batch["index"]) == 3 for batch in accumulated)
    for step in range(4):
        for rank in (0, 1):
            assert same(accumulated[2 * step + rank], ranks[rank][step])


def test_workers_do_not_touch_global_random_numbers(toy, random_view):
    torch.manual_seed(0)
    take(TrainStream(ShardSet(toy), "train", random_view, BATCH, 0, workers=1), 2)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))


def test_seeds_are_in_the_batch_and_follow_the_epoch(toy, random_view):
    batches = take(TrainStream(ShardSet(toy), "train", random_view, 23, seed=9), 2)
    for epoch, batch in enumerate(batches):
        assert batch["seed"].dtype == torch.int64
        assert batch["seed"].tolist() == sample_seeds(9, epoch, batch["index"].numpy()).tolist()


def test_batches_stay_uint8_images_in_channels_last(toy, random_view):
    (batch,) = take(TrainStream(ShardSet(toy), "train", random_view, BATCH, 0), 1)
    assert batch["image"].shape == (BATCH, 3, 8, 8) and batch["image"].dtype == torch.uint8
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["draw"].dtype == torch.float32 and len(batch["id"]) == BATCH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"global_batch": 24}, "23 samples, fewer than one batch of 24"),
        ({"global_batch": 6, "world": 4}, "6 cannot be divided among 4 ranks × 1"),
        ({"global_batch": 6, "world": 3, "accumulation": 3}, "3 ranks × 3"),
        ({"global_batch": 6, "split": "trian"}, "no split 'trian'; it has train, val"),
    ],
)
def test_impossible_requests_are_refused(toy, random_view, options, message):
    with pytest.raises(UserError, match=message):
        TrainStream(ShardSet(toy), view=random_view, seed=0, **{"split": "train"} | options)


def test_a_start_inside_a_batch_is_refused(toy, random_view):
    with pytest.raises(UserError, match="not a multiple of the batch size 6"):
        TrainStream(ShardSet(toy), "train", random_view, BATCH, 0).batches(7)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named(tmp_path, write_shards, image_bytes, random_view, workers):
    def image(split, number):
        return "jpg", image_bytes(number)[: 200 if number == 4 else None]

    folder = write_shards(tmp_path / "bad", {"train": 8}, image=image)
    stream = TrainStream(ShardSet(folder), "train", random_view, 8, 0, workers=workers)
    with pytest.raises(
        UserError, match=r"sample toy/train-4 \(number 4 of train, in train-00000.tar\)"
    ) as caught:
        take(stream, 1)
    assert "\n" not in str(caught.value)


class BrokenView:
    def __call__(self, image_loader, record, seed):
        if record["n"] == 3:
            raise ZeroDivisionError("a bug")
        return {"n": record["n"]}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_in_a_view_keeps_its_traceback_and_names_the_sample(toy, workers):
    stream = TrainStream(ShardSet(toy), "train", BrokenView(), 23, 0, workers=workers)
    with pytest.raises(ZeroDivisionError) as caught:
        take(stream, 1)
    notes = "\n".join(getattr(caught.value, "__notes__", []))
    assert "sample toy/train-3" in notes + str(caught.value)


class DyingView:
    def __call__(self, image_loader, record, seed):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_clear_line(toy):
    stream = TrainStream(ShardSet(toy), "train", DyingView(), BATCH, 0, workers=1)
    with pytest.raises(UserError, match="a loader worker died before batch 0") as caught:
        take(stream, 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([{"a": 1}, {"b": 1}], "different keys"),
        ([{"a": torch.zeros(2)}, {"a": torch.zeros(3)}], "'a' in different shapes"),
        ([{"a": None}, {"a": 1}], "'a' as NoneType, int"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(samples, message):
    with pytest.raises(UserError, match=message):
        collate(samples)


def test_collating_numbers_and_booleans():
    batch = collate([{"a": 1, "b": 1, "c": True, "d": "x"}, {"a": 2, "b": 0.5, "c": False, "d": "y"}])
    assert (batch["a"].dtype, batch["b"].dtype, batch["c"].dtype) == (torch.int64, torch.float32, torch.bool)
    assert batch["b"].tolist() == [1.0, 0.5] and batch["d"] == ["x", "y"]


def test_a_config_opens_a_local_stream(toy, random_view, same):
    config = StreamConfig(shards=str(toy), split="val")
    stream = open_batches(config, random_view, global_batch=4, seed=2)
    assert stream.samples_per_epoch == 8
    assert same(*[take(s, 1)[0] for s in (stream, TrainStream(ShardSet(toy), "val", random_view, 4, 2))])
    assert StreamConfig(shards="https://host/set").shards == "https://host/set"
