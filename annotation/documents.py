"""Records as the App shows them: which fields, and what stands in them. Nothing here needs FiftyOne.

A document is laid out as FiftyOne stores and exports it, which is its own affair and not a promise: a test
that loads documents and edits them stands guard over that.
"""

import base64
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.taxonomy import LabelSpace, class_index, distribution
from .findings import Fields, Predicted

if TYPE_CHECKING:
    from ..evaluation.predictions import Kind

Record = Mapping[str, Any]

REVIEW = ("accept", "reject", "unsure")
# What a curator says beside the labels, and the attribute that an overlay keeps it in.
NOTES = {
    "review_status": "review_status",
    "review_comment": "review_comment",
    "tags": "review_tags",
}
REASON = "reason"  # why something was changed: it stands in the overlay beside the edit
BOXES = ("persons", "faces")
SAID = 0.5  # from which probability on a class counts as predicted, where several can be
AXES = ("valence", "arousal", "dominance")
_TELLING = ("labels", "vad", "annotations", "captions", "overrides")  # keys that tell what people said
_OPEN = ("apache", "mit", "bsd", "cc0", "cc-by-4", "cc-by-3", "cc-by-2", "cc-by-sa", "public-domain")
_ALWAYS: Fields = {
    "identifier": "str",
    "split": "str",
    "place": "int",
    "source.dataset": "str",
    "source.path": "str",
    "source.licence": "str",
    "source.group": "str",
    "valence": "float",
    "arousal": "float",
    "review_status": "str",
    "review_comment": "str",
    REASON: "str",
    "edits": "int",
}


def survey(records: Iterable[Record], space: LabelSpace | None) -> Fields:
    """The fields that these records ask for. Where values of an attribute differ in type, it is text."""
    fields = dict(_ALWAYS)
    kinds: dict[str, set[str]] = {}
    for record in records:
        label = _label(record, space)
        if "classes" in label:
            fields["emotions"] = "list"
        elif space is not None:
            fields["emotion"] = "classification"
        if "votes" in label or "distribution" in label or record.get("annotations"):
            fields |= {"shares": "dict", "disagreement": "float"}
        if "dominance" in record.get("vad", {}):
            fields["dominance"] = "float"
        if record.get("annotations"):
            fields["raters"] = "list"
        if record.get("captions"):
            fields["captions"] = "list"
        if record.get("persons") is not None:
            fields |= {"persons": "detections", "people": "int"}
        if record.get("faces") is not None:
            fields["faces"] = "detections"
        for name, value in record.get("attributes", {}).items():
            if name not in NOTES.values():
                kinds.setdefault(name, set()).add(_kind(value))
    attributes = {f"attributes.{name}": _common(found) for name, found in sorted(kinds.items())}
    return fields | {path: kind for path, kind in attributes.items() if _can_be_shown(path)}


def blinded(record: Record, space: LabelSpace | None, split: str, place: int) -> dict[str, Any]:
    """A record that does not tell what anybody said of it: what a rater sees who is to answer for themselves.

    Its id and path are hidden, too: many datasets have the class in them.
    """
    known = {key: value for key, value in record.items() if key not in _TELLING}
    source = {key: value for key, value in record.get("source", {}).items() if key in ("dataset", "licence")}
    persons = {
        name: [{key: value for key, value in each.items() if key not in _TELLING} for each in record[name]]
        for name in BOXES
        if record.get(name) is not None
    }
    attributes = {
        key: value for key, value in record.get("attributes", {}).items() if key not in NOTES.values()
    }
    several = space is not None and "classes" in _label(record, space)
    labels = {space.name: {"classes": []}} if space is not None and several else {}
    hidden = {"attributes": attributes, "source": source, "labels": labels, "id": f"{split} {place}"}
    return {**known, **persons, **hidden}


def editable(record: Record, space: LabelSpace | None, fields: Fields) -> dict[str, Any]:
    """What people may change of a record, by field: values as the App shows them, None where nothing is
    known. Lists are sorted, because the App puts them in another order."""
    label, attributes = _label(record, space), record.get("attributes", {})
    found: dict[str, Any] = {}
    if "emotion" in fields and space is not None:
        place = class_index(record, space)
        found["emotion"] = None if place is None else space.names[place]
    if "emotions" in fields:
        found["emotions"] = sorted(label["classes"]) if "classes" in label else None
    found |= {axis: record.get("vad", {}).get(axis) for axis in AXES if axis in fields}
    for field, attribute in NOTES.items():
        found[field] = attributes.get(attribute)
    found["tags"] = sorted(found["tags"] or [])
    for path, kind in fields.items():
        if path.startswith("attributes."):
            found[path] = _shown(attributes.get(path.removeprefix("attributes.")), kind)
    return found


def document(
    record: Record, space: LabelSpace | None, fields: Fields, ids: Iterator[str], more: Mapping[str, Any]
) -> dict[str, Any]:
    """The document of a record, JSON-able.

    ids: object ids, 24 hexadecimal digits each, to be used up. more: fields that are not in the record
    (filepath, split, place, findings), as they are to stand in the document.
    """
    source, values = record.get("source", {}), editable(record, space, fields)
    width, height = record.get("width"), record.get("height")
    attributes = {path.partition(".")[2]: values[path] for path in fields if path.startswith("attributes.")}
    known: dict[str, Any] = {
        "_id": {"$oid": next(ids)},
        "_media_type": "image",
        "tags": values.pop("tags"),
        "metadata": {"_cls": "ImageMetadata", "width": width, "height": height} if width and height else None,
        "identifier": record["id"],
        "source": {"_cls": "DynamicEmbeddedDocument"}
        | {key: source.get(key) for key in ("dataset", "path", "licence", "group")},
        "edits": len(record.get("overrides", [])),
        **{key: value for key, value in values.items() if not key.startswith("attributes.")},
        **more,
    }
    if attributes:
        known["attributes"] = {"_cls": "DynamicEmbeddedDocument", **attributes}
    if "emotion" in fields:
        known["emotion"] = classification(values["emotion"], next(ids))
    if "shares" in fields and space is not None and (found := _shares(record, space)):
        known["shares"] = {name: round(share, 4) for name, share in zip(space.names, found) if share}
        known["disagreement"] = _entropy(found)
    for field in BOXES:
        if (places := boxes(record, field)) is not None:
            each = [
                detection(box, place, field, space, next(ids)) for box, place in zip(record[field], places)
            ]
            known[field] = {"_cls": "Detections", "detections": each}
    if record.get("persons") is not None:
        known["people"] = len(record["persons"])
    if record.get("captions"):
        known["captions"] = [_said(each.get("emotion"), each["text"]) for each in record["captions"]]
    if record.get("annotations"):
        known["raters"] = [_rating(each, space) for each in record["annotations"]]
    return known


def classification(label: str | None, identifier: str, **more: Any) -> dict[str, Any] | None:
    """A FiftyOne Classification; None without a label."""
    if label is None:
        return None
    return {"_id": {"$oid": identifier}, "_cls": "Classification", "tags": [], "label": label, **more}


def boxes(record: Record, field: str) -> list[list[float]] | None:
    """The boxes of persons or faces as FiftyOne has them, [x, y, w, h] as shares of the image; None where
    nobody looked or the image's size is not known."""
    width, height = record.get("width"), record.get("height")
    if record.get(field) is None or not width or not height:
        return None
    corners = [each["box"] for each in record[field]]
    return [[x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height] for x1, y1, x2, y2 in corners]


def detection(
    known: Mapping[str, Any], box: list[float], what: str, space: LabelSpace | None, identifier: str
) -> dict[str, Any]:
    """A FiftyOne Detection of a person or face, named by its own label where it has one."""
    label = _label(known, space)
    named = [label["class"]] if "class" in label else label.get("classes", [])
    return {
        "_id": {"$oid": identifier},
        "_cls": "Detection",
        "tags": [],
        "label": ", ".join(named) or what.removesuffix("s"),
        "bounding_box": box,
        "confidence": known.get("score"),
    }


def predictions(said: Mapping["Kind", Predicted], ids: Iterator[str]) -> dict[str, Any]:
    """The fields of what was predicted of a sample: a Classification with confidence and logits, several
    Classifications (each class of a probability from 0.5 on), or `predicted_valence` and the like."""
    fields: dict[str, Any] = {}
    for kind, (classes, outputs, shares) in said.items():
        if kind == "vad":
            values = zip(classes, shares.tolist())
            fields |= {f"predicted_{axis}": round(value, 4) for axis, value in values}
        elif kind == "multilabel":
            likely = [(name, share) for name, share in zip(classes, shares.tolist()) if share >= SAID]
            each = [classification(name, next(ids), confidence=share) for name, share in likely]
            fields["prediction"] = {"_cls": "Classifications", "classifications": each}
        else:
            best = int(shares.argmax())
            logits = vector(outputs.astype(np.float32))
            facts = {"confidence": float(shares[best]), "logits": logits}
            fields["prediction"] = classification(classes[best], next(ids), **facts)
    return fields


def vector(values: np.ndarray) -> dict[str, Any]:
    """A 1-D array as FiftyOne stores it: a compressed .npy."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    content = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"$binary": {"base64": content, "subType": "00"}}


def is_open(licence: str | None) -> bool:
    """Whether a licence, by its first words, lets anyone use and pass on the image; unknown ones do not."""
    return (licence or "").casefold().replace(" ", "-").startswith(_OPEN)


def _label(record: Record, space: LabelSpace | None) -> Mapping[str, Any]:
    return record.get("labels", {}).get(space.name) or {} if space else {}


def _shares(record: Record, space: LabelSpace) -> list[float] | None:
    """How the raters' answers are spread over the classes: the label's own shares, else counted."""
    label = _label(record, space)
    if "votes" in label or "distribution" in label:
        return distribution(record, space)
    said = [_label(each, space) for each in record.get("annotations") or []]
    counts = Counter(name for each in said for name in ([each["class"]] if "class" in each else []))
    return [counts[name] / counts.total() for name in space.names] if counts else None


def _entropy(shares: list[float]) -> float:
    """0 where all agree, 1 where every class has an equal share."""
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0)
    return max(0.0, entropy / math.log(len(shares))) if len(shares) > 1 else 0.0


def _rating(annotation: Mapping[str, Any], space: LabelSpace | None) -> str:
    label = _label(annotation, space)
    answer = [label["class"]] if "class" in label else list(label.get("classes", []))
    answer += [f"{axis} {value:g}" for axis, value in (annotation.get("vad") or {}).items()]
    return _said(annotation.get("annotator"), ", ".join(answer) or "—")


def _said(who: str | None, what: str) -> str:
    return f"{who}: {what}" if who else what


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return type(value).__name__ if isinstance(value, bool | int | float) else "str"


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    if "list" in kinds:
        return "list"
    return "float" if kinds == {"int", "float"} else "str"


def _can_be_shown(path: str) -> bool:
    # A dot would lead into another field here, and into another mapping in an overlay.
    name = path.removeprefix("attributes.")
    return "." not in name and not name.startswith(("_", "$")) and bool(name)


def _shown(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "list":
        return sorted(map(str, value)) if isinstance(value, list) else [str(value)]
    return str(value) if kind == "str" else value
