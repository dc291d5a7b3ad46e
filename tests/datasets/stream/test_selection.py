"""Parts of a split and balanced order: what is drawn, and that nothing but records and config decides it."""

import json
from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest
from vemo.datasets.stream import (
    EvaluationView,
    MixtureConfig,
    MixtureStream,
    SelectionConfig,
    ShardSet,
    StreamConfig,
    TrainStream,
    evaluation_batches,
    held_out,
    open_batches,
    open_mixture,
    selected,
)
from vemo.datasets.stream.collate import collate, split_batch
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation import UserError
from vemo.foundation.config import load_config

SPACE = "mikels8"
CLASSES = ["awe"] * 40 + ["fear"] * 12 + ["anger"] * 3  # of the toy's first 55 samples
VOTES = {"votes": [2, 2, 0, 0, 0, 0, 0, 0]}  # a tie: a label, but no class


def labels_of(number):
    """Sample 55 to 60: a tie; the other five: no label at all."""
    if number < len(CLASSES):
        return {SPACE: {"class": CLASSES[number]}}
    return {SPACE: VOTES} if number < 61 else {}


@pytest.fixture
def make(tmp_path, write_shards):
    """A set of 66 samples of which three at a time form a group, labelled by an overlay."""

    def made(name="set", per_shard=6, size=66):
        folder = write_shards(tmp_path / name, {"train": size, "val": 4}, per_shard=per_shard)
        edits = [
            {
                "id": f"toy/train-{number}",
                "set": {"labels": labels_of(number), "source": {"group": f"g{number // 3}"}},
            }
            for number in range(size)
        ]
        (folder / "overrides.jsonl").write_text("".join(json.dumps(edit) + "\n" for edit in edits))
        return folder

    return made


@pytest.fixture
def shards(make):
    return ShardSet(make())


def config_of(**values):
    return SelectionConfig.model_validate({"space": SPACE} | values)


def picked(shards, **values):
    return selected(shards, "train", config_of(**values)).tolist()


def counted(numbers):
    """Of each class; None: without one."""
    return Counter(CLASSES[each] if each < len(CLASSES) else None for each in numbers)


def taken(stream, count, start=0):
    batches = stream.batches(start)
    found = list(islice(batches, count))
    batches.close()
    return found


def drawn(stream, epochs):
    steps = epochs * stream.samples_per_epoch // stream.global_batch
    work = list(islice(stream.work(0), steps))
    return tuple(
        np.concatenate([getattr(each, key) for each in work]).tolist() for key in ("indices", "seeds")
    )


class NumberView:
    def __call__(self, image_loader, record, seed):
        return {"n": record["n"]}


def test_nothing_asked_for_is_everything(shards):
    everything = list(range(66))
    assert selected(shards, "train", None).tolist() == picked(shards) == everything
    assert held_out(shards, "train", SelectionConfig()).tolist() == []


def test_what_is_chosen_is_pinned(shards):
    """Golden values: a change here changes what every run with such a config was trained and chosen on."""
    assert held_out(shards, "train", config_of(hold_out=0.2)).tolist() == [
        *(12, 13, 14, 18, 19, 20, 48, 49, 50, 54, 55, 56, 57, 58, 59)
    ]
    assert picked(shards, fraction=0.1) == [7, 12, 31, 35, 49, 54, 58]


def test_groups_are_held_out_whole_and_for_good(shards):
    for share, seed in [(0.1, 0), (0.5, 0), (0.5, 1)]:
        asked = {"hold_out": share, "hold_out_seed": seed}
        out = set(held_out(shards, "train", config_of(**asked)).tolist())
        assert {number // 3 * 3 + each for number in out for each in range(3)} == out != set()
        rest = set(range(66)) - out
        assert set(picked(shards, **asked)) == rest
        few = {"fraction": 0.5, "seed": 7, "balanced": True, "labelled": True}
        assert set(picked(shards, **asked, **few)) < rest
        assert set(held_out(shards, "train", config_of(**asked, **few)).tolist()) == out
    assert picked(shards, hold_out=0.5) != picked(shards, hold_out=0.5, hold_out_seed=1)


def test_a_share_of_the_groups_is_held_out_on_average(shards):
    sizes = [
        len(held_out(shards, "train", config_of(hold_out=0.25, hold_out_seed=seed))) / 66
        for seed in range(60)
    ]
    assert abs(np.mean(sizes) - 0.25) < 0.05 and np.std(sizes) > 0.03


def test_a_larger_hold_out_holds_the_smaller(shards):
    small, large = (set(held_out(shards, "train", config_of(hold_out=x)).tolist()) for x in (0.2, 0.6))
    assert small < large


def test_without_a_group_the_id_counts(tmp_path, write_shards):
    shards = ShardSet(write_shards(tmp_path / "bare", {"train": 200}))
    out = held_out(shards, "train", SelectionConfig(hold_out=0.3))
    assert 40 < len(out) < 80 and (np.diff(out) == 1).any()


def test_the_hold_out_has_nothing_to_do_with_how_a_build_drew_the_split():
    """Of the groups that a build put into the first 80 %, a fifth is held out all the same."""
    from vemo.datasets.shards.splits import draw_hash
    from vemo.datasets.stream.order import HELD_OUT as PURPOSE
    from vemo.datasets.stream.order import draws, key_digest

    names = [f"group {number}" for number in range(4000)]
    first = np.array([int.from_bytes(draw_hash(name, 0)) < 0.8 * 2**64 for name in names])
    out = draws(PURPOSE, 0, b"".join(map(key_digest, names))) / 2.0**64 < 0.2
    assert abs(out[first].mean() - 0.2) < 0.03 and abs(out[~first].mean() - 0.2) < 0.05


def test_a_fraction_has_every_class_in_proportion_and_at_least_once(shards):
    assert counted(picked(shards, fraction=0.25)) == {"awe": 10, "fear": 3, "anger": 1, None: 3}
    assert counted(picked(shards, fraction=0.001)) == {"awe": 1, "fear": 1, "anger": 1, None: 1}
    assert len(picked(shards, space=None, fraction=0.5)) == 33


def test_fractions_are_nested_and_differ_by_seed(shards):
    fractions = [0.01, 0.1, 0.25, 0.5, 0.9, 1.0]
    for seed in range(3):
        sets = [set(picked(shards, fraction=each, seed=seed)) for each in fractions]
        assert all(small < large for small, large in pairwise(sets))
    assert len({tuple(picked(shards, fraction=0.25, seed=seed)) for seed in range(5)}) == 5


def test_labelled_and_balanced_leave_out_what_has_no_label(shards):
    assert picked(shards, labelled=True) == list(range(61))
    assert picked(shards, balanced=True) == list(range(55))


def test_how_the_set_was_cut_changes_nothing(make):
    whole, cut = ShardSet(make("whole", per_shard=100)), ShardSet(make("cut", per_shard=5))
    assert whole.fingerprint != cut.fingerprint
    for values in ({"hold_out": 0.4, "fraction": 0.3}, {"balanced": True, "seed": 2, "fraction": 0.7}):
        assert picked(whole, **values) == picked(cut, **values)


def test_a_derived_space_counts(make):
    shards = ShardSet(make(), spaces={SPACE: "polarity2"})
    chosen = selected(shards, "train", SelectionConfig(space="polarity2", fraction=0.2, labelled=True))
    classes = [class_index(shards.record("train", number), label_space("polarity2")) for number in chosen]
    assert Counter(classes) == {0: 3, 1: 9}  # of 15 and, as both classes of the ties are positive, 46


def test_the_answer_cannot_be_changed_by_who_got_it(shards):
    for ask in (selected, held_out):
        numbers = ask(shards, "train", config_of(hold_out=0.5))
        before = numbers.tolist()
        numbers[:] = 0
        assert ask(shards, "train", config_of(hold_out=0.5)).tolist() == before


def test_records_are_read_once(shards, monkeypatch):
    again = ShardSet(shards.folder)
    reads, original = [], ShardSet.record

    def record(self, split, index):
        reads.append(index)
        return original(self, split, index)

    monkeypatch.setattr(ShardSet, "record", record)
    select = config_of(hold_out=0.1234, fraction=0.9)
    for each in (shards, again):
        held_out(each, "train", select)
        selected(each, "train", select)
    assert reads == list(range(66))


def test_a_stream_draws_what_is_selected_and_nothing_else(shards):
    select = config_of(hold_out=0.3, fraction=0.5)
    numbers = selected(shards, "train", select).tolist()
    stream = TrainStream(shards, "train", NumberView(), len(numbers), 3, select=select)
    epochs = np.split(np.array(drawn(stream, 3)[0]), 3)
    assert all(sorted(epoch.tolist()) == numbers for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert taken(stream, 1)[0]["n"].tolist() == epochs[0].tolist()


def test_selecting_everything_changes_no_order(shards):
    bare = TrainStream(shards, "train", NumberView(), 6, 3)
    everything = TrainStream(shards, "train", NumberView(), 6, 3, select=SelectionConfig())
    assert drawn(bare, 2) == drawn(everything, 2)


def balanced(shards, batch=6, seed=0, **options):
    return TrainStream(shards, "train", NumberView(), batch, seed, select=config_of(balanced=True), **options)


def test_balanced_classes_come_equally_often(shards):
    stream = balanced(shards)
    assert stream.samples_per_epoch == 54
    indices, _ = drawn(stream, 4)
    for epoch in range(4):
        assert counted(indices[54 * epoch : 54 * (epoch + 1)]) == {"awe": 18, "fear": 18, "anger": 18}
    for low in range(0, len(indices), 6):
        assert max(counted(indices[low : low + 6]).values()) == 2  # every batch alike


def test_no_sample_comes_again_before_all_of_its_class_have(shards):
    indices, seeds = drawn(balanced(shards), 5)
    assert len(set(seeds)) == len(seeds) == 270
    for low, high in ((0, 40), (40, 52), (52, 55)):
        mine = [each for each in indices if low <= each < high]
        passes = [mine[at : at + high - low] for at in range(0, len(mine) - (high - low) + 1, high - low)]
        assert len(passes) >= 2 and all(sorted(each) == list(range(low, high)) for each in passes)
        assert len({tuple(each) for each in passes}) > 1


def test_a_class_that_does_not_occur_takes_no_turn_and_rounding_is_within_one(shards):
    indices, _ = drawn(balanced(shards, batch=55), 1)
    assert sorted(counted(indices).values()) == [18, 18, 19]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", [1, 2])
def test_balanced_order_resumes_on_any_ranks_and_workers(shards, random_view, same, workers, world):
    select = config_of(balanced=True, hold_out=0.2)
    whole = taken(TrainStream(shards, "train", random_view, 6, 5, select=select), 12)
    ranks = [
        TrainStream(shards, "train", random_view, 6, 5, rank, world, workers=workers, select=select)
        for rank in range(world)
    ]
    parts = [taken(stream, 12 - 4, start=4 * 6) for stream in ranks]
    for step, batch in enumerate(whole[4:]):
        joined = collate([sample for part in parts for sample in split_batch(part[step])])
        assert same(batch, joined)


def mixture_of(make, **select):
    sets = {"one": {"shards": make("one"), "weight": 1}, "two": {"shards": make("two", size=9), "weight": 1}}
    sets["one"]["select"] = {"space": SPACE} | select
    return open_mixture(MixtureConfig.model_validate({"mixture": sets}))


def test_a_mixture_draws_what_is_selected_of_each_set(make):
    mixture = mixture_of(make, fraction=0.25)
    assert mixture.samples_per_epoch == 17 + 9 and mixture.facts()["one"]["samples"] == 17
    stream = MixtureStream(mixture, NumberView(), 2, seed=0)
    found = [mixture.locate(index) for index in drawn(stream, 3)[0]]
    here = set(picked(mixture.parts[0].shards, fraction=0.25))
    assert {number for part, number in found if part == 0} == here
    assert {number for part, number in found if part == 1} == set(range(9))
    assert mixture.starts == [0, 66]  # numbers mean the same whatever is selected


def test_a_set_of_a_mixture_may_be_balanced(make):
    mixture = mixture_of(make, balanced=True)
    stream = MixtureStream(mixture, NumberView(), 8, seed=0)
    found = [mixture.locate(index) for index in drawn(stream, 3)[0]]
    sets = Counter(part for part, _ in found)
    assert sets[0] == sets[1] == len(found) / 2
    per_class = counted(number for part, number in found if part == 0)
    assert (
        set(per_class) == {"awe", "fear", "anger"} and max(per_class.values()) - min(per_class.values()) <= 3
    )


def test_a_changed_selection_changes_the_fingerprint_of_a_mixture(make):
    prints = {mixture_of(make, **each).fingerprint for each in ({}, {"fraction": 0.5}, {"seed": 1})}
    assert len(prints) == 3


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_evaluation_yields_given_numbers_once(shards, world):
    numbers = held_out(shards, "train", config_of(hold_out=0.3))
    ranks = [
        list(evaluation_batches(shards, "train", EvaluationView(8), 4, rank, world, numbers=numbers))
        for rank in range(world)
    ]
    seen = [index for batches in ranks for batch in batches for index in batch["index"].tolist()]
    assert seen == numbers.tolist()
    (whole,) = evaluation_batches(shards, "train", EvaluationView(8), 66)
    seeds = [seed for batches in ranks for batch in batches for seed in batch["seed"].tolist()]
    assert seeds == whole["seed"][numbers].tolist()


def test_a_config_opens_a_selection(make, random_view):
    folder = make()
    given = [f"shards={folder}", "select.space=mikels8", "select.fraction=0.5"]
    config = load_config(StreamConfig, None, given)
    stream = open_batches(config, random_view, global_batch=4, seed=0)
    assert stream.samples_per_epoch == 32 and len(picked(ShardSet(folder), fraction=0.5)) == 34


def test_a_url_is_refused(random_view):
    config = StreamConfig(shards="https://host/set", select=config_of(fraction=0.5))
    with pytest.raises(UserError, match="https://host/set: select needs a local shard set"):
        open_batches(config, random_view, global_batch=4, seed=0)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("{hold_out: 1}", "hold_out: must be less than 1"),
        ("{fraction: 0}", "fraction: must be greater than 0"),
        ("{balanced: true}", "balanced needs space"),
        ("{labelled: true}", "labelled needs space"),
        ("{space: mikel8}", "did you mean mikels8?"),
        ("{space: vad}", "must be a space of classes (vad is continuous)"),
        ("{shots: 3}", "unknown key select.shots"),
    ],
)
def test_mistakes_are_named(select, message):
    with pytest.raises(UserError) as caught:
        load_config(StreamConfig, None, ["shards=x", f"select={select}"])
    assert message in str(caught.value) and "1 problem" in str(caught.value)


def test_what_cannot_be_drawn_is_said(shards, make, tmp_path, write_shards):
    empty = ShardSet(write_shards(tmp_path / "empty", {"train": 0}))
    with pytest.raises(UserError, match="empty: split 'train': select leaves none of 0 samples"):
        picked(empty, hold_out=0.5)
    with pytest.raises(
        UserError, match="set: split 'train': select leaves none of 66 samples: space=ekman6, l"
    ):
        picked(shards, space="ekman6", labelled=True)
    with pytest.raises(UserError, match="no split 'trian'"):
        selected(shards, "trian", config_of(fraction=0.5))
    with pytest.raises(UserError, match="each of 3 classes of mikels8 in an epoch, which has 2"):
        balanced_few = config_of(balanced=True, fraction=0.001)
        TrainStream(shards, "train", NumberView(), 2, 0, select=balanced_few)
    with pytest.raises(UserError, match="has 3 samples, fewer than one batch of 4"):
        TrainStream(shards, "train", NumberView(), 4, 0, select=config_of(balanced=True, fraction=0.001))
    folder = make("wrong")
    (folder / "overrides.jsonl").write_text(
        json.dumps({"id": "toy/train-1", "set": {"labels": {SPACE: {"class": "meh"}}}})
    )
    with pytest.raises(UserError, match=r"wrong: toy/train-1: .*meh"):
        picked(ShardSet(folder), fraction=0.5)


def test_without_leaves_out_what_a_curator_rejected(make):
    folder = make()
    edits = [(3, "reject"), (4, "accept"), (50, ["unsure", "reject"])]
    with (folder / "overrides.jsonl").open("a") as file:
        for number, status in edits:
            line = {"id": f"toy/train-{number}", "set": {"attributes.review_status": status}}
            file.write(json.dumps(line) + "\n")
    shards, without = ShardSet(folder), ("review_status=reject",)
    assert set(range(66)) - set(selected(shards, "train", SelectionConfig(without=without))) == {3, 50}
    halved = SelectionConfig(without=without, hold_out=0.5)
    kept = [*selected(shards, "train", halved), *held_out(shards, "train", halved)]
    assert sorted(kept) == [number for number in range(66) if number not in (3, 50)]


def test_without_wants_an_attribute_and_a_value():
    with pytest.raises(ValueError, match="attribute=value"):
        SelectionConfig(without=("reject",))
