"""The part of a Croissant file that describes records: a field for every thing that records know."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .facts import EACH, Facts, Known

DATA_TYPES = {"bool": "sc:Boolean", "int": "sc:Integer", "float": "sc:Float", "str": "sc:Text"}
RECORD_FILES = "record-files"


def records(facts: Facts, spaces: list[str]) -> dict[str, Any]:
    """The record set `records`. spaces: the label spaces that have a record set of their classes."""
    known = {path: found for path, found in facts.known.items() if found.types}
    key = field(
        "records/key",
        "sc:Text",
        description="The same as in images-SPLIT.",
        source={
            "fileSet": {"@id": RECORD_FILES},
            "extract": {"fileProperty": "filename"},
            "transform": {"regex": r"^(.+)\.json$"},
        },
    )
    what = "What is known of each image. Absent knowledge is an absent key."
    return {
        **record_set("records", what, "records/key"),
        "field": [key, *_fields(known, (), spaces, {"records/key"})],
    }


def _fields(
    known: Mapping[tuple[str, ...], Known], above: tuple[str, ...], spaces: list[str], taken: set[str]
) -> Iterator[dict[str, Any]]:
    """The fields below a path: one a leaf, and for a list of objects one with sub-fields."""
    lists: set[tuple[str, ...]] = set()
    for path, found in known.items():
        if path[: len(above)] != above:
            continue
        below = path[len(above) :]
        if EACH not in below:
            yield _leaf(path, found, spaces, taken)
            continue
        inner = (*above, *below[: below.index(EACH) + 1])
        if inner not in lists:
            lists.add(inner)
            yield {
                "@type": "cr:Field",
                "@id": _identifier(inner[:-1], taken),
                "name": _name(inner),
                "isArray": True,
                "arrayShape": "-1",
                "subField": list(_fields(known, inner, spaces, taken)),
            }


def _leaf(path: tuple[str, ...], found: Known, spaces: list[str], taken: set[str]) -> dict[str, Any]:
    kind: Any = _data_type(found.types)
    source: dict[str, Any] = {"fileSet": {"@id": RECORD_FILES}, "extract": {"jsonPath": _json_path(path)}}
    more: dict[str, Any] = _array(found.shapes - {()})
    what = ""
    if path[-1] == "box":
        kind, more, source["format"] = "cr:BoundingBox", {}, "XYXY"
        what = "[x1, y1, x2, y2] in pixels of the displayed image. "
    elif path[-2:-1] == ("vad",):
        what = "From -1 to 1. "
    elif path[-3:-2] == ("labels",) and path[-2] in spaces:
        classes = label_set(path[-2])
        kind = [kind, "cr:Label"]
        if path[-1] in ("class", "classes"):
            what = f"The {path[-1]} in {path[-2]}. "
            more["references"] = {"field": {"@id": f"{classes}/name"}}
        else:
            what = f"The {path[-1]} over {path[-2]}, in the order of {classes}. "
    more["description"] = f"{what}Given {found.count:,} times."
    return {**field(_identifier(path, taken), kind, source=source, **more), "name": _name(path)}


def _array(shapes: set[tuple[int, ...]]) -> dict[str, Any]:
    """isArray and arrayShape of lists of these shapes; -1 where they differ. Nothing of no lists."""
    if not shapes:
        return {}
    if len({len(shape) for shape in shapes}) > 1:
        return {"isArray": True, "arrayShape": "-1"}
    sides = (str(sizes[0]) if len(set(sizes)) == 1 else "-1" for sizes in zip(*shapes))
    return {"isArray": True, "arrayShape": ",".join(sides)}


def _name(path: tuple[str, ...]) -> str:
    return "/".join(step for step in path if step != EACH)


def _data_type(types: set[str]) -> str:
    if types == {"int", "float"}:
        return "sc:Float"
    return DATA_TYPES.get(next(iter(types)), "sc:Text") if len(types) == 1 else "sc:Text"


def _json_path(path: tuple[str, ...]) -> str:
    """`$['persons'][*]['box']`: brackets, because what attributes are called is anybody's choice."""
    quoted = (step.replace("\\", "\\\\").replace("'", "\\'") for step in path)
    return "$" + "".join(step if step == EACH else f"['{step}']" for step in quoted)


def _identifier(path: tuple[str, ...], taken: set[str]) -> str:
    """`records/labels/mikels8/class`; an identifier is an IRI, so other signs become `_`."""
    plain = "/".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", step) for step in path if step != EACH)
    identifier, repeats = f"records/{plain}", 1
    while identifier in taken:
        repeats += 1
        identifier = f"records/{plain}-{repeats}"
    taken.add(identifier)
    return identifier


def label_set(space: str) -> str:
    return f"labels-{space}"


def record_set(name: str, description: str, key: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": key},
    }


def field(identifier: str, kind: Any, **more: Any) -> dict[str, Any]:
    name = identifier.partition("/")[2]
    return {"@type": "cr:Field", "@id": identifier, "name": name, "dataType": kind, **more}
