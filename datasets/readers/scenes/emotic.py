"""EMOTIC: people in context, each labelled; `Annotations.mat`, or the CSV files that are often made from it.

root/emotic/{ade20k,emodb_small,framesdb,mscoco}/images/… and root/Annotations.mat (or root/Annotations/…), or
root/{train,val,test}.csv with Index, Folder, Filename, Image Size, BBox, Categorical_Labels,
Continuous_Labels, Gender, Age (mat2py.py of github.com/Tandon-A/emotic).
"""

import ast
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError
from ..generic.boxes import boxes_inside
from ..generic.file_names import FileNames
from ..generic.lines import csv_lines
from ..generic.mapped import stored_size
from ..generic.matlab import listed, load_mat

SPLITS = ("train", "val", "test")
PLACES = ("Annotations.mat", "Annotations/Annotations.mat", ".", "emotic_pre")
COLUMNS = ("Folder", "Filename", "Image Size", "BBox", "Categorical_Labels", "Continuous_Labels")
AXES = ("valence", "arousal", "dominance")  # the order of Continuous_Labels
DEMOGRAPHICS = ("age", "gender")
LOWEST, HIGHEST = 1, 10  # the scale of all three


class EmoticConfig(FolderConfig):
    kind: Literal["emotic"] = "emotic"
    annotations: str | None = Field(
        default=None,
        description="Annotations.mat, or a folder with train.csv, val.csv, test.csv, below the root; "
        "null: what is there, the .mat first",
    )
    demographics: bool = Field(default=False, description="keep age and gender (for audits), as attributes")
    wrong_size: Literal["fail", "keep"] = Field(
        default="fail", description="an image that is not of the size its boxes were drawn on"
    )


class Emotic(Reader):
    """EMOTIC: one sample an image, its people with emotic26 classes, valence, arousal and dominance.

    In val and test several annotators judged each person. What the dataset combined them to is the person's;
    their own answers are `annotations`: categories and numbers apart, because nothing says that one annotator
    gave both. In train the one annotator's answer is the person's. The CSV files hold no single answers.

    Boxes beyond the image are clipped. A NaN is left out. A person without categories stays, without that
    label. An image fails if its people have none at all (12ctuwhai2qxczp2wf.jpg of test), if one of them
    cannot be read, if its file is of another size than the annotations say, or if its header is damaged.
    """

    dataset = "emotic"
    licence = "research-only"
    spaces = ("emotic26", "vad")
    how_to_get = (
        "Fill in the form at sunai.uoc.edu/emotic; root holds what emotic.zip unpacks to and Annotations.mat."
    )
    summary = "23,571 photos, 34,320 people, 26 categories (several each), valence, arousal, dominance"
    config_class = EmoticConfig
    config: EmoticConfig

    def __init__(self, config: EmoticConfig, root: Path) -> None:
        super().__init__(config, root)
        self.annotations = self._find_annotations()

    def _find_annotations(self) -> str:
        asked = self.config.annotations
        for place in [asked] if asked is not None else PLACES:
            path = self.root / place
            if path.is_file() or any((path / f"{split}.csv").is_file() for split in SPLITS):
                return place
        wanted = asked or "Annotations.mat or train.csv, val.csv, test.csv"
        raise UserError(f"{self.root}: no {wanted}, so this is no emotic folder. {self.how_to_get}")

    def _rows(self) -> Iterator[Row]:
        images = FileNames(self.root)
        top = "emotic/" if (self.root / "emotic").is_dir() else ""
        people = self._csv() if (self.root / self.annotations).is_dir() else self._mat()
        for split, name, facts in _by_image(people):
            path = images.find(f"{top}{name}") or f"{top}{name}"
            if "failure" not in facts and not any(person.get("labels") for person in facts["persons"]):
                detail = f"{self.annotations}: nobody in {name} has a category"
                facts = {"failure": ["missing_annotation", detail]}
            yield Row(name, split, None, path, facts)

    def _mat(self) -> Iterator[tuple[str, str, Any]]:
        """(split, image, person) of every person; the person is a dict or, where broken, the reason."""
        path = self.root / self.annotations
        variables = load_mat(path)
        if not any(split in variables for split in SPLITS):
            names = ", ".join(name for name in variables if not name.startswith("__"))
            raise UserError(f"{path}: no variable train, val or test; there are {names or 'none'}")
        for split in SPLITS:
            for number, image in enumerate(listed(variables.get(split)), start=1):
                where = f"{self.annotations} {split}({number})"
                try:
                    name = f"{image.folder}/{image.filename}"
                    size = [int(image.image_size.n_col), int(image.image_size.n_row)]
                    people = listed(image.person)
                except (AttributeError, TypeError, ValueError) as error:
                    yield split, f"{split}-{number}", f"{where}: {error}"
                    continue
                if not people:
                    yield split, name, f"{where}: nobody is annotated"
                for place, person in enumerate(people, start=1):
                    try:
                        yield split, name, {**self._mat_person(person), "size": size}
                    except (AttributeError, TypeError, ValueError, UserError) as error:
                        yield split, name, f"{where}.person({place}): {error}"

    def _mat_person(self, person: Any) -> dict[str, Any]:
        """A person of train has one answer of each kind, one of val and test several and a combined one."""
        categories = [_categories(listed(each.categories)) for each in listed(person.annotations_categories)]
        numbers = [_vad(_axes(each)) for each in listed(person.annotations_continuous)]
        labels, vad, annotations = next(iter(categories), {}), next(iter(numbers), {}), None
        if hasattr(person, "combined_categories"):
            labels = _categories(listed(person.combined_categories))
            vad = next((_vad(_axes(each)) for each in listed(person.combined_continuous)), {})
            answers = [{"labels": answer} for answer in categories] + [{"vad": answer} for answer in numbers]
            annotations = [answer for answer in answers if any(answer.values())]
        return {
            "box": [float(side) for side in listed(person.body_bbox)],
            "labels": labels,
            "vad": vad,
            "attributes": self._attributes({key: getattr(person, key, None) for key in DEMOGRAPHICS}),
            "annotations": annotations,
        }

    def _csv(self) -> Iterator[tuple[str, str, Any]]:
        """The same from the CSV files, whose cells are Python's lists."""
        for split in SPLITS:
            path = self.root / self.annotations / f"{split}.csv"
            for line in csv_lines(path, COLUMNS) if path.is_file() else ():
                where = f"{path.name} line {line.number}"
                if line.problem:
                    yield split, f"{split}-line{line.number}", f"{where}: {line.problem}"
                    continue
                values = {column: cell.strip() for column, cell in line.values.items()}
                name = f"{values['Folder']}/{values['Filename']}"
                try:
                    cells = {column: _literal(values[column]) for column in COLUMNS[2:]}
                    if len(cells["Continuous_Labels"]) != len(AXES):
                        raise ValueError(f"expected {', '.join(AXES)}, got {cells['Continuous_Labels']}")
                    person = {
                        "box": [float(side) for side in cells["BBox"]],
                        "size": [int(side) for side in cells["Image Size"]],
                        "labels": _categories(cells["Categorical_Labels"]),
                        "vad": _vad(dict(zip(AXES, cells["Continuous_Labels"]))),
                    }
                except (TypeError, ValueError, UserError) as error:
                    yield split, name, f"{where}: {error}"
                    continue
                attributes = self._attributes({key: values.get(key.capitalize()) for key in DEMOGRAPHICS})
                yield split, name, {**person, "attributes": attributes}

    def _attributes(self, demographics: dict[str, Any]) -> dict[str, str]:
        kept = demographics if self.config.demographics else {}
        return {key: value.strip().lower() for key, value in kept.items() if isinstance(value, str) and value}

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        size = stored_size(image)
        if size is None:
            raise SampleError("undecodable_image", f"{row.path}: its header cannot be read")
        persons = []
        for person in row.facts["persons"]:
            # Public code disagrees on which of the two numbers is the width.
            if self.config.wrong_size == "fail" and sorted(person["size"]) != sorted(size):
                stated = " x ".join(map(str, person["size"]))
                detail = f"{row.path}: {size[0]} x {size[1]} pixels, its boxes were drawn on {stated}"
                raise SampleError("bad_annotation", f"{detail} (reader.wrong_size=keep takes it)")
            known = {key: value for key, value in person.items() if key not in ("size", "box")}
            (box,) = boxes_inside([person["box"]], image, row.path)
            persons.append({**known, "box": box})
        return self.sample(row, image, persons=persons), image


def _by_image(people: Iterable[tuple[str, str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(split, image, facts) of every image in the order of first mention, its people together."""
    images: dict[tuple[str, str], list[Any]] = {}
    for split, name, person in people:
        images.setdefault((split, name), []).append(person)
    for (split, name), persons in images.items():
        problem = next((person for person in persons if isinstance(person, str)), None)
        yield split, name, {"failure": ["bad_annotation", problem]} if problem else {"persons": persons}


def _categories(names: Iterable[Any]) -> dict[str, Any]:
    """{"emotic26": {"classes": …}} in the space's order; {} where there are no names."""
    space = label_space("emotic26")
    found = {space.canonical(str(name).strip()) for name in names}
    return {space.name: {"classes": [name for name in space.names if name in found]}} if found else {}


def _axes(answer: Any) -> dict[str, Any]:
    return {axis: getattr(answer, axis) for axis in AXES}


def _vad(numbers: dict[str, Any]) -> dict[str, float]:
    """From 1 … 10 to -1 … 1; what is NaN or empty is left out."""
    found = {}
    for axis, value in numbers.items():
        cells = [cell for cell in listed(value) if not math.isnan(float(cell))]
        for number in map(float, cells):
            if not LOWEST <= number <= HIGHEST:
                raise UserError(f"{axis} is {number:g}, not from {LOWEST} to {HIGHEST}")
            found[axis] = 2 * (number - LOWEST) / (HIGHEST - LOWEST) - 1
    return found


def _literal(cell: str) -> list[Any]:
    """A list as Python prints it, `[nan, 5.0]` included; nothing is run."""
    try:
        value = ast.literal_eval(re.sub(r"\bnan\b", "None", cell))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = None
    if not isinstance(value, list):
        raise ValueError(f"expected a list, got {cell[:80]}")
    return value
