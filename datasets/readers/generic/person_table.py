"""People in context as one table, one line a person.

A line says which image it is about, where in it the person is, and how they were judged; the lines of one
image are one sample. Columns are mapped as for `table`, but labels, valence and attributes are the person's.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ..base import Row, SampleError
from .mapped import MappedConfig, stored_size
from .table import Table

NOT_OF_A_PERSON = ("image", "id", "captions", "faces")


class PersonTableOptions(MappedConfig):
    """As for `table`."""

    table: str | dict[str, str] = Field(description="the file below the root, or split: file")
    images: str = Field(default="", description="the folder below the root from which file names count")
    suffix: str = Field(default="", description="what file names in the table lack, such as .jpg")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = Field(default="utf-8-sig", description="of a CSV file; a byte order mark does no harm")


class PersonTableConfig(PersonTableOptions):
    """columns.path is the image, columns.persons the person's box; all else in columns is the person's."""

    kind: Literal["person_table"] = "person_table"
    dataset: str = Field(default="person-table", pattern=r"^[a-z0-9][a-z0-9._-]*$")


class PersonTable(Table):
    """One line a person; an image's people stay in the order of their lines.

    Boxes beyond the image are clipped. A broken line fails by itself; a person that makes no sense (an
    unknown label, a box outside the image) fails the image. Without a split of their own, identical files
    share a group (their sha256).
    """

    dataset = "person-table"
    how_to_get = (
        "Put the table and the images under one folder (root) and name its columns in reader.columns."
    )
    summary = "any table with a line for each person: image, box, labels, valence"
    config_class = PersonTableConfig

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        if self.columns.persons is None:
            raise UserError("reader.columns.persons: say in which columns the person's box stands")
        misplaced = [key for key in NOT_OF_A_PERSON if getattr(self.columns, key)]
        if misplaced:
            raise UserError(f"reader.columns: {', '.join(misplaced)}: has no place where a line is a person")

    def _rows(self) -> Iterator[Row]:
        images: dict[tuple[str, str | None], list[Row]] = {}
        for row in super()._rows():
            if "failure" in row.facts:
                yield row
            else:
                images.setdefault((row.id, row.split), []).append(row)
        for people in images.values():
            first = people[0]
            own = first.group is not None or first.split is not None
            group = first.group if own else self.group_of_file(first.path)
            yield replace(first, group=group, facts={"persons": [person.facts for person in people]})

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        size = stored_size(image)
        persons = []
        for person in row.facts["persons"]:
            try:
                known = self.columns.known(person["values"], size)
            except UserError as error:
                raise SampleError("bad_annotation", f"{person['where']}: {error}") from None
            boxes = known["persons"] or []
            if len(boxes) != 1:
                detail = f"{person['where']}: a line is one person, this one has {len(boxes)} boxes"
                raise SampleError("bad_annotation", detail)
            about = {key: known[key] for key in ("labels", "vad", "attributes")}
            persons.append({**boxes[0], **about})
        return self.sample(row, image, persons=persons), image
