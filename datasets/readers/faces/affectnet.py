"""AffectNet in the three forms that exist on people's disks.

csv: training.csv, validation.csv and Manually_Annotated_Images/<folder>/<hash>.jpg, whole photos, each with
the box and 68 points of one face; likewise automatically_annotated.csv, labelled by a program.
npy: {train_set,val_set}/images/<id>.jpg, crops, and annotations/<id>_{exp,val,aro,lnd}.npy.
kaggle: {train_class,val_class}/class001 … class008/<name>.jpg, crops, at most 5,000 of each class.
"""

import csv
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError, image_files
from ..generic.boxes import boxes_inside
from ..generic.cells import number_of
from ..generic.file_names import FileNames

# The numbers 0 to 10 of the column expression, and of _exp.npy up to 7 (Mollahosseini et al. 2017).
EXPRESSIONS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
OTHERS = ("none", "uncertain", "no face")
# Kaggle's class001 … class008. The alphabetical order that folder loaders number by is another one.
FOLDERS = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
COLUMNS = (
    "subDirectory_filePath",
    *("face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
MISSING = -2  # valence and arousal of what was not annotated; they are from -1 to 1 already
# (file, split) and the folders where they and the images may lie, by config.part.
LISTS = {
    "manual": (("training.csv", "train"), ("validation.csv", "val")),
    "automatic": (("automatically_annotated.csv", "train"),),
}
LIST_FOLDERS = {
    "manual": ("", "Manually_Annotated_file_lists/"),
    "automatic": ("", "Automatically_annotated_file_list/", "Automatically_Annotated_file_lists/"),
}
IMAGE_FOLDERS = {
    "manual": (
        "Manually_Annotated_Images",
        "Manually_Annotated/Manually_Annotated_Images",
        "Manually_Annotated_compressed/Manually_Annotated_Images",
    ),
    "automatic": ("Automatically_Annotated_Images", "Automatically_Annotated/Automatically_Annotated_Images"),
}
SETS = {"train_set": "train", "val_set": "val"}
CLASSES = {"train_class": "train", "val_class": "val"}
EXPECTED = {
    "csv": {"train": 287_651, "val": 4_000},
    "npy": {},
    "kaggle": {"train": 37_553, "val": 4_000},
}
# Of the 68 points of iBUG: the person's right eye, left eye, nose, right and left mouth corner.
FIVE_POINTS = (range(36, 42), range(42, 48), (30,), (48,), (54,))


class AffectNetConfig(FolderConfig):
    kind: Literal["affectnet"] = "affectnet"
    form: Literal["csv", "npy", "kaggle"] | None = Field(default=None, description="default: what is there")
    part: Literal["manual", "automatic"] = Field(
        default="manual", description="csv form: labelled by people, or by a program (lower quality)"
    )
    images: str | None = Field(
        default=None, description="csv form: the images' folder below the root; default: a known name"
    )
    unlabelled: bool = Field(
        default=False, description="csv form: images called none, uncertain and no face too, without a class"
    )


class AffectNet(Reader):
    """AffectNet: eight expressions as fer8, valence and arousal, and, in whole photos, the face.

    For seven classes, map fer8 to fer7. A -2 for valence or arousal means that nobody said: absent here. The
    68 points become the five of `Face`, each eye the mean of its six. Boxes beyond the photo are clipped; a
    face without a box (its width is negative, or NULL) fails, as it cannot be cut out. Images called none,
    uncertain or no face are listed only where asked for, and say so as the attribute `expression`.
    Val is what papers report; it is balanced, and train is not. The kaggle form is another benchmark.
    """

    dataset = "affectnet"
    licence = "research-only"
    spaces = ("fer8", "vad")
    how_to_get = (
        "Ask for AffectNet as mohammadmahoor.com/affectnet says; root holds training.csv, validation.csv and "
        "Manually_Annotated_Images/, or train_set/ and val_set/, or (Kaggle) train_class/ and val_class/."
    )
    expected = EXPECTED["csv"]
    summary = "291,651 faces of the web labelled by people, eight expressions, valence and arousal"
    config_class = AffectNetConfig
    config: AffectNetConfig

    def __init__(self, config: AffectNetConfig, root: Path) -> None:
        super().__init__(config, root)
        self.lists = [
            (f"{folder}{name}", split)
            for name, split in LISTS[config.part]
            for folder in LIST_FOLDERS[config.part]
            if (self.root / folder / name).exists()
        ]
        names = {"csv": [name for name, _ in LISTS[config.part]], "npy": [*SETS], "kaggle": [*CLASSES]}
        found = {form: any((self.root / name).exists() for name in names[form]) for form in names}
        found["csv"] = bool(self.lists)  # these may lie one folder down
        wanted = [config.form or "csv"] if config.form or config.part == "automatic" else [*names]
        self.form = next((form for form in wanted if found[form]), "")
        if not self.form:
            self.require(*(name for form in wanted for name in names[form]))
        self.expected = EXPECTED[self.form]
        if self.form == "csv":
            self._settle_csv()

    def _settle_csv(self) -> None:
        if self.config.part == "automatic" or self.config.unlabelled:
            self.expected = {}
        if self.config.part == "automatic":
            self.dataset = "affectnet-automatic"
        folders = [name for name in IMAGE_FOLDERS[self.config.part] if (self.root / name).is_dir()]
        self.images = self.config.images if self.config.images is not None else (folders or [""])[0]
        self.files = FileNames(self.root)

    def _rows(self) -> Iterator[Row]:
        yield from {"csv": self._csv, "npy": self._npy, "kaggle": self._kaggle}[self.form]()

    def _csv(self) -> Iterator[Row]:
        for name, split in self.lists:
            for number, line in _lines(self.root / name):
                row = self._csv_row(line, split, f"{name} line {number}")
                if row is not None:
                    yield row

    def _csv_row(self, line: dict[str, str], split: str, where: str) -> Row | None:
        """None for an image without an expression, unless such are asked for."""
        name = line.get(COLUMNS[0], "").replace("\\", "/")
        path = (PurePosixPath(self.images) / name).as_posix()
        try:
            if not name or len(line) < len(COLUMNS):
                raise UserError(f"no file name, or {len(line)} cells, not {len(COLUMNS)}")
            known = _expression(number_of(line["expression"], "expression"))
            if "class" in known:
                known["face"] = _face(line)
            elif not self.config.unlabelled:
                return None
            known["vad"] = _vad(line["valence"], line["arousal"])
        except UserError as error:
            return Row(name or where, split, None, path, {"failure": ["bad_row", f"{where}: {error}"]})
        return Row(name, split, None, self.files.find(path) or path, known)

    def _npy(self) -> Iterator[Row]:
        for folder, split in SETS.items():
            answers = self.root / folder / "annotations"
            annotated = {path.name.removesuffix("_exp.npy") for path in answers.glob("*_exp.npy")}
            for file in image_files(self.root / folder / "images"):
                path = file.relative_to(self.root).as_posix()
                annotated.discard(file.stem)
                facts = {"annotations": f"{folder}/annotations/{file.stem}"}
                yield Row(f"{split}/{file.stem}", split, None, path, facts)
            for stem in sorted(annotated):
                detail = f"{folder}/annotations has {stem}, {folder}/images has no such image"
                failure = {"failure": ["missing_image", detail]}
                yield Row(f"{split}/{stem}", split, None, f"{folder}/images/{stem}.jpg", failure)

    def _kaggle(self) -> Iterator[Row]:
        classes = {f"class{place:03d}": name for place, name in enumerate(FOLDERS, start=1)}
        for folder, split in CLASSES.items():
            for file in image_files(self.root / folder):
                path = file.relative_to(self.root).as_posix()
                name = file.relative_to(self.root / folder).parts[0]
                if name in classes:
                    facts: dict[str, Any] = {"class": label_space("fer8").canonical(classes[name])}
                else:
                    detail = f"{path}: not in one of {', '.join(classes)}"
                    facts = {"failure": ["bad_annotation", detail]}
                yield Row(path, split, None, path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        facts = row.facts if self.form != "npy" else self._answers(row.facts["annotations"])
        known: dict[str, Any] = {"vad": facts.get("vad")}
        known["labels"] = {"fer8": {"class": facts["class"]}} if "class" in facts else {}
        known["attributes"] = {"expression": facts["expression"]} if "expression" in facts else {}
        if "face" in facts:
            (box,) = boxes_inside([facts["face"]["box"]], image, row.path)
            known["faces"] = [{**facts["face"], "box": box}]
        return self.sample(row, image, **known), image

    def _answers(self, stem: str) -> dict[str, Any]:
        """What the .npy files of an image say; each holds one value, as a number or as text."""
        found = {}
        for key in ("exp", "val", "aro"):
            path = f"{stem}_{key}.npy"
            try:
                found[key] = str(np.load(self.inside(path), allow_pickle=False).item())
            except FileNotFoundError:
                raise SampleError("missing_annotation", f"no file {path}") from None
            except (ValueError, EOFError) as error:  # no such format, an array of objects, many values
                raise SampleError("bad_annotation", f"{path}: {error}") from None
        return {**_expression(number_of(found["exp"], "exp")), "vad": _vad(found["val"], found["aro"])}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells) of the lines that are not empty; some copies of validation.csv have no header."""
    header, number = list(COLUMNS), 0
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(csv.reader(stream), start=1):
                cells = [cell.strip() for cell in line]
                if number == 1 and not any("/" in cell or "\\" in cell for cell in cells):
                    header = cells
                    missing = [column for column in COLUMNS if column not in header]
                    if missing:
                        there = ", ".join(header)
                        raise UserError(f"{path}: no column {', '.join(missing)}; there are {there}")
                elif any(cells):
                    yield number, dict(zip(header, cells))
    except csv.Error as error:
        raise UserError(f"{path} after line {number}: {error}; is a quotation mark never closed?") from None


def _expression(number: float) -> dict[str, Any]:
    """The class of fer8, or the word for why there is none."""
    names = (*EXPRESSIONS, *OTHERS)
    if not (number.is_integer() and 0 <= number < len(names)):
        raise UserError(f"expression is {number:g}, not a whole number from 0 to {len(names) - 1}")
    name = names[int(number)]
    return {"expression": name} if name in OTHERS else {"class": label_space("fer8").canonical(name)}


def _vad(valence: str, arousal: str) -> dict[str, float]:
    found = {}
    for axis, cell in (("valence", valence), ("arousal", arousal)):
        number = number_of(cell, axis)
        if number != MISSING:
            if not -1 <= number <= 1:
                raise UserError(f"{axis} is {number:g}, neither from -1 to 1 nor {MISSING}")
            found[axis] = number
    return found


def _face(line: dict[str, str]) -> dict[str, Any]:
    """Box and five points of the face in the photo, in pixels."""
    x, y, width, height = (number_of(line[column], column) for column in COLUMNS[1:5])
    if width <= 0 or height <= 0:
        raise UserError(f"no face box: it is {width:g} × {height:g}")
    face: dict[str, Any] = {"box": [x, y, x + width, y + height]}
    numbers = [cell for cell in line["facial_landmarks"].split(";") if cell.strip()]
    if numbers:
        if len(numbers) != 2 * 68:
            raise UserError(f"facial_landmarks has {len(numbers)} numbers, not {2 * 68}")
        values = [number_of(cell, "a landmark") for cell in numbers]
        points = list(zip(values[::2], values[1::2]))
        face["landmarks"] = [
            [math.fsum(points[place][axis] for place in places) / len(places) for axis in (0, 1)]
            for places in FIVE_POINTS
        ]
    return face
