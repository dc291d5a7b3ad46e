"""What the probe behind label doubts sees of the images: features of an encoder, and annotated attributes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets.stream import ShardSet
from ...datasets.taxonomy import LabelSpace
from ...zoo import load_encoder
from ..baselines import ColourStatistics
from ..features import Precision, extract
from ..targets import ClassTarget
from .duplicates import describe
from .leakage import values_of
from .scan import Scan

MENTIONS, VOCABULARY = 5, 1000


def thumbnail_features(thumbnails: Tensor) -> Tensor:
    """uint8 [N, 3, 16, 16] → float32 [N, D]: colours, and where they are. Weak, but always there."""
    return torch.cat([ColourStatistics()(thumbnails), describe(thumbnails)[1]], 1)


def encoder_features(
    spec: str,
    shards: ShardSet,
    space: LabelSpace,
    seen: Scan,
    places: Sequence[int],
    cache: Path,
    batch_size: int,
    workers: int,
    precision: Precision,
) -> tuple[Tensor, str]:
    """Frozen features float32 [len(places), D] of labelled samples, kept in `cache`; the encoder's name."""
    encoder = load_encoder(spec)
    rows: dict[str, Tensor] = {}
    for split in dict.fromkeys(seen.splits[place] for place in places):
        found = extract(
            {"encoder": encoder},
            shards,
            split,
            ClassTarget("label", space.name),
            encoder.image_size,
            batch_size=batch_size,
            workers=workers,
            precision=precision,
            device="cuda" if torch.cuda.is_available() else "cpu",
            cache=cache,
        )["encoder"]
        rows |= dict(zip(found.ids, found.features))
    name = encoder.description.get("name", spec)
    return torch.stack([rows[seen.records[place]["id"]] for place in places]), name


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
