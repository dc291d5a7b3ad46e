"""The registry as people read it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..foundation.errors import UserError
from .places import WEIGHTS, cached
from .registry import Entry

COLUMNS = ("name", "kind", "says", "MB", "licence", "here")


def table(there: Mapping[str, Entry]) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
    """(columns, rows), one a release."""
    rows = [
        (
            entry.name,
            entry.kind,
            ", ".join(head.space or head.kind for head in entry.heads.values()) or "features",
            entry.bytes / 10**6,
            entry.licence,
            "yes" if cached(entry).is_dir() or (WEIGHTS / entry.name).is_dir() else "no",
        )
        for entry in there.values()
    ]
    return COLUMNS, rows


def describe(there: Mapping[str, Entry], names: Sequence[str]) -> list[dict[str, Any]]:
    """All that the registry says of some; UserError for a name it has not."""
    if unknown := [name for name in names if name not in there]:
        raise UserError(
            f"{unknown[0]}: no such checkpoint; there are {', '.join(there) or 'none at all yet'}"
        )
    return [_described(there[name]) for name in names]


def _described(entry: Entry) -> dict[str, Any]:
    given = entry.preprocessing
    return {
        "name": entry.name,
        "kind": entry.kind,
        "architecture": str(entry.architecture.get("name", "")),
        "parameters": f"{entry.parameters:,}, stored in {entry.dtype}",
        "input": f"{given.image_size} pixels a side, {given.interpolation}",
        **{f"says {name}": head.classes for name, head in entry.heads.items()},
        "measured": [
            f"{each.head or ''} {each.metric} {each.value:.3f} ({each.data}, {each.split})".strip()
            for each in entry.metrics
        ],
        "trained on": entry.training_data,
        "licence": entry.licence,
        "intended use": entry.intended_use,
        "limits": list(entry.limits),
        "files": [f"{file.path} ({file.bytes:,} bytes)" for file in entry.files],
        "mirrors": list(entry.mirrors),
        "here": str(cached(entry)) if cached(entry).is_dir() else "",
    }
