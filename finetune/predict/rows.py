"""A row for each face, picture or frame: what was looked at, what the model said, or why it said nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "no_face", "skipped", "blank", "failed", "unreadable", "incomplete"]
"""skipped: a face outside the limits asked for. blank: a frame of one colour. failed: what the model gave is
no number (NaN). unreadable: nothing could be decoded. incomplete: after the last row of a video of which a
part could not be decoded. All have a reason."""
COLUMNS = ("path", "frame", "time", "status", "reason", "track", "score")
CORNERS = ("x1", "y1", "x2", "y2")
POINTS = ("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner")


@dataclass(slots=True)
class Row:
    """frame: its number in the file, from 0; time: seconds from the video's start; both None for pictures.

    Of a face: box x1, y1, x2, y2 and landmarks (see POINTS, the person's own right and left) in pixels of the
    displayed frame, the detector's score, and the track's number. said: head → what `answer` makes of it.
    features: [W], where they are asked for; no column of any table.
    """

    path: str
    frame: int | None
    time: float | None
    status: Status
    reason: str | None = None
    track: int | None = None
    box: list[float] | None = None
    score: float | None = None
    landmarks: list[list[float]] | None = None
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    features: Any = None

    def nested(self) -> dict[str, Any]:
        """As a JSON object: the heads stand beside the facts, under their own names below `heads`."""
        facts = {name: getattr(self, name) for name in (*COLUMNS, "box", "landmarks")}
        return facts | {"heads": self.said}


def answer(said: Any, head: Mapping[str, Any], abstain: float) -> dict[str, Any]:
    """A row of `Predictor.__call__`, float64 [C], by name; a text (of kind: art) as it is.

    Of vad: axis → value. Else `class` and `confidence` (of several classes at once: of the likeliest),
    `abstain`, whether that is below the limit, and `probabilities`. Rounded to a millionth.
    """
    if head["kind"] == "text":
        return dict(said)
    values = {name: round(value, 6) for name, value in zip(head["classes"], said.tolist())}
    if head["kind"] == "vad":
        return values
    first = max(values, key=values.__getitem__)
    return {
        "class": first,
        "confidence": values[first],
        "abstain": values[first] < abstain,
        "probabilities": values,
    }


def columns(heads: Mapping[str, Mapping[str, Any]]) -> dict[str, type]:
    """The columns of a table of rows and their types, in order; the same for every row of a run."""
    found: dict[str, type] = dict(zip(COLUMNS, (str, int, float, str, str, int, float)))
    found |= {f"box.{corner}": float for corner in CORNERS}
    found |= {f"landmarks.{point}.{axis}": float for point in POINTS for axis in "xy"}
    for name, head in heads.items():
        if head["kind"] in ("vad", "text"):
            kind = float if head["kind"] == "vad" else str
            found |= {f"{name}.{part}": kind for part in head["classes"]}
            continue
        found |= {f"{name}.class": str, f"{name}.confidence": float, f"{name}.abstain": bool}
        found |= {f"{name}.probabilities.{label}": float for label in head["classes"]}
    return found


def flat(row: Row) -> dict[str, Any]:
    """Column → value, without those that have none."""
    return {name: value for name, value in _flat(row) if value is not None}


def _flat(row: Row) -> Iterator[tuple[str, Any]]:
    yield from ((name, getattr(row, name)) for name in COLUMNS)
    yield from ((f"box.{corner}", value) for corner, value in zip(CORNERS, row.box or ()))
    for point, place in zip(POINTS, row.landmarks or ()):
        yield from ((f"landmarks.{point}.{axis}", value) for axis, value in zip("xy", place))
    for name, said in row.said.items():
        for key, value in said.items():
            if key == "probabilities":
                yield from ((f"{name}.probabilities.{label}", each) for label, each in value.items())
            else:
                yield f"{name}.{key}", value
