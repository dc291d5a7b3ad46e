"""What the App's Annotate tab offers for each field: a choice of classes, checkboxes, a slider, a text."""

from typing import Any

from ..datasets.taxonomy import LabelSpace
from .documents import AXES, NOTES, REASON, REVIEW, Fields

FEW = 16  # up to so many choices all are shown at once; of more one is typed and picked
MANY = 200  # distinct values of an attribute; beyond, it is a free text


def label_schemas(
    fields: Fields, space: LabelSpace | None, values: dict[str, list[Any]]
) -> dict[str, dict[str, Any]]:
    """FiftyOne's label schemas of what people may change, in the order in which the tab shows them.

    values: by path of an attribute, what stands in it anywhere; those with none or too many take any text.
    """
    found: dict[str, dict[str, Any]] = {}
    if space is not None and "emotion" in fields:
        shape = {"type": "classification", "component": _one(space.names), "classes": list(space.names)}
        found["emotion"] = {**shape, "attributes": []}
    if space is not None and "emotions" in fields:
        found["emotions"] = _choice("list<str>", list(space.names))
    for axis in AXES:
        if axis in fields:
            found[axis] = {"type": "float", "component": "slider", "range": [-1, 1]}
    for path, kind in fields.items():
        if path.startswith("attributes."):
            found[path] = _attribute(kind, values.get(path, []))
    found["review_status"] = _choice("str", list(REVIEW))
    for name in (REASON, *NOTES):
        if name not in (*found, "tags"):
            found[name] = {"type": "str", "component": "text"}
    return found


def _attribute(kind: str, values: list[Any]) -> dict[str, Any]:
    if kind == "bool":
        return {"type": "bool", "component": "toggle"}
    if kind in ("int", "float"):
        return {"type": kind, "component": "text"}
    known = sorted(value for value in values if value)
    kind = "list<str>" if kind == "list" else "str"
    return _choice(kind, known) if 0 < len(known) <= MANY else {"type": kind, "component": "text"}


def _choice(kind: str, values: list[str]) -> dict[str, Any]:
    component = _one(values)
    if kind == "list<str>" and component == "radio":
        component = "checkboxes"
    return {"type": kind, "component": component, "values": values}


def _one(values: Any) -> str:
    return "radio" if len(values) <= FEW else "dropdown"
