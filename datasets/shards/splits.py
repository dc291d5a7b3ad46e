"""Which split a sample belongs to, and whether one image got into two of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from .layout import read_records, sha256_of_text

SPLIT_ORDER = ("train", "val", "test")  # the rest follows alphabetically
NAMED_LEAKS = 10


def draw_hash(key: str, seed: int) -> bytes:
    """The 8 bytes that decide the split of a group (or, without one, of an id), whatever else there is."""
    return sha256_of_text(f"{seed}\0{key}")[:8]


def draw_splits(hashes: np.ndarray, fractions: Mapping[str, float]) -> np.ndarray:
    """int64 [n]: which of `fractions`, by place, each draw falls into; `hashes` are uint64 [n]."""
    draws = hashes.astype(np.float64) / 2**64
    upper = np.array(list(accumulate(fractions.values())))
    # The fractions' sum may be rounded to just below 1.
    return np.minimum(np.searchsorted(upper, draws, side="right"), len(upper) - 1)


def split_rank(split: str) -> tuple[int, str]:
    """Sorting key: train, val, test, others."""
    return (SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER), split)


@dataclass(frozen=True)
class Leaks:
    """Images (by the sha256 of their source bytes) that lie in more than one split, and copies anywhere.

    `first` names up to ten, as [[id, split], …]. `ours` counts those where a split was drawn here rather than
    given by the dataset. `copies` counts files: several samples of one file (its people) are no copies.
    """

    count: int = 0
    ours: int = 0
    copies: int = 0
    first: tuple[list[list[str]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {"images": self.count, "drawn_here": self.ours, "first": list(self.first)}


def leading_bits(sha256: str) -> int:
    """The first 64 bits of a hash: enough to find copies by."""
    return int(sha256[:16], 16)


def image_hashes(tar: Path) -> np.ndarray:
    """uint64 [n]: the first 64 bits of every image's source sha256, in the order of the shard."""
    hashes = [leading_bits(record["source"]["sha256"]) for record in read_records(tar)]
    return np.array(hashes, dtype=np.uint64)


def find_leaks(shards: Iterable[tuple[Path, str, np.ndarray]]) -> Leaks:
    """Look for images in two splits among (tar, split, image_hashes(tar)) of every shard of a set.

    Memory: 12 bytes a sample, 20 more for each that is not alone.
    """
    tars, hashes, places = [], [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    splits: list[str] = []
    for tar, split, found in shards:
        places.append(np.full(len(found), len(tars), np.int32))
        hashes.append(found)
        tars.append(tar)
        splits.append(split)
    values, shard_of = np.concatenate(hashes), np.concatenate(places)
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, values[order][1:] != values[order][:-1]]) if len(values) else order
    if len(values) == len(starts):
        return Leaks()
    first_of_shard = np.searchsorted(shard_of, np.arange(len(tars)))
    ends = np.r_[starts[1:], len(values)]
    alike = np.sort(order[np.repeat(ends - starts > 1, ends - starts)])
    files = np.unique(np.stack([values[alike], _file_hashes(tars, shard_of, first_of_shard, alike)]), axis=1)
    copies = files.shape[1] - int((ends - starts > 1).sum())
    leaks = []
    for start, end in zip(starts, ends):
        if end - start == 1:
            continue
        members = order[start:end]
        if len({splits[shard] for shard in shard_of[members]}) > 1:
            leaks.append([(shard_of[m], int(m - first_of_shard[shard_of[m]])) for m in members])
    wanted = {place for leak in leaks for place in leak}
    known = _identities(tars, wanted)
    named = sorted([[known[p][0], splits[p[0]]] for p in leak] for leak in leaks)
    ours = sum(any(not known[place][1] for place in leak) for leak in leaks)
    return Leaks(len(leaks), ours, copies, tuple(named[:NAMED_LEAKS]))


def _file_hashes(
    tars: list[Path | str], shard_of: np.ndarray, first_of_shard: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """uint64 [n]: the first 64 bits of a hash of the source path of samples, given in ascending order."""
    found = np.empty(len(members), np.uint64)
    for shard in np.unique(shard_of[members]):
        here = np.flatnonzero(shard_of[members] == shard)
        places = (members[here] - first_of_shard[shard]).tolist()
        paths = (record["source"]["path"] for record in read_records(tars[shard], places))
        found[here] = [int.from_bytes(sha256_of_text(path)[:8]) for path in paths]
    return found


def _identities(
    tars: list[Path | str], wanted: set[tuple[int, int]]
) -> dict[tuple[int, int], tuple[str, bool]]:
    """(id, whether the split is the dataset's own) of samples given as (shard, place)."""
    found = {}
    for shard, group in groupby(sorted(wanted), key=itemgetter(0)):
        places = [place for _, place in group]
        for place, record in zip(places, read_records(tars[shard], places)):
            found[shard, place] = (record["id"], "split" in record["source"])
    return found
