"""What the probe behind label doubts sees of the images: features of an encoder, and annotated attributes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.stream import ShardSet
from ...zoo import load_encoder
from ..baselines import ColourStatistics
from ..features import Precision, extract
from ..targets import Record
from .duplicates import describe
from .leakage import values_of
from .scan import Scan

MENTIONS, VOCABULARY = 5, 1000


@dataclass(frozen=True)
class EverySample:
    """A target that every record has: what has no label yet is looked at, too."""

    name: str = "every"
    classes: tuple[str, ...] = ("sample",)
    vocabulary: str = "every sample"

    def __call__(self, record: Record) -> dict[str, Any]:
        return {"target_every": 1.0}

    def row(self, record: Record) -> np.ndarray | None:
        return np.ones(1, np.float32)

    count = row


def thumbnail_features(thumbnails: Tensor) -> Tensor:
    """uint8 [N, 3, 16, 16] → float32 [N, D]: colours, and where they are. Weak, but always there."""
    return torch.cat([ColourStatistics()(thumbnails), describe(thumbnails)[1]], 1)


def encoder_features(
    spec: str,
    shards: ShardSet,
    seen: Scan,
    cache: Path,
    batch_size: int,
    workers: int,
    precision: Precision,
) -> tuple[Tensor, str]:
    """Frozen features float32 [N, D] of all samples, kept in `cache`; the encoder's name."""
    encoder = load_encoder(spec)
    rows: dict[str, Tensor] = {}
    for split in dict.fromkeys(seen.splits):
        found = extract(
            {"encoder": encoder},
            shards,
            split,
            EverySample(),
            encoder.image_size,
            batch_size=batch_size,
            workers=workers,
            precision=precision,
            device="cuda" if torch.cuda.is_available() else "cpu",
            cache=cache,
        )["encoder"]
        rows |= dict(zip(found.ids, found.features))
    name = encoder.description.get("name", spec)
    return torch.stack([rows[record["id"]] for record in seen.records]), name


def attribute_words(records: Sequence[dict[str, Any]]) -> Tensor:
    """Annotated attributes as features, float32 [N, V]: a column a word (`scene=street`), 1 where it is said.

    Words said at least MENTIONS times, the VOCABULARY most frequent ones.
    """
    bags = [
        {f"{key}={value}" for key in record.get("attributes", {}) for value in values_of(record, key)}
        for record in records
    ]
    counts = Counter(word for bag in bags for word in bag).most_common(VOCABULARY)
    columns = {word: column for column, (word, count) in enumerate(counts) if count >= MENTIONS}
    found = torch.zeros(len(records), len(columns))
    for row, bag in enumerate(bags):
        found[row, [columns[word] for word in bag if word in columns]] = 1
    return found
