"""Class counts by split, and what is annotated at all."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .scan import Scan


def class_balance(scan: Scan, labels: Sequence[int | None], names: Sequence[str]) -> dict[str, Any]:
    """Counts of every class in every split, imbalance, and how far each split's shares are from the first's.

    "effective classes" is the exponential of the entropy of the shares; "distance" half the sum of absolute
    differences of shares (total variation), 0 to 1.
    """
    splits: dict[str, Counter[int]] = {}
    for split, label in zip(scan.splits, labels):
        counts = splits.setdefault(split, Counter())
        if label is not None:
            counts[label] += 1
    shares = {
        split: [counts[i] / max(1, sum(counts.values())) for i in range(len(names))]
        for split, counts in splits.items()
    }
    first = next(iter(shares.values()), [])
    total = sum(splits.values(), Counter())
    occurring = [count for count in total.values() if count]
    whole = sum(occurring)
    return {
        "splits": {
            split: {names[i]: counts[i] for i in range(len(names))} for split, counts in splits.items()
        },
        "unlabelled": {
            split: sum(s == split and label is None for s, label in zip(scan.splits, labels))
            for split in splits
        },
        "largest over smallest class": max(occurring) / min(occurring) if occurring else None,
        "effective classes": math.exp(-sum(c / whole * math.log(c / whole) for c in occurring))
        if whole
        else 0,
        "distance": {split: sum(abs(a - b) for a, b in zip(first, own)) / 2 for split, own in shares.items()},
    }


def coverage(scan: Scan) -> dict[str, float]:
    """The share of images that have each attribute, and each other kind of knowledge."""
    counts: Counter[str] = Counter()
    for record in scan.records:
        counts.update(f"attributes.{key}" for key in record.get("attributes", {}))
        counts.update(key for key in ("vad", "annotations", "faces") if key in record)
        counts.update(f"labels.{key}" for key in record.get("labels", {}))
    return {key: count / len(scan) for key, count in sorted(counts.items())}
