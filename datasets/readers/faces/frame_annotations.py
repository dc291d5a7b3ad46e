"""What the lines of ABAW's annotation files say of a frame: a class, valence and arousal, both, or nothing.

The first line of a file tells how to understand the others, so each kind of file is a function from the first
line's cells to another that takes a line's cells and returns {"class": …, "vad": …}, {} for nothing. Both
raise UserError, at the file and at the line.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ....foundation.errors import UserError
from ...taxonomy import label_space
from ..generic.cells import number_of

Understand = Callable[[list[str]], dict[str, Any]]
ByHeader = Callable[[list[str]], Understand]
# The header of every file of the expression challenge; multi-task files number by it without saying so.
EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
NO_EXPRESSION, NO_VALUE = -1, -5


def annotated_lines(path: Path, by_header: ByHeader) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(line number, first cell, facts of a Row) of the lines below the first that are not empty.

    The facts are what the line says, {} for nothing, or its failure.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        try:
            understand = by_header([cell.strip() for cell in stream.readline().split(",")])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        for number, line in enumerate(stream, start=2):
            cells = [cell.strip() for cell in line.split(",")]
            if any(cells):
                try:
                    yield number, cells[0], understand(cells)
                except UserError as error:
                    detail = f"{path.parent.name}/{path.name} line {number}: {error}"
                    yield number, cells[0], {"failure": ["bad_row", detail]}


def classes_of(space_name: str) -> ByHeader:
    """Files whose first line names classes of the space, and whose others hold the place of one of them."""
    space = label_space(space_name)

    def by_header(header: list[str]) -> Understand:
        names = [space.canonical(name) for name in header]
        return lambda cells: _class(names, cells)

    return by_header


def predictions(header: list[str]) -> Understand:
    """The compound challenge's prediction files: image_location and the classes, then a frame and a place."""
    if header[0] != "image_location":
        raise UserError(f"the first line must begin with image_location, got {header[0]!r}")
    understand = classes_of("compound7")(header[1:])
    return lambda cells: understand(cells[1:])


def valence_arousal(header: list[str]) -> Understand:
    """Files of the valence-arousal challenge."""
    places = _places(header, ("valence", "arousal"))
    return lambda cells: _vad(*_picked(cells, places))


def multi_task(header: list[str]) -> Understand:
    """Files of the multi-task challenge, one for each split: the frame, then all that is known of it."""
    places = _places(header, ("valence", "arousal", "expression"))
    names = [label_space("abaw8").canonical(name) for name in EXPRESSIONS]

    def understand(cells: list[str]) -> dict[str, Any]:
        valence, arousal, expression = _picked(cells, places)
        return {**_vad(valence, arousal), **_class(names, [expression])}

    return understand


def _places(header: list[str], columns: tuple[str, ...]) -> list[int]:
    missing = [column for column in columns if column not in header]
    if missing:
        raise UserError(f"no column {', '.join(missing)} in the first line, {','.join(header)[:200]}")
    return [header.index(column) for column in columns]


def _picked(cells: list[str], places: list[int]) -> list[str]:
    if len(cells) <= max(places):
        raise UserError(f"{len(cells)} cells, too few: {','.join(cells)[:80]}")
    return [cells[place] for place in places]


def _class(names: list[str], cells: list[str]) -> dict[str, Any]:
    number = number_of(cells[0], "the class") if len(cells) == 1 else math.nan
    if number == NO_EXPRESSION:
        return {}
    if not (number.is_integer() and 0 <= number < len(names)):
        raise UserError(
            f"the class is {','.join(cells)!r}, not {NO_EXPRESSION} or from 0 to {len(names) - 1}"
        )
    return {"class": names[int(number)]}


def _vad(valence: str, arousal: str) -> dict[str, Any]:
    """Valence and arousal, from -1 to 1 in the source too; {} where either is marked as none."""
    found = {"valence": number_of(valence, "valence"), "arousal": number_of(arousal, "arousal")}
    if NO_VALUE in found.values():
        return {}
    for axis, number in found.items():
        if not -1 <= number <= 1:
            raise UserError(f"{axis} is {number:g}, neither from -1 to 1 nor {NO_VALUE}")
    return {"vad": found}
