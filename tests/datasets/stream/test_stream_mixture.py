"""Mixtures: shares, passes, exact resumption, what a sample says of its origin, and configs."""

import json
from collections import Counter
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
import torch
from vemo.datasets.sidecars import Description, Maker, write_sidecar
from vemo.datasets.stream import (
    DataConfig,
    MixtureConfig,
    MixtureStream,
    ShardSet,
    open_batches,
    open_mixture,
)
from vemo.datasets.stream.collate import collate, split_batch
from vemo.datasets.stream.order import apportion, interleave, set_seed
from vemo.foundation import Config, UserError
from vemo.foundation.config import dump_config, load_config

BATCH = 8
SIZES = {"large": 23, "small": 7}  # and tiny: 3


@pytest.fixture
def folders(tmp_path, write_shards):
    return {name: write_shards(tmp_path / name, {"train": size}) for name, size in SIZES.items()}


@pytest.fixture
def mixture(folders):
    """23 and 7 samples in shares of 0.25 and 0.75; an epoch of 40 samples goes through small over 4 times."""
    return mixed(folders, weights={"large": 1, "small": 3}, samples_per_epoch=43)


def mixed(folders, weights=None, **settings):
    sets = {name: {"shards": folder} for name, folder in folders.items()}
    for name, weight in (weights or {}).items():
        sets[name]["weight"] = weight
    return open_mixture(MixtureConfig(mixture=sets, **settings))


def drawn(mixture, epochs, seed=0):
    """(number of the set, number in its split, seed) of every sample of the first epochs."""
    stream = MixtureStream(mixture, NumberView(), BATCH, seed)
    steps = epochs * stream.samples_per_epoch // BATCH
    work = list(islice(stream.work(0), steps))
    indices = np.concatenate([each.indices for each in work]).tolist()
    seeds = np.concatenate([each.seeds for each in work]).tolist()
    return [(*mixture.locate(index), own) for index, own in zip(indices, seeds)]


def take(stream, count, start=0):
    batches = stream.batches(start)
    taken = list(islice(batches, count))
    batches.close()
    return taken


def joined(batches):
    return collate([sample for batch in batches for sample in split_batch(batch)])


class NumberView:
    def __call__(self, image_loader, record, seed):
        return {"n": record["n"], "id": record["id"]}


def test_the_order_is_pinned():
    """Golden values: a change here breaks the exact resumption of every run ever started."""
    assert interleave([5, 3, 1]).tolist() == [0, 1, 0, 2, 0, 1, 0, 1, 0]
    assert apportion([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], 10) == [5, 3, 2]
    assert [set_seed(7, number) for number in (0, 1)] == [8375938640524739345, 14240295114139460292]


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_exact_and_every_window_has_its_part(seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(2 + 2 * seed))
    counts = apportion([Fraction(share) / sum(map(Fraction, shares)) for share in shares], 2000)
    assert sum(counts) == 2000 and abs(np.array(counts) - 2000 * shares).max() < 1
    turns = interleave(counts)
    assert [int((turns == number).sum()) for number in range(len(shares))] == counts
    for number, count in enumerate(counts):
        so_far = np.concatenate([[0], np.cumsum(turns == number)])
        for length in (8, 64, 500):
            inside = so_far[length:] - so_far[:-length]
            assert abs(inside - length * count / 2000).max() < 2.2


def test_what_is_drawn_is_pinned(mixture):
    samples = drawn(mixture, 1, seed=7)
    shown = " ".join(f"{number}:{index}" for number, index, _ in samples[:12])
    assert shown == "1:3 0:21 1:4 1:2 1:6 0:15 1:1 1:5 1:0 0:17 1:2 1:1"
    assert [sample[2] for sample in samples[:2]] == [1849859859135211706, 4475685059115611416]


def test_an_epoch_has_the_shares_to_the_sample(mixture):
    for epoch in range(3):
        sets = Counter(number for number, _, _ in drawn(mixture, 3)[40 * epoch : 40 * (epoch + 1)])
        assert sets == {0: 10, 1: 30}


def test_without_weights_shares_go_by_size(folders):
    mixture = mixed(folders)
    assert mixture.samples_per_epoch == 30
    stream = MixtureStream(mixture, NumberView(), BATCH, seed=0)
    assert stream.samples_per_epoch == 24
    assert Counter(number for number, _, _ in drawn(mixture, 1)) == {0: 18, 1: 6}


def test_no_sample_comes_again_before_all_of_its_set_have_come(mixture):
    samples = drawn(mixture, 5)
    for number, size in enumerate(SIZES.values()):
        mine = [index for each, index, _ in samples if each == number]
        passes = [mine[low : low + size] for low in range(0, len(mine) - size + 1, size)]
        assert len(passes) >= 2 and all(sorted(each) == list(range(size)) for each in passes)
        assert len({tuple(each) for each in passes}) > 1


def test_seeds_differ_between_sets_and_passes(mixture):
    samples = drawn(mixture, 5)
    assert len({seed for _, _, seed in samples}) == len(samples) == 200
    assert [seed for _, _, seed in drawn(mixture, 1, seed=1)] != [seed for _, _, seed in samples[:40]]


def test_sets_of_one_size_have_unrelated_orders(folders):
    twice = mixed({"one": folders["large"], "other": folders["large"]})
    samples = drawn(twice, 1)
    one, other = ([index for number, index, _ in samples if number == each] for each in (0, 1))
    assert one != other


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_resuming_at_any_batch_equals_never_stopping(mixture, random_view, same, workers, world):
    whole = take(MixtureStream(mixture, random_view, BATCH, seed=5), 7)  # into the second epoch
    ranks = [
        MixtureStream(mixture, random_view, BATCH, 5, rank=rank, world=world, workers=workers)
        for rank in range(world)
    ]
    for stopped in range(7) if workers == 0 else (2, 5):
        parts = [take(stream, 7 - stopped, start=stopped * BATCH) for stream in ranks]
        for step, batch in enumerate(whole[stopped:]):
            assert same(batch, joined([part[step] for part in parts]))


def test_every_start_gives_the_same_work(mixture):
    stream = MixtureStream(mixture, NumberView(), BATCH, seed=5, rank=1, world=2, accumulation=2)
    whole = list(islice(stream.work(0), 40))
    for step in range(20):
        for old, new in zip(whole[2 * step :], islice(stream.work(step * BATCH), 40 - 2 * step)):
            assert old.position == new.position
            assert old.indices.tolist() == new.indices.tolist() and old.seeds.tolist() == new.seeds.tolist()


def test_a_sample_says_where_it_comes_from(mixture):
    (batch,) = take(MixtureStream(mixture, NumberView(), 40, seed=0), 1)
    assert batch["set"].dtype == batch["index"].dtype == torch.int64
    for number, index, own in zip(batch["set"].tolist(), batch["index"].tolist(), batch["n"].tolist()):
        assert mixture.locate(index) == (number, own) and index == own + (0, 23)[number]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named_with_its_set(
    tmp_path, folders, write_shards, image_bytes, random_view, workers
):
    bad = write_shards(
        tmp_path / "bad",
        {"train": 5},
        image=lambda split, n: ("jpg", image_bytes(n)[: 200 if n == 4 else None]),
    )
    stream = MixtureStream(mixed(folders | {"bad": bad}), random_view, 35, 0, workers=workers)
    with pytest.raises(
        UserError, match=r"/bad: sample toy/train-4 \(number 4 of train, in train-00000.tar\)"
    ):
        take(stream, 1)


class KnownView:
    def __call__(self, image_loader, record, seed):
        return {
            "said": record.get("said", -1),
            "class": record["labels"]["mikels8"]["class"],
            "n": record["n"],
        }


@pytest.mark.parametrize("workers", [0, 1])
def test_overlays_and_sidecars_are_a_sets_own(folders, workers):
    """A column that a set lacks is an absent key."""
    edit = {"id": "toy/train-2", "set": {"labels.mikels8.class": "fear"}}
    (folders["small"] / "overrides.jsonl").write_text(json.dumps(edit))
    about = Description(
        name="said", kind="records", columns=["said"], made_by=Maker(name="a test"), settings={}, command="-"
    )
    write_sidecar(folders["large"], about, lambda part: ({"said": r["n"]} for r in part.records()), 0)
    sets = {name: {"shards": folder} for name, folder in folders.items()}
    sets["large"]["sidecars"] = ["said"]
    config = MixtureConfig(mixture=sets, workers=workers)
    batch = next(open_batches(config, KnownView(), global_batch=30, seed=0).batches(0))
    for number, said, name, own in zip(
        batch["set"].tolist(), batch["said"].tolist(), batch["class"], batch["n"]
    ):
        assert said == (own if number == 0 else -1)
        assert name == ("fear" if (number, own) == (1, 2) else "awe")


def test_a_set_may_have_label_spaces_of_its_own(folders):
    sets = {name: {"shards": folder} for name, folder in folders.items()}
    sets["small"]["spaces"] = {"mikels8": "polarity2"}
    large, small = (part.shards for part in open_mixture(MixtureConfig(mixture=sets)).parts)
    assert small.record("train", 0)["labels"] == {
        "mikels8": {"class": "awe"},
        "polarity2": {"class": "positive"},
    }
    assert large.record("train", 0)["labels"] == {"mikels8": {"class": "awe"}}


def test_the_fingerprint_covers_what_a_run_depends_on(folders):
    def fingerprint(spaces=None, **settings):
        sets = {name: {"shards": folder, "spaces": spaces or {}} for name, folder in folders.items()}
        for name, weight in settings.pop("weights", {}).items():
            sets[name]["weight"] = weight
        renamed = {settings.get("names", {}).get(name, name): each for name, each in sets.items()}
        size = settings.get("samples_per_epoch")
        return open_mixture(MixtureConfig(mixture=renamed, samples_per_epoch=size)).fingerprint

    plain = fingerprint(weights={"large": 1, "small": 3})
    assert plain == fingerprint(weights={"large": 0.25, "small": 0.75})
    changed = [
        fingerprint(),
        fingerprint(weights={"large": 1, "small": 2}),
        fingerprint(weights={"large": 1, "small": 3}, samples_per_epoch=40),
        fingerprint(weights={"large": 1, "small": 3}, names={"small": "little"}),
        fingerprint(weights={"large": 1, "small": 3}, spaces={"mikels8": "polarity2"}),
    ]
    (folders["small"] / "overrides.jsonl").write_text('{"id": "toy/train-1", "set": {"a": 1}}')
    changed.append(fingerprint(weights={"large": 1, "small": 3}))
    assert len({plain, *changed}) == 7


def test_facts_are_those_of_the_manifests(mixture):
    assert mixture.facts() == {
        "large": {"dataset": "toy", "split": "train", "samples": 23, "weight": 0.25, "licence": None},
        "small": {"dataset": "toy", "split": "train", "samples": 7, "weight": 0.75, "licence": None},
    }


def test_a_config_opens_a_mixture(folders, random_view, same):
    sets = {name: {"shards": str(folder)} for name, folder in folders.items()}
    stream = open_batches(MixtureConfig(mixture=sets), random_view, global_batch=BATCH, seed=2)
    assert isinstance(stream, MixtureStream)
    other = MixtureStream(mixed(folders), random_view, BATCH, seed=2)
    assert all(same(*pair) for pair in zip(take(stream, 4), take(other, 4)))


def test_impossible_requests_are_refused(tmp_path, folders, write_shards):
    with pytest.raises(UserError, match="30 samples, fewer than one batch of 31"):
        MixtureStream(mixed(folders), NumberView(), 31, 0)
    with pytest.raises(UserError, match="8 cannot be divided among 3 ranks"):
        MixtureStream(mixed(folders), NumberView(), BATCH, 0, world=3)
    with pytest.raises(
        UserError, match=r"small: small has 0\.001 of the mixture, which is none of an epoch's 24"
    ):
        MixtureStream(mixed(folders, {"large": 999, "small": 1}), NumberView(), BATCH, 0)
    with pytest.raises(UserError, match="large: no split 'val'; it has train"):
        open_mixture(MixtureConfig(mixture={"a": {"shards": folders["large"], "split": "val"}}))
    empty = write_shards(tmp_path / "empty", {"train": 4, "val": 0})
    with pytest.raises(UserError, match="empty: split 'val' has no samples"):
        open_mixture(MixtureConfig(mixture={"a": {"shards": empty, "split": "val"}}))


class Run(Config):
    data: DataConfig


TWO = "data={mixture: {a: {shards: x, weight: 2}, b: {shards: y, weight: 1}}}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([TWO, "data.worker=1"], "unknown key data.worker (did you mean data.workers?)"),
        ([TWO, "data.mixture.b.weight=0"], "data.mixture.b.weight: must be greater than 0, got 0"),
        ([TWO, "data.mixture.b.weight="], "data.mixture: give every set a weight, or none; b has none"),
        (
            [TWO, "data.mixture.b.shards=https://host/set"],
            "data.mixture.b.shards: mixtures need local shard sets",
        ),
        ([TWO, "data.mixture.b={}"], "missing key data.mixture.b.shards"),
        (["data={mixture: {}}"], "data.mixture: name at least one set"),
        (["data={shards: x}", "data.shard=1"], "unknown key data.shard (did you mean data.shards?)"),
        (["data={}"], "missing key data.shards"),
        (["data=3"], "data: must be a section of keys, got 3"),
    ],
)
def test_mistakes_in_either_form_are_told_once(overrides, message):
    with pytest.raises(UserError) as caught:
        load_config(Run, None, overrides)
    heading, *lines = str(caught.value).splitlines()
    assert heading == "the command line: 1 problem" and len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize("section", [TWO, "data={shards: https://host/set, spaces: {mikels8: [ekman7]}}"])
def test_both_forms_are_read_back(tmp_path, section):
    config = load_config(Run, None, [section, "data.workers=3"])
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_config(Run, tmp_path / "again.yaml") == config
    assert isinstance(config.data, MixtureConfig) == (section == TWO) and config.data.workers == 3


def test_a_single_set_has_no_set_column(folders, random_view):
    from vemo.datasets.stream import TrainStream

    assert "set" not in take(TrainStream(ShardSet(folders["small"]), "train", random_view, 7, 0), 1)[0]
