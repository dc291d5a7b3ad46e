"""ExpW (Zhang et al. 2018): photos of the web with the expression of every face that was found.

root/image/origin/<name>.jpg and root/label/label.lst, a face a line, between blanks and without a header:
image_name face_id_in_image face_box_top face_box_left face_box_right face_box_bottom face_box_confidence
expression_label.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, image_files
from ..generic.boxes import boxes_inside
from ..generic.cells import number_of
from ..generic.file_names import FileNames

LISTS = ("label/label.lst", "label.lst")
FOLDERS = ("image/origin", "origin", "image", "images")
# What follows the name. Not the usual order of a box: top, left, right, bottom.
COLUMNS = ("face_id", "top", "left", "right", "bottom", "confidence", "expression")
# The numbers 0 to 6 of the last column (the dataset's readme).
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class ExpWConfig(FolderConfig):
    kind: Literal["expw"] = "expw"
    unlabelled: bool = Field(default=False, description="list images that no line names too, without faces")


class ExpW(Reader):
    """ExpW: one sample an image; each labelled face is a person with a fer7 class.

    The box is the face's, clipped to the image; what the detector said of it is an attribute
    (`box_confidence`), no share of 1 but often far above. A line that cannot be used is listed and fails; the
    image's other faces count. Lines that repeat another word for word are one face; of two that differ in the
    label the first counts, the other fails. Identical images share a group (their sha256). No split of its
    own.
    """

    dataset = "expw"
    licence = "research-only"
    spaces = ("fer7",)
    how_to_get = (
        "Take ExpW where mmlab.ie.cuhk.edu.hk/projects/socialrelation says; root holds image/origin/ and "
        "label/label.lst."
    )
    summary = "91,793 faces in photos of the web, seven expressions, several faces an image"
    config_class = ExpWConfig
    config: ExpWConfig

    def __init__(self, config: ExpWConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*LISTS)
        self.list = next(name for name in LISTS if (self.root / name).is_file())
        self.images = next((name for name in FOLDERS if (self.root / name).is_dir()), FOLDERS[0])
        self.files = FileNames(self.root)

    def _rows(self) -> Iterator[Row]:
        images: dict[str, dict[tuple[float, ...], dict[str, Any]]] = {}
        for number, name, cells in self._lines():
            try:
                face = _face(cells)
                known = images.setdefault(name, {}).setdefault((face["face_id"], *face["box"]), face)
                if known != face:
                    raise UserError(f"the same face was {known['class']} before, and is {face['class']}")
            except UserError as error:
                failure = {"failure": ["bad_row", f"{self.list} line {number}: {error}"]}
                yield Row(f"line{number}", None, None, f"{self.images}/{name}", failure)
        named = set()
        for name, faces in images.items():
            path = self.files.find(f"{self.images}/{name}") or f"{self.images}/{name}"
            named.add(path)
            yield Row(name, None, self.group_of_file(path), path, {"faces": list(faces.values())})
        for file in image_files(self.root / self.images) if self.config.unlabelled else ():
            path = file.relative_to(self.root).as_posix()
            if path not in named:
                yield Row(file.name, None, self.group_of_file(path), path, {"faces": []})

    def _lines(self) -> Iterator[tuple[int, str, list[str]]]:
        """(line number, image, what follows); names may hold blanks."""
        with (self.root / self.list).open(encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    name, *cells = line.strip().rsplit(maxsplit=len(COLUMNS))
                    yield number, name, cells

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        faces = row.facts["faces"]
        boxes = boxes_inside([face["box"] for face in faces], image, row.path)
        persons: Any = [
            {
                "box": box,
                "labels": {"fer7": {"class": face["class"]}},
                "attributes": {"face_id": face["face_id"], "box_confidence": face["confidence"]},
            }
            for face, box in zip(faces, boxes)
        ]
        return self.sample(row, image, persons=persons or None), image


def _face(cells: list[str]) -> dict[str, Any]:
    """What a line says of a face; UserError where it does not."""
    if len(cells) != len(COLUMNS):
        raise UserError(f"expected a name and {', '.join(COLUMNS)}; got {len(cells)} after the name")
    line = dict(zip(COLUMNS, cells))
    numbers = {column: number_of(cell, column) for column, cell in line.items()}
    for column in ("face_id", "expression"):
        if not numbers[column].is_integer():
            raise UserError(f"{column} is {line[column]!r}, not a whole number")
    place = int(numbers["expression"])
    if not 0 <= place < len(EXPRESSIONS):
        raise UserError(f"expression is {place}, not from 0 to {len(EXPRESSIONS) - 1}")
    return {
        "face_id": int(numbers["face_id"]),
        "box": [numbers[side] for side in ("left", "top", "right", "bottom")],
        "confidence": numbers["confidence"],
        "class": label_space("fer7").canonical(EXPRESSIONS[place]),
    }
