"""Plans: who goes where is a function of ids and settings, groups stay together, own splits are kept."""

from pathlib import Path

import numpy as np
import pytest
from vemo.datasets.readers import Row
from vemo.datasets.shards.config import BuildConfig
from vemo.datasets.shards.plan import make_plan, read_rows
from vemo.datasets.shards.splits import draw_hash, draw_splits
from vemo.foundation.errors import UserError

FRACTIONS = {"train": 0.8, "val": 0.05, "test": 0.15}


def rows(count: int, split: str | None = None, groups: int = 0) -> list[Row]:
    group = (lambda i: f"g{i % groups}") if groups else (lambda i: None)
    return [Row(f"{i:05d}", split, group(i), f"{i:05d}.jpg", {"n": i}) for i in range(count)]


def plan_of(folder: Path, listed: list[Row], per_shard: int = 100, seed: int = 0):
    return make_plan(listed, folder / "plan.jsonl", per_shard, FRACTIONS, seed)


def test_every_row_is_in_exactly_one_shard(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, rows(1234))
    found = {shard.name: list(read_rows(plan.path, shard.offset, shard.samples)) for shard in plan.shards}
    assert sorted(row.id for part in found.values() for row in part) == [row.id for row in rows(1234)]
    assert [row for part in found.values() for row in part if row.id == "00007"] == [rows(8)[7]]
    assert sum(plan.listed.values()) == plan.rows == 1234
    for split, listed in plan.listed.items():
        sizes = [shard.samples for shard in plan.shards if shard.split == split]
        assert sum(sizes) == listed and max(sizes) <= 100 and max(sizes) - min(sizes) <= 1
    assert not (tmp_path / "rows.jsonl").exists()


def test_fractions_are_kept(tmp_path: Path) -> None:
    listed = plan_of(tmp_path, rows(20_000), per_shard=10_000).listed
    assert {split: listed[split] / 20_000 for split in FRACTIONS} == pytest.approx(FRACTIONS, abs=0.01)
    assert list(listed) == ["train", "val", "test"]


def test_a_split_does_not_depend_on_the_other_rows(tmp_path: Path) -> None:
    def assignment(listed: list[Row], seed: int = 0) -> dict[str, str]:
        plan = plan_of(tmp_path, listed, seed=seed)
        parts = ((s.split, read_rows(plan.path, s.offset, s.samples)) for s in plan.shards)
        return {row.id: split for split, part in parts for row in part}

    many, few = assignment(rows(500)), assignment(rows(500)[::-3])
    assert few == {identifier: many[identifier] for identifier in few}
    assert assignment(rows(500), seed=1) != many


def test_order_is_mixed_and_repeatable(tmp_path: Path) -> None:
    """Listed class by class, the first hundred samples of a split come from all over the listing."""
    plan = plan_of(tmp_path, rows(1000, "train"))
    first = [row.facts["n"] for row in read_rows(plan.path, 0, 100)]
    assert first != sorted(first)
    assert len({number // 100 for number in first}) == 10
    assert plan_of(tmp_path, rows(1000, "train")[::-1]).digest == plan.digest
    assert plan_of(tmp_path, rows(999, "train")).digest != plan.digest


def test_groups_never_straddle_drawn_splits(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, rows(600, groups=50))
    homes: dict[str, set[str]] = {}
    for shard in plan.shards:
        for row in read_rows(plan.path, shard.offset, shard.samples):
            homes.setdefault(row.group, set()).add(shard.split)
    assert len(homes) == 50
    assert all(len(splits) == 1 for splits in homes.values())
    assert len(set().union(*homes.values())) > 1
    assert plan.straddling_groups == 0


def test_own_and_drawn_splits_side_by_side(tmp_path: Path) -> None:
    own = [Row(f"own-{i}", "test", None, "p", {}) for i in range(50)]
    alone = plan_of(tmp_path, rows(300)).listed
    mixed = [row for pair in zip(own, rows(50)) for row in pair] + rows(300)[50:]
    assert plan_of(tmp_path, mixed).listed == alone | {"test": alone["test"] + 50}


def test_straddling_groups_of_own_splits_are_found(tmp_path: Path) -> None:
    listed = [Row("a", "train", "g", "a", {}), Row("b", "test", "g", "b", {}), Row("c", "test", "h", "c", {})]
    plan = plan_of(tmp_path, listed)
    assert plan.straddling_groups == 1
    assert plan.first_straddling == ([["a", "train"], ["b", "test"]],)
    assert plan.listed == {"train": 1, "test": 2}


def test_split_names_must_be_file_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"split '\.\./x' cannot name a file"):
        plan_of(tmp_path, [Row("a", "../x", None, "a.jpg", {})])


def test_rows_with_odd_names_survive(tmp_path: Path) -> None:
    odd = Row("caf\udce9/日本 .jpg", "train", "grüppe", "caf\udce9/日本 .jpg", {"text": "line\nbreak"})
    plan = plan_of(tmp_path, [odd])
    assert list(read_rows(plan.path, 0, 1)) == [odd]


def test_draws_are_pinned() -> None:
    """Changing these moves samples between splits of every set that was ever built."""
    assert [list(FRACTIONS)[place] for place in draws([f"key-{i}" for i in range(12)])] == PINNED
    assert draws(["anything"], {"all": 1.0}, seed=3) == [0]


def test_a_draw_at_the_very_end_falls_into_the_last_split() -> None:
    last = np.array([2**64 - 1, 0], ">u8")
    for fractions in (FRACTIONS, {"a": 0.1, "b": 0.2, "c": 0.7}, {"a": 0.5, "b": 0.4999999}, {"all": 1.0}):
        assert draw_splits(last, fractions).tolist() == [len(fractions) - 1, 0]
    assert draw_splits(last, {"nobody": 0.0, "all": 1.0}).tolist() == [1, 1]


def draws(keys: list[str], fractions: dict[str, float] = FRACTIONS, seed: int = 0) -> list[int]:
    hashes = b"".join(draw_hash(key, seed) for key in keys)
    return draw_splits(np.frombuffer(hashes, ">u8"), fractions).tolist()


def test_a_split_that_nobody_falls_into_is_not_listed(tmp_path: Path) -> None:
    assert plan_of(tmp_path, rows(3, "own")).listed == {"own": 3}
    assert plan_of(tmp_path, []).rows == 0


PINNED = [
    "train",
    "train",
    "test",
    "test",
    "val",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "test",
]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": 0.5}, "sum to 1, they sum to 0.5"),
        ({"Tra in": 1.0}, "cannot name a file"),
        ({"a": 1.5}, "1"),
    ],
)
def test_impossible_fractions(splits: dict[str, float], message: str) -> None:
    reader = {"kind": "image_folder", "space": "mikels8"}
    with pytest.raises(ValueError, match=message):
        BuildConfig.model_validate({"root": "a", "out": "b", "reader": reader, "splits": splits})
