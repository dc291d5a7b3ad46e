"""How much of the emotion the annotated attributes give away, without a look at the image.

In EmoSet a scene's name alone predicts the emotion of three images in four that have one. Whoever reports
that attributes help has to stand beside this baseline.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..folds import group_folds

FOLDS = 5
TELLING = 0.9  # a value whose commonest emotion has this share, over at least
SUPPORT = 10  # so many images, is listed


def attribute_leakage(records: Sequence[dict[str, Any]], labels: Sequence[int], names: Sequence[str]) -> dict:
    """Of each attribute: coverage, and how well its value alone predicts the label; and of all together.

    `labels` are class numbers of `names`. "prior" is the commonest class among the images that have the
    attribute; "seen" predicts every image by the commonest class of its value, itself included (the figure
    people quote); "held out" does so with tables from the other folds, an unseen value counting as the
    commonest class. Lists count by their first value there, and whole in "all attributes", a naive Bayes.
    """
    labels = list(labels)
    found: dict[str, Any] = {}
    for key in sorted({key for record in records for key in record.get("attributes", {})}):
        have = [i for i, record in enumerate(records) if values_of(record, key)]
        if len(have) < 2 * FOLDS:
            continue
        words = [values_of(records[i], key)[0] for i in have]
        own = [labels[i] for i in have]
        groups = [group_of(records[i]) for i in have]
        if len(set(groups)) < FOLDS:
            continue
        by_value: dict[str, Counter[int]] = defaultdict(Counter)
        for word, label in zip(words, own):
            by_value[word][label] += 1
        found[key] = {
            "images": len(have),
            "coverage": len(have) / len(records),
            "values": len(by_value),
            "prior": max(Counter(own).values()) / len(own),
            "seen": sum(max(counts.values()) for counts in by_value.values()) / len(own),
            "held out": _held_out(words, own, group_folds(own, groups, FOLDS)),
            "telling": _telling(by_value, names),
        }
    if found:
        found["all attributes"] = _all_together(records, labels)
    return found


def values_of(record: dict[str, Any], key: str) -> list[str]:
    """The values of one attribute as words: a list as it is, anything else as a list of one."""
    value = record.get("attributes", {}).get(key)
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def group_of(record: dict[str, Any]) -> str:
    """The group that must not be torn apart: the record's own, else the sample alone."""
    return record["source"].get("group") or record["id"]


def _held_out(words: list[str], labels: list[int], fold: np.ndarray) -> float:
    right = 0
    for each in range(FOLDS):
        table: dict[str, Counter[int]] = defaultdict(Counter)
        everything: Counter[int] = Counter()
        for word, label, where in zip(words, labels, fold):
            if where != each:
                table[word][label] += 1
                everything[label] += 1
        common = everything.most_common(1)[0][0]
        right += sum(
            (table[word].most_common(1)[0][0] if word in table else common) == label
            for word, label, where in zip(words, labels, fold)
            if where == each
        )
    return right / len(labels)


def _telling(by_value: dict[str, Counter[int]], names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for word, counts in by_value.items():
        label, count = counts.most_common(1)[0]
        total = sum(counts.values())
        if total >= SUPPORT and count >= TELLING * total:
            rows.append({"value": word, "label": names[label], "share": count / total, "images": total})
    return sorted(rows, key=lambda row: (-row["images"], row["value"]))[:20]


def _all_together(records: Sequence[dict[str, Any]], labels: list[int]) -> dict[str, Any]:
    """Naive Bayes with add-one smoothing on every `attribute=value` that is there, held out by groups."""
    bags = [
        {f"{key}={value}" for key in record.get("attributes", {}) for value in values_of(record, key)}
        for record in records
    ]
    fold = group_folds(labels, [group_of(record) for record in records], FOLDS)
    classes = sorted(set(labels))
    right = 0
    for each in range(FOLDS):
        size: Counter[int] = Counter()
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for bag, label, where in zip(bags, labels, fold):
            if where != each:
                size[label] += 1
                counts[label].update(bag)
        whole = sum(size.values())
        for bag, label, where in zip(bags, labels, fold):
            if where == each:
                merit = {
                    c: math.log((size[c] + 1) / (whole + len(classes)))
                    + sum(math.log((counts[c][word] + 1) / (size[c] + 2)) for word in bag)
                    for c in classes
                }
                right += max(classes, key=lambda c: merit[c]) == label
    return {
        "images": len(records),
        "coverage": sum(map(bool, bags)) / len(records),
        "prior": max(Counter(labels).values()) / len(labels),
        "held out": right / len(labels),
    }
