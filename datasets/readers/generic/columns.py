"""Which column means what: the mapping that the readers of other people's tables share.

A column name may hold dots, `json.meta.emotion`, where values lie inside one another. Everything that a
mapping names must exist: all mistakes are one line that lists the columns there are.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from ....foundation.config import Config
from ....foundation.errors import UserError
from ...taxonomy import LabelSpace, label_space
from .cells import absent, attribute_of, flag_of, items_of, jsonable, lookup, number_of

ManyColumns = str | dict[str, str]


class LabelColumns(Config):
    """Where the label in one label space stands: exactly one of class, classes, votes, distribution."""

    model_config = ConfigDict(populate_by_name=True)

    class_: str | None = Field(default=None, alias="class", description="the column with the class")
    classes: ManyColumns | None = Field(
        default=None,
        description="several classes at once: the column with their list (or text, see separator), or "
        "class: column of zeros and ones",
    )
    votes: ManyColumns | None = Field(
        default=None, description="whole numbers, class: column; or one column with a list (see names)"
    )
    distribution: ManyColumns | None = Field(
        default=None, description="shares that sum to 1 (or see normalise), given as votes are"
    )
    names: list[str] = Field(
        default=[], description="the source's own classes in its own order: what its numbers and lists mean"
    )
    synonyms: dict[str, str] = Field(
        default={}, description="value in the table: class of the label space, where it lacks that word"
    )
    unlabelled: list[str] = Field(default=[], description="values that mean that nobody labelled this image")
    separator: str = Field(default=",", min_length=1, description="between the items of a list given as text")
    normalise: bool = Field(default=False, description="divide a distribution by its sum")

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> "LabelColumns":
        if len(self._stated()) != 1:
            raise ValueError("must have exactly one of class, classes, votes, distribution")
        ((kind, columns),) = self._stated()
        if kind in ("votes", "distribution") and isinstance(columns, str) and not self.names:
            raise ValueError(f"must have names, the classes in the order of the list in {kind}")
        return self

    def _stated(self) -> list[tuple[str, ManyColumns]]:
        kinds = {
            "class": self.class_,
            "classes": self.classes,
            "votes": self.votes,
            "distribution": self.distribution,
        }
        return [(kind, columns) for kind, columns in kinds.items() if columns is not None]

    def used(self) -> Iterator[tuple[str, str]]:
        ((kind, columns),) = self._stated()
        if isinstance(columns, str):
            yield kind, columns
        else:
            yield from ((f"{kind}.{name}", column) for name, column in columns.items())

    def check(self, space: LabelSpace) -> None:
        """UserError where the mapping itself names a class that the label space lacks."""
        ((_, columns),) = self._stated()
        for name in [*self.synonyms.values(), *self.names, *(columns if isinstance(columns, dict) else ())]:
            space.canonical(self._word(name))

    def label(self, space: LabelSpace, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The label of one line, {"class": …} or its kin; None where nobody gave one. Raises UserError."""
        ((kind, columns),) = self._stated()
        if isinstance(columns, str):
            cell = values.get(columns)
            if absent(cell) or _text(cell) in self.unlabelled:
                return None
            if kind == "class":
                return {"class": self._canonical(space, cell)}
            items = items_of(cell, self.separator)
            if kind == "classes":
                found = [self._canonical(space, item) for item in items if not absent(item)]
                return {"classes": list(dict.fromkeys(found))}
            if len(items) != len(self.names):
                raise UserError(f"{columns} has {len(items)} values, there are {len(self.names)} names")
            cells = dict(zip(self.names, items))
        else:
            cells = {name: values.get(column) for name, column in columns.items()}
        if all(absent(cell) for cell in cells.values()):
            return None
        if kind == "classes":
            found = [self._canonical(space, name) for name, cell in cells.items() if flag_of(cell, name)]
            return {"classes": list(dict.fromkeys(found))}
        numbers = [0.0] * len(space)
        for name, cell in cells.items():  # by name: the source's order is its own
            numbers[space.index(self._word(name))] += number_of(cell, f"{kind} for {name}")
        return self._votes(numbers) if kind == "votes" else self._distribution(numbers)

    def _votes(self, numbers: list[float]) -> dict[str, Any] | None:
        if not all(number.is_integer() for number in numbers):
            raise UserError(f"votes are whole numbers, got {numbers}")
        return {"votes": [int(number) for number in numbers]} if any(numbers) else None

    def _distribution(self, numbers: list[float]) -> dict[str, Any]:
        total = math.fsum(numbers) if self.normalise else 1.0
        if total <= 0:
            raise UserError(f"a distribution that sums to {total:g} cannot be normalised")
        return {"distribution": [number / total for number in numbers]}

    def _canonical(self, space: LabelSpace, cell: Any) -> str:
        text = _text(cell)
        if text.isdecimal() and self._word(text) == text:
            if not self.names:
                raise UserError(f"{text} is a number: say in names which class of {space.name} it means")
            if int(text) >= len(self.names):
                raise UserError(f"{text} is beyond the {len(self.names)} names, which are counted from 0")
            text = self.names[int(text)]
        return space.canonical(self._word(text))

    def _word(self, text: str) -> str:
        return next(
            (name for word, name in self.synonyms.items() if word.casefold() == text.casefold()), text
        )


class VadColumns(Config):
    """Valence, arousal, dominance, rescaled linearly from `scale` to [-1, 1]."""

    valence: str | None = None
    arousal: str | None = None
    dominance: str | None = None
    scale: tuple[float, float] = Field(description="the source's lowest and highest value, such as [1, 9]")

    @model_validator(mode="after")
    def _rising(self) -> "VadColumns":
        if not self.scale[0] < self.scale[1]:
            raise ValueError("must have a scale of [lowest, highest]")
        return self

    def used(self) -> Iterator[tuple[str, str]]:
        axes = {"valence": self.valence, "arousal": self.arousal, "dominance": self.dominance}
        yield from ((axis, column) for axis, column in axes.items() if column is not None)

    def vad(self, values: Mapping[str, Any]) -> dict[str, float] | None:
        low, high = self.scale
        found = {}
        for axis, column in self.used():
            if not absent(values.get(column)):
                number = number_of(values[column], axis)
                if not low <= number <= high:
                    raise UserError(f"{axis} is {number:g}, outside the scale {low:g} to {high:g}")
                found[axis] = 2 * (number - low) / (high - low) - 1
        return found or None


class CaptionColumns(Config):
    """A text; where the column holds a list, so may the other two."""

    text: str
    emotion: str | None = None
    annotator: str | None = None

    def used(self) -> Iterator[tuple[str, str]]:
        columns = {"text": self.text, "emotion": self.emotion, "annotator": self.annotator}
        yield from ((key, column) for key, column in columns.items() if column is not None)

    def captions(self, values: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        cells = {key: values.get(column) for key, column in self.used()}
        texts = cells["text"] if isinstance(cells["text"], list) else [cells["text"]]
        for place, text in enumerate(texts):
            caption = {"text": text}
            for key in ("emotion", "annotator"):
                cell = cells.get(key)
                if isinstance(cell, list):
                    cell = cell[place] if place < len(cell) else None
                caption[key] = cell
            if not absent(text):
                yield {key: str(cell).strip() for key, cell in caption.items() if not absent(cell)}


class BoxColumns(Config):
    """Boxes in pixels: one column with one box or a list of them, or four columns."""

    box: str | list[str]
    format: Literal["xyxy", "xywh"] = Field(
        default="xyxy", description="left, top, right, bottom; or left, top, width, height"
    )

    @model_validator(mode="after")
    def _one_or_four(self) -> "BoxColumns":
        if isinstance(self.box, list) and len(self.box) != 4:
            raise ValueError("must have one column as box, or a list of four")
        return self

    def used(self) -> Iterator[tuple[str, str]]:
        columns = [self.box] if isinstance(self.box, str) else self.box
        yield from (("box", column) for column in columns)

    def boxes(self, values: Mapping[str, Any], size: tuple[int, int] | None) -> list[dict[str, Any]] | None:
        """[{"box": [x1, y1, x2, y2]}], clipped to an image of `size` (width, height); None: nobody looked."""
        if isinstance(self.box, str):
            cell = values.get(self.box)
            if cell is None or (not isinstance(cell, list) and absent(cell)):
                return None
            listed: list[Any] = items_of(cell, ",")
        else:
            listed = [values.get(column) for column in self.box]
            if all(absent(cell) for cell in listed):
                return None
        boxes = listed if all(isinstance(item, (list, tuple)) for item in listed) else [listed]
        return [{"box": self._box(box, size)} for box in boxes]

    def _box(self, cells: Sequence[Any], size: tuple[int, int] | None) -> list[float]:
        if len(cells) != 4:
            raise UserError(f"a box has four numbers, got {list(cells)}")
        x1, y1, x2, y2 = (number_of(cell, "a box's side") for cell in cells)
        if self.format == "xywh":
            x2, y2 = x1 + x2, y1 + y2
        if size is None:
            return [x1, y1, x2, y2]
        width, height = size
        inside = [max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]
        if x1 < x2 and y1 < y2 and not (inside[0] < inside[2] and inside[1] < inside[3]):
            raise UserError(f"box {[x1, y1, x2, y2]} lies outside the image of {width} × {height} pixels")
        return inside


class Columns(Config):
    """What is known of an image, by the column where it stands. Empty cells are unknown, never a value."""

    path: str | None = Field(default=None, description="the image's file name (see images, suffix)")
    image: str | None = Field(default=None, description="the image itself: bytes, or {bytes, path}")
    id: str | None = Field(default=None, description="default: the file name, or the place in the table")
    split: str | None = None
    splits: dict[str, str] = Field(
        default={}, description="value of the split column: split, where it is not called train, val or test"
    )
    group: str | None = Field(default=None, description="subject, video, artwork: never straddles splits")
    labels: dict[str, LabelColumns] = Field(default={}, description="label space: where its label stands")
    vad: VadColumns | None = None
    captions: list[CaptionColumns] = []
    persons: BoxColumns | None = Field(default=None, description="boxes of people")
    faces: BoxColumns | None = Field(default=None, description="boxes of faces")
    attributes: dict[str, str] = Field(default={}, description="name: column, kept as it is")
    numbers: dict[str, str] = Field(default={}, description="name: column, attributes read as numbers")

    def used(self) -> Iterator[tuple[str, str]]:
        """(key under `columns`, column) of everything that the mapping names."""
        for key in ("path", "image", "id", "split", "group"):
            if (column := getattr(self, key)) is not None:
                yield key, column
        parts: dict[str, Any] = {f"labels.{space}": columns for space, columns in self.labels.items()}
        parts |= {"vad": self.vad, "persons": self.persons, "faces": self.faces}
        parts |= {f"captions.{place}": caption for place, caption in enumerate(self.captions)}
        for key, part in parts.items():
            if part is not None:
                yield from ((f"{key}.{inner}", column) for inner, column in part.used())
        for key in ("attributes", "numbers"):
            yield from ((f"{key}.{name}", column) for name, column in getattr(self, key).items())

    def check_spaces(self) -> None:
        """UserError where the mapping names a label space or a class that does not exist."""
        for name, columns in self.labels.items():
            space = label_space(name)
            if space.continuous:
                raise UserError(f"reader.columns.labels.{name}: its values belong under reader.columns.vad")
            try:
                columns.check(space)
            except UserError as error:
                raise UserError(f"reader.columns.labels.{name}: {error}") from None

    def check_names(self, known: Iterable[str], where: str) -> None:
        """UserError naming every column of the mapping that is not among the known ones, and these."""
        known = list(dict.fromkeys(known))
        problems = []
        for key, column in self.used():
            if column not in known:
                near = get_close_matches(column, known, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                problems.append(f"reader.columns.{key}: no column {column!r}{hint}")
        if problems:
            raise UserError(f"{where}: {'; '.join(problems)}; there are {', '.join(known) or 'none'}")

    def picked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The cells that the mapping names, JSON-able, by column; the image itself is left out."""
        names = {column for key, column in self.used() if key != "image"}
        return {name: jsonable(lookup(values, name)) for name in sorted(names)}

    def known(self, values: Mapping[str, Any], size: tuple[int, int] | None) -> dict[str, Any]:
        """labels, vad, captions, persons, faces and attributes of one line, as `Reader.sample` takes them.

        values: what `picked` gave. size: width and height of the stored image in pixels, where known.
        Raises UserError.
        """
        found: dict[str, Any] = {"labels": {}, "attributes": {}}
        for name, columns in self.labels.items():
            if (label := columns.label(label_space(name), values)) is not None:
                found["labels"][name] = label
        found["vad"] = self.vad.vad(values) if self.vad else None
        found["captions"] = [each for part in self.captions for each in part.captions(values)] or None
        for key, part in (("persons", self.persons), ("faces", self.faces)):
            found[key] = part.boxes(values, size) if part else None
        for name, column in self.attributes.items():
            if not absent(cell := values.get(column)):
                found["attributes"][name] = attribute_of(cell)
        for name, column in self.numbers.items():
            if not absent(cell := values.get(column)):
                found["attributes"][name] = number_of(cell, name)
        return found


def _text(cell: Any) -> str:
    """A class as text; a column of whole numbers with gaps is read as one of floats."""
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
