"""EmoSet-118K in both revisions that exist on people's disks, and datasets drawn in the same layout.

root/{info,train,val,test}.json, image/<emotion>/<emotion>_00001.jpg, annotation/<emotion>/….json.
Revision A: flat info.json (emotion only), split rows [emotion, image, annotation].
Revision B: info.json with a vocabulary for each attribute, rows [emotion, image_id, image, annotation].
Optionally root/persons.json: {image path: [{"box": [x1, y1, x2, y2], "score": …, "by": …}]}.

EmoSet-3.3M (reader.dataset=emoset-3.3m) holds EmoSet-118K's images too, with the labels of machines. Its
authors describe one layout for EmoSet; whether that of the large part has split files, nobody says.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError

SPLITS = ("train", "val", "test")
LEVELS = ("brightness", "colorfulness")
NAMES = ("scene", "facial_expression", "human_action")
ATTRIBUTES = (*LEVELS, *NAMES, "object")
WHOLE = "emoset-3.3m"  # all 3.3 million images with machine labels, of which people verified emoset-118k


class EmoSetConfig(FolderConfig):
    kind: Literal["emoset"] = "emoset"
    dataset: str | None = None  # default: "dataset" of info.json where it has one, else emoset-118k
    unknown_value: Literal["fail", "keep"] = "fail"  # an attribute value that info.json's vocabulary lacks


class EmoSet(Reader):
    """EmoSet: Mikels' eight emotions and six attributes, most of them absent for most images."""

    dataset = "emoset-118k"
    licence = "research-only"
    spaces = ("mikels8",)
    how_to_get = (
        "Ask for EmoSet-118K as github.com/JingyuanYY/EmoSet says, unpack it; its folder is the root. "
        "For images that you were given as a list of URLs: kind img2dataset."
    )
    expected = {"train": 94_481, "val": 5_905, "test": 17_716}
    summary = "118,102 photos and artworks, eight emotions, six attributes"
    config_class = EmoSetConfig
    config: EmoSetConfig

    def __init__(self, config: EmoSetConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*(f"{split}.json" for split in SPLITS))
        info = _read_json(self.root / "info.json") if (self.root / "info.json").exists() else {}
        if not isinstance(info, dict):
            raise UserError(f"{self.root / 'info.json'}: expected an object with label2idx, got a list")
        self.revision = "B" if "emotion" in info else "A"
        self.dataset = config.dataset or str(info.get("dataset", self.dataset))
        if self.dataset != EmoSet.dataset:
            known = self.licence if self.dataset == WHOLE else "unknown"
            self.licence, self.expected = str(info.get("licence", known)), {}
        self._check_emotions(info if self.revision == "A" else info["emotion"])
        self.vocabulary = _vocabulary(info) if self.revision == "B" else {}

    @property
    def id_prefix(self) -> str:
        return "emoset" if self.dataset == EmoSet.dataset else self.dataset

    def _check_emotions(self, table: Any) -> None:
        names = table.get("label2idx", {}) if isinstance(table, dict) else {}
        unknown = sorted(set(names) - set(label_space("mikels8").names))
        if unknown:
            raise UserError(f"{self.root / 'info.json'}: emotions {', '.join(unknown)} are not in mikels8")

    def _rows(self) -> Iterator[Row]:
        persons = self._persons()
        for split in SPLITS:
            path = self.root / f"{split}.json"
            if not path.exists():
                continue
            lines = _read_json(path)
            if not isinstance(lines, list):
                raise UserError(f"{path}: expected a list of rows, got {type(lines).__name__}")
            for number, line in enumerate(lines):
                yield self._row(split, number, line, persons)

    def _row(self, split: str, number: int, line: Any, persons: dict[str, Any] | None) -> Row:
        if not (isinstance(line, list) and len(line) in (3, 4) and all(isinstance(v, str) for v in line)):
            wanted = "[emotion, (id,) image, annotation]"
            detail = f"{split}.json row {number}: expected {wanted}, got {str(line)[:200]}"
            return Row(f"{split}-row{number}", split, None, "", {"failure": ["bad_row", detail]})
        emotion, image, annotation = line[0], line[-2], line[-1]
        facts = {"emotion": emotion, "annotation": annotation}
        if persons is not None and image in persons:
            facts["persons"] = persons[image]
        return Row(PurePosixPath(image).stem or f"{split}-row{number}", split, None, image, facts)

    def _persons(self) -> dict[str, Any] | None:
        path = self.root / "persons.json"
        if not path.exists():
            return None
        persons = _read_json(path)
        if not isinstance(persons, dict):
            raise UserError(f"{path}: expected {{image path: [boxes]}}, got {type(persons).__name__}")
        return persons

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        emotion = label_space("mikels8").canonical(row.facts["emotion"])
        image = self.image_bytes(row.path)
        annotation = self._annotation(row.facts["annotation"])
        stated = annotation.get("emotion")
        if stated is not None and label_space("mikels8").canonical(stated) != emotion:
            detail = f"{row.path}: the split file says {emotion}, the annotation {stated}"
            raise SampleError("bad_annotation", detail)
        labels: Any = {"mikels8": {"class": emotion}}
        attributes = self._attributes(row.path, annotation)
        return self.sample(
            row, image, labels=labels, attributes=attributes, persons=row.facts.get("persons")
        ), image

    def _annotation(self, path: str) -> dict[str, Any]:
        try:
            annotation = json.loads(self.inside(path).read_bytes())
        except FileNotFoundError:
            raise SampleError("missing_annotation", f"no file {path}") from None
        except ValueError as error:  # broken JSON or broken UTF-8
            raise SampleError("bad_annotation", f"{path}: {error}") from None
        if not isinstance(annotation, dict):
            raise SampleError("bad_annotation", f"{path}: not an object but {type(annotation).__name__}")
        return annotation

    def _attributes(self, image: str, annotation: dict[str, Any]) -> dict[str, Any]:
        """The annotation's attributes, cleaned; an absent key means that nobody annotated it."""
        attributes: dict[str, Any] = {}
        for key in ATTRIBUTES:
            value = annotation.get(key)
            if value is None or value in ("", []):
                continue
            if key in LEVELS:
                attributes[key] = self._level(image, key, value)
            elif key in NAMES:
                attributes[key] = self._name(image, key, value)
            else:
                names = value if isinstance(value, list) else [value]
                attributes["objects"] = list(dict.fromkeys(self._name(image, key, name) for name in names))
        return attributes

    def _level(self, image: str, key: str, value: Any) -> float:
        """A level in tenths from 0.0 to 1.0; files write whole ones as the integers 0 and 1."""
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not 0 <= number <= 1:
            raise SampleError("bad_annotation", f"{image}: {key} is {value!r}, not a number from 0 to 1")
        tenth = round(number * 10) / 10
        if abs(tenth - number) < 1e-6:
            return tenth
        if key in self.vocabulary and self.config.unknown_value == "fail":
            raise SampleError("bad_annotation", f"{image}: {key} is {value!r}, not one of 0.0, 0.1, … 1.0")
        return number

    def _name(self, image: str, key: str, value: Any) -> str:
        name = value.strip() if isinstance(value, str) else ""  # "boxing " and its kind
        if not name:
            raise SampleError("bad_annotation", f"{image}: {key} is {value!r}, not a name")
        known = self.vocabulary.get(key)
        if known is not None and name not in known and self.config.unknown_value == "fail":
            detail = f"{image}: {key} is {value!r}, not in info.json (reader.unknown_value=keep takes it)"
            raise SampleError("bad_annotation", detail)
        return name


def _vocabulary(info: dict[str, Any]) -> dict[str, frozenset[str]]:
    """The names info.json declares for each attribute, stripped as annotations are."""
    tables = {key: info[key] for key in ATTRIBUTES if isinstance(info.get(key), dict)}
    return {
        key: frozenset(str(name).strip() for name in table["label2idx"])
        for key, table in tables.items()
        if isinstance(table.get("label2idx"), dict)
    }


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:  # broken JSON or broken UTF-8
        raise UserError(f"{path}: not JSON ({error}); was it cut off? Fetch it again") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
