"""What a teacher reads of a shard set before pretraining starts: images at one size, sentences, groups."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...datasets.stream import ShardSet
from ...datasets.stream.decode import decode
from ...datasets.stream.transforms import resize_center_crop
from ...foundation.errors import UserError

Sentence = Callable[[Mapping[str, Any]], str]
SPLIT = "train"  # a teacher never sees another one
THREADS = 4


class Pairs(NamedTuple):
    """Images uint8 [B, 3, S, S], and for each its sentence and the group that must not be torn apart."""

    images: Tensor
    sentences: list[str]
    groups: list[str]


def chosen(shards: ShardSet, limit: int | None = None) -> list[int]:
    """Indices into the train split: all, or `limit` of them evenly spread."""
    if SPLIT not in shards.splits or shards.count(SPLIT) < 2:
        raise UserError(
            f"{shards.folder}: a teacher is fitted on a split named {SPLIT!r} of at least 2 samples"
        )
    count = shards.count(SPLIT)
    if limit is None or count <= limit:
        return list(range(count))
    return [i * count // limit for i in range(limit)]


def read_pairs(
    shards: ShardSet, indices: list[int], size: int, sentence: Sentence, batch_size: int = 64
) -> Iterator[Pairs]:
    """Batches in the given order, the central square at `size`. Samples without a sentence are left out."""

    def read(index: int) -> tuple[Tensor, str, str] | None:
        record, data = shards.read(SPLIT, index)
        text = sentence(record)
        if not text:
            return None
        group = record.get("source", {}).get("group") or record["id"]
        return resize_center_crop(decode(data), size, crop_fraction=1), text, group

    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(indices), batch_size):
            rows = [row for row in pool.map(read, indices[start : start + batch_size]) if row]
            if rows:
                images, sentences, groups = zip(*rows)
                yield Pairs(torch.stack(images), list(sentences), list(groups))


def cache_key(shards: ShardSet, sentence: Sentence, facts: dict[str, Any]) -> str:
    """Short name of what was fitted on these shards with these sentences and facts.

    The sentence builder is known by what it makes of 64 samples, evenly spread.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    digest.update(shards.fingerprint.encode())
    for index in chosen(shards, 64):
        digest.update(sentence(shards.record(SPLIT, index)).encode() + b"\0")
    return digest.hexdigest()[:16]
