"""What others said of the samples: the attributes that the user named, by sample id."""

import bisect
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...datasets.stream import ShardSet
from ...foundation.errors import UserError

MANY = 30  # values of an attribute from which on it is numbers to bin, or names, rather than groups
Values = Mapping[str, Sequence[str | None]]
"""Attribute → its value for every sample asked for, in their order; None where nobody says."""


def read_attributes(
    names: Sequence[str],
    ids: Sequence[str],
    table: Path | None,
    records: Iterable[Mapping[str, Any]],
    bins: Mapping[str, Sequence[float]],
    where: str,
) -> Values:
    """The values of `names` for the samples `ids`, from a CSV, or else from the records of a shard set.

    A record's attribute is looked for among its `attributes`, then among its own keys, which is where
    sidecars put theirs. `bins` turn numbers into groups; `where` names the records in messages.

    Raises UserError: no such column, an id twice with different values, no sample known at all, lists, or
    more than `MANY` values.
    """
    rows = _of_table(table, names) if table is not None else _of_records(records, names)
    source = str(table) if table is not None else where
    if not any(each in rows for each in ids):
        theirs = next(iter(rows), None)
        raise UserError(
            f"{source}: has none of the {len(ids)} samples of the predictions (ids like {ids[0]!r}); "
            + ("it is empty" if theirs is None else f"its own are like {theirs!r}")
        )
    found: dict[str, list[str | None]] = {}
    for name in names:
        raw = [rows.get(each, {}).get(name) for each in ids]
        if all(value is None for value in raw):
            raise UserError(f"{source}: no sample of the predictions has the attribute {name!r}")
        found[name] = [_group(name, value, bins.get(name), source) for value in raw]
        if len(several := sorted({value for value in found[name] if value is not None})) > MANY:
            raise UserError(
                f"{source}: {name} has {len(several)} values, such as {', '.join(several[:3])}; groups of "
                f"numbers need bins.{name}=[…]"
            )
    return found


def open_records(
    shards: Path | None, split: str, sidecars: Sequence[str]
) -> tuple[Iterable[Mapping[str, Any]], str]:
    """(records of a split, what to call them). Raises UserError: no such set, or split."""
    if shards is None:
        return (), ""
    opened = ShardSet(shards, sidecars=sidecars)
    if split not in opened.splits:
        raise UserError(f"{shards}: no split {split!r}, only {', '.join(opened.splits)}")
    return opened.records(split), f"{shards}, split {split}"


def _of_table(path: Path, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            if missing := [name for name in ("id", *names) if name not in columns]:
                raise UserError(f"{path}: no column {missing[0]!r}, only {', '.join(columns) or 'nothing'}")
            rows: dict[str, dict[str, str | None]] = {}
            for row in reader:
                values = {name: (row[name] or "").strip() or None for name in names}
                if rows.setdefault(row["id"], values) != values:
                    raise UserError(f"{path}: line {reader.line_num}: another value for the id {row['id']!r}")
            return rows
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV in UTF-8 ({error})") from None


def _of_records(records: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        record["id"]: {name: (record.get("attributes") or {}).get(name, record.get(name)) for name in names}
        for record in records
    }


def _group(name: str, value: Any, edges: Sequence[float] | None, source: str) -> str | None:
    if value is None:
        return None
    if edges is not None:
        try:
            return _bin(float(value), sorted(edges))
        except (TypeError, ValueError):
            raise UserError(f"{source}: {name} has bins, but a value {value!r} that is no number") from None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    raise UserError(f"{source}: {name} holds lists or tables, of which no groups can be made")


def _bin(value: float, edges: Sequence[float]) -> str | None:
    if value != value:
        return None
    place = bisect.bisect_right(edges, value)
    if place == 0:
        return f"below {edges[0]:g}"
    return f"{edges[-1]:g} and above" if place == len(edges) else f"{edges[place - 1]:g} to {edges[place]:g}"
