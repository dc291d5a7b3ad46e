"""Changes to many samples at once, each kept in a history so that it can be taken back.

What the plugin's operators do; they hand in a FiftyOne dataset and its execution store.
"""

import time
from collections.abc import Sequence
from typing import Any

from .documents import REASON

HISTORY = "vemo-history"  # the store's name


def change(dataset: Any, store: Any, identifiers: Sequence[str], values: dict[str, Any]) -> int:
    """Set fields of samples; returns how many differed. `emotion` takes a class's name, None removes it."""
    view = dataset.select(list(identifiers), ordered=True)
    columns = zip(*view.values(["id", *(_path(name) for name in values)]))
    before = {identifier: list(old) for identifier, *old in columns}
    wanted = list(values.values())
    touched = [identifier for identifier, old in before.items() if old != wanted]
    if touched:
        _write(dataset, dict.fromkeys(touched, wanted), list(values))
        entry = {"fields": list(values), "after": wanted, "before": {each: before[each] for each in touched}}
        store.set(f"{time.time_ns():020d}", entry)
    return len(touched)


def undo(dataset: Any, store: Any) -> tuple[int, int]:
    """Take back the last `change`: (samples restored, samples left because they were changed again since)."""
    keys = sorted(store.list_keys())
    if not keys:
        return 0, 0
    entry = store.get(keys[-1])
    names, before = entry["fields"], entry["before"]
    view = dataset.select(list(before), ordered=True)
    now = zip(*view.values(["id", *(_path(name) for name in names)]))
    same = [identifier for identifier, *values in now if values == entry["after"]]
    _write(dataset, {identifier: before[identifier] for identifier in same}, names)
    store.delete(keys[-1])
    return len(same), len(before) - len(same)


def next_ids(dataset: Any, count: int) -> list[str]:
    """The samples to look at next: those proposed for labelling by batch, then by priority, then the rest."""
    waiting = dataset.exists("review_status", False)
    schema = dataset.get_field_schema()
    if "review_priority" not in schema:
        return waiting.limit(count).values("id")
    rows = zip(*waiting.values(["id", "batch", "review_priority"]))
    ranked = sorted(rows, key=lambda row: (row[1] is None, row[1] or 0, -(row[2] or 0)))
    return [identifier for identifier, *_ in ranked[:count]]


def _path(name: str) -> str:
    return "emotion.label" if name == "emotion" else name


def _write(dataset: Any, rows: dict[str, list[Any]], names: list[str]) -> None:
    import fiftyone as fo  # pyright: ignore[reportMissingImports]

    view = dataset.select(list(rows), ordered=True)
    for place, name in enumerate(names):
        column = [row[place] for row in rows.values()]
        if name == "emotion":
            column = [None if label is None else fo.Classification(label=label) for label in column]
        view.set_values(name, column)


def reasoned(values: dict[str, Any], reason: str | None) -> dict[str, Any]:
    """The values to set, with why."""
    return values | ({REASON: reason} if reason else {})
