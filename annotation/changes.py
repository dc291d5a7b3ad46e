"""What a person changed, as lines of an overlay, checked before anything is written. Without FiftyOne."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..datasets.sample import Sample
from ..datasets.stream.overlay import Overlay
from ..datasets.taxonomy import LabelSpace
from .documents import AXES, NOTES, REVIEW, Record

WHY = "curated in the FiftyOne App"
DELETED = "deleted in the FiftyOne App"


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The fields whose values differ, with the values after. Lists are sets: the App reorders them, and an
    empty one is none. So is an empty text."""
    return {name: after[name] for name in before if _plain(after[name]) != _plain(before[name])}


def overlay_values(record: Record, space: LabelSpace | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Changed fields as an overlay's `set`: dotted paths into the record; null takes away what is there."""
    found: dict[str, Any] = {}
    for field, value in fields.items():
        value = _plain(value)
        if field == "emotion" and space is not None:
            found |= _class(record, space, value)
        elif field == "emotions" and space is not None:
            found[f"labels.{space.name}"] = {"classes": list(value)} if value else None
        elif field in AXES:
            found[f"vad.{field}"] = value
        else:
            key = f"attributes.{NOTES[field]}" if field in NOTES else field
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _class(record: Record, space: LabelSpace, name: str | None) -> dict[str, Any]:
    """A class in place of a class; votes and shares give way to it as a whole."""
    key, label = f"labels.{space.name}", record.get("labels", {}).get(space.name) or {}
    if name is None:
        return {key: None}
    return {f"{key}.class": name} if not label or "class" in label else {key: {"class": name}}


def problems(record: Record, space: LabelSpace | None, values: Mapping[str, Any]) -> list[str]:
    """Why a record with these `overlay_values` would not be valid; empty if it would."""
    status = values.get(f"attributes.{NOTES['review_status']}")
    found = [] if status is None or status in REVIEW else [f"review_status {status!r} is none of {REVIEW}"]
    if space is not None:
        given = [values.get(f"labels.{space.name}.class")]
        label = values.get(f"labels.{space.name}") or {}
        given += [label.get("class"), *label.get("classes", [])]
        unknown = [name for name in given if name is not None and name not in space.names]
        if unknown:
            return [*found, *(f"{space.name} has no class {name!r}" for name in unknown)]
    edited = Overlay(Path("the edits"), {record["id"]: [{"set": dict(values)}]}).apply(dict(record))
    before = _faults(record)  # what was wrong all along is not this person's
    return found + [fault for fault in _faults(edited) if fault not in before]


def line(record: Record, values: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an overlay; about: by, when, why. `was` says what stood there when it was changed."""
    was = {key: _at(record, key) for key in values}
    return {"id": record["id"], "set": dict(values), "was": was, **about}


def lines_bytes(lines: list[dict[str, Any]]) -> bytes:
    """The lines of an overlay file."""
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in lines)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(sorted(map(str, value))) or None
    return None if value == "" else value


def _at(record: Record, key: str) -> Any:
    place: Any = record
    for part in key.split("."):
        place = place.get(part) if isinstance(place, Mapping) else None
    return place


def _faults(record: Record) -> list[str]:
    try:
        Sample.from_record(dict(record))
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return []
