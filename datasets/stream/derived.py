"""Labels derived as records are read: further label spaces, through the label maps.

A record keeps its own labels and is never given a second one of a space it has. Ambiguous rows are dropped
(our choice: the first of several targets would be a guess), so a record whose class is ambiguous or dropped
lacks the derived label.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..taxonomy import LabelMap, label_map

Spaces = Mapping[str, str | Sequence[str]]
"""Source space → the space, or the spaces, to derive from it."""


def label_maps(spaces: Spaces) -> tuple[LabelMap, ...]:
    """The maps that `spaces` asks for, in its order. Raises UserError for one that does not exist."""
    return tuple(
        label_map(source, target)
        for source, targets in spaces.items()
        for target in ([targets] if isinstance(targets, str) else targets)
    )


def derive(record: dict[str, Any], maps: Sequence[LabelMap]) -> None:
    """Add to `record`, in place, the labels that follow from its own.

    Of several maps into one space the first that gives a label counts. A continuous target (vad) gives the
    record's `vad`. Raises UserError: a label that is not one of its space.
    """
    labels = record.get("labels") or {}
    own = dict(labels)
    for each in maps:
        source, target = each.source.name, each.target.name
        place, key = (record, "vad") if each.target.continuous else (labels, target)
        if own.get(source) and not place.get(key):
            derived = each.apply(own[source])
            if derived is not None:
                place[key] = derived


@dataclass(frozen=True)
class DerivingView:
    """A stream view that is shown derived labels, too: for streams that open no `ShardSet`."""

    view: Callable[..., dict[str, Any]]
    maps: tuple[LabelMap, ...]

    def __call__(self, image_loader: Any, record: dict[str, Any], seed: int) -> dict[str, Any]:
        derive(record, self.maps)
        return self.view(image_loader, record, seed)


def maps_fingerprint(maps: Sequence[LabelMap]) -> str:
    """sha256 over what the maps do, "" without any: a corrected table makes other data."""
    if not maps:
        return ""
    told = [
        [
            [each.source.name, each.source.version, each.target.name, each.target.version],
            sorted((name, row.kind, row.to, dict(row.point or {})) for name, row in each.rows.items()),
        ]
        for each in maps
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
