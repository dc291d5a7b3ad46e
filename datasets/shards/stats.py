"""What is in a shard set, counted from its records."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ..remote import join, path_or_url
from ..taxonomy import class_index, label_space
from .layout import MANIFEST, finished_shards, has_manifest, read_records
from .splits import split_rank

MANY_CLASSES = 40  # in larger vocabularies only those that occur are listed
UNDECIDED = "(no single class)"


def stats(folder: Path | str) -> dict[str, Any]:
    """Counts of a shard set, also behind a URL, JSON-able: {"folder", "samples", "bytes", "splits": {…}}.

    Of every split: samples, shards, bytes; for every label space the samples of every class (votes and
    distributions count for their largest entry, several classes for each), and under "people" the same of
    labelled persons; for every attribute, and for vad, persons, captions and group, how many samples have it;
    the range of image sides. Raises UserError where the set is damaged or not finished.
    """
    folder = path_or_url(folder)
    splits: dict[str, dict[str, Any]] = {}
    visit_records(folder, lambda split, record: _count(splits.setdefault(split, _empty()), record))
    for line in finished_shards(folder).values():
        split = splits.setdefault(line["split"], _empty())
        split["shards"] += 1
        split["bytes"] += line["bytes"]
    for split in splits.values():
        for key in ("labels", "people"):
            split[key] = {space: _in_order(space, counts) for space, counts in sorted(split[key].items())}
        split["attributes"] = dict(sorted(split["attributes"].items()))
    return {
        "folder": str(folder),
        "samples": sum(split["samples"] for split in splits.values()),
        "bytes": sum(split["bytes"] for split in splits.values()),
        "splits": splits,
    }


def visit_records(folder: Path | str, visit: Callable[[str, dict[str, Any]], None]) -> None:
    """Call visit(split, record) for every sample as it is stored: train, val, test, then other splits.

    Raises UserError where the set is damaged (a record that `visit` cannot make sense of is) or not finished.
    """
    if not has_manifest(folder):
        raise UserError(f"{folder}: no finished shard set (no {MANIFEST})")
    shards = finished_shards(folder).values()
    for line in sorted(shards, key=lambda line: (split_rank(line["split"]), line["name"])):
        tar = join(folder, f"{line['name']}.tar")
        try:
            for record in read_records(tar):
                visit(line["split"], record)
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise UserError(
                f"{tar}: cannot be counted ({error}); run `vemo shards verify {folder}`"
            ) from None


def _empty() -> dict[str, Any]:
    known = {"vad": 0, "persons": 0, "captions": 0, "group": 0}
    return {
        "samples": 0,
        "shards": 0,
        "bytes": 0,
        "labels": {},
        "people": {},
        "attributes": Counter(),
        **known,
        "sides": None,
    }


def _count(split: dict[str, Any], record: dict[str, Any]) -> None:
    split["samples"] += 1
    for space in record.get("labels", {}):
        split["labels"].setdefault(space, Counter()).update(classes_of(record, space))
    for person in record.get("persons", []):
        for space in person.get("labels", {}):
            split["people"].setdefault(space, Counter()).update(classes_of(person, space))
    split["attributes"].update(record.get("attributes", {}).keys())
    for key in ("vad", "persons", "captions"):
        split[key] += key in record
    split["group"] += "group" in record["source"]
    low, high = sorted((record["width"], record["height"]))
    least, most = split["sides"] or (low, high)
    split["sides"] = [min(least, low), max(most, high)]


def classes_of(labelled: Mapping[str, Any], space: str) -> list[str]:
    """What a labelled record or person counts for: its class or its classes, or UNDECIDED."""
    label = labelled["labels"][space]
    if "classes" in label:
        return label["classes"]
    index = class_index(labelled, label_space(space))
    return [UNDECIDED if index is None else label_space(space).names[index]]


def _in_order(space: str, counts: Counter[str]) -> dict[str, int]:
    """Classes in the space's own order, those that never occur included: a zero is news."""
    ordered = {
        name: counts[name]
        for name in label_space(space).names
        if counts[name] or len(label_space(space)) <= MANY_CLASSES
    }
    return ordered | {name: count for name, count in counts.items() if name not in ordered}
