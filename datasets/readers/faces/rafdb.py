"""RAF-DB, its basic and its compound subset, which share a layout, and the folders it is passed on in.

root/[basic|compound]/EmoLabel/list_patition_label.txt (sic; `train_00001.jpg 5`), Image/aligned/
train_00001_aligned.jpg, Image/original/train_00001.jpg, boundingbox/train_00001_boundingbox.txt,
Annotation/manual/train_00001_manu_attri.txt, distribution_basic.txt; or root/[DATASET/]{train,test}/<1 … 7>/.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError, image_files
from ..generic.boxes import boxes_inside
from ..generic.cells import number_of

LISTS = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")
SPLITS = ("train", "test")
# Labels 1 to 7 and 1 to 11 (Li et al. 2017, the dataset's own readme).
BASIC = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")
COMPOUND = (
    "Happily Surprised",
    "Happily Disgusted",
    "Sadly Fearful",
    "Sadly Angry",
    "Sadly Surprised",
    "Sadly Disgusted",
    "Fearfully Angry",
    "Fearfully Surprised",
    "Angrily Surprised",
    "Angrily Disgusted",
    "Disgustedly Surprised",
)
# The lines below the five landmarks of a manual annotation, and what their numbers mean.
DEMOGRAPHICS = {
    "gender": ("male", "female", "unsure"),
    "race": ("caucasian", "african-american", "asian"),
    "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}
LANDMARK_LINES = 5
SHARES = "distribution_basic.txt"
BOX_FOLDERS = ("boundingbox", "Annotation/boundingbox")


class RafDbOptions(FolderConfig):
    """What the configs of both subsets share."""

    images: Literal["aligned", "original"] = Field(
        default="aligned", description="cut-out faces of 100 × 100 pixels, or the photos with the face's box"
    )
    demographics: bool = Field(
        default=False, description="keep gender, race and age (for audits), as attributes"
    )


class RafDbConfig(RafDbOptions):
    kind: Literal["rafdb"] = "rafdb"
    label: Literal["class", "distribution"] = Field(
        default="class", description="the one label, or the voters' shares (distribution_basic.txt)"
    )


class RafDbCompoundConfig(RafDbOptions):
    kind: Literal["rafdb_compound"] = "rafdb_compound"


class RafDb(Reader):
    """RAF-DB basic: seven expressions as fer7, what most of about 40 voters said, or their votes as shares.

    Photos (reader.images=original) come with the face's box, where there is one, clipped to the photo.
    Demographics are left out unless asked for. Images without a line in the list fail, and so do lines
    without an image. The order of distribution_basic.txt is checked against the labels.
    """

    dataset = "rafdb"
    licence = "research-only"
    spaces = ("fer7",)
    how_to_get = (
        "Ask for RAF-DB as whdeng.cn/RAF/model1.html says; root is the folder basic or compound, or holds it."
    )
    expected = {"train": 12_271, "test": 3_068}
    summary = "15,339 faces of the web, seven expressions, about 40 voters"
    config_class = RafDbConfig
    config: Any
    subset: ClassVar[str] = "basic"
    order: ClassVar[tuple[str, ...]] = BASIC
    outer: ClassVar[tuple[str, ...]] = ("DATASET/", "")  # where folders named after numbers may lie

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        self.space = label_space(self.spaces[0])
        tops = (f"{self.subset}/", "")
        lists = [(top, name) for top in tops for name in LISTS if (self.root / top / name).is_file()]
        places = [f"{outer}{split}" for outer in self.outer for split in SPLITS]
        self.folders = [] if lists else [place for place in places if (self.root / place / "1").is_dir()]
        if not lists and not self.folders:
            self.require(*(top + name for top in tops for name in LISTS))
        self.top, self.list = lists[0] if lists else ("", "")
        self.soft = getattr(config, "label", "class") == "distribution"
        self._demand("reader.images=original", "Image/original", config.images == "original")
        self._demand("reader.demographics=true", "Annotation/manual", config.demographics)
        self._demand("reader.label=distribution", SHARES, self.soft)

    def _demand(self, setting: str, name: str, wanted: bool) -> None:
        """UserError where the config wants what this copy does not hold."""
        if wanted and (self.folders or not (self.root / self.top / name).exists()):
            raise UserError(f"{self.root / self.top}: no {name}, for {setting}. {self.how_to_get}")

    def _rows(self) -> Iterator[Row]:
        if self.folders:
            yield from self._numbered_folders()
            return
        lines = list(_lines(self.root / self.top / self.list))
        self._check_subset(lines)
        rows = [self._row(number, cells) for number, cells in lines]
        if self.soft:
            self._add_shares(rows)
        yield from rows
        named = {row.path for row in rows}
        for file in image_files(self.root / self.top / "Image" / self.config.images):
            path = file.relative_to(self.root).as_posix()
            if path not in named:
                failure = {"failure": ["missing_annotation", f"{self.list} does not name {path}"]}
                yield Row(f"{self.config.images}/{file.name}", None, None, path, failure)

    def _row(self, number: int, cells: list[str]) -> Row:
        where = f"{self.list} line {number}"
        if len(cells) != 2 or cells[0].split("_")[0] not in SPLITS:
            detail = f"{where}: expected train_ or test_<number>.jpg and a label, got {' '.join(cells)[:200]}"
            return Row(f"line{number}", None, None, "", {"failure": ["bad_row", detail]})
        name, suffix = PurePosixPath(cells[0]).stem, PurePosixPath(cells[0]).suffix
        file = f"{name}_aligned{suffix}" if self.config.images == "aligned" else f"{name}{suffix}"
        facts: dict[str, Any] = {"name": name}
        try:
            facts["class"] = self._class(cells[1])
        except UserError as error:
            facts = {"failure": ["bad_row", f"{where}: {error}"]}
        return Row(name, name.split("_")[0], None, f"{self.top}Image/{self.config.images}/{file}", facts)

    def _class(self, label: str) -> str:
        if not (label.isdecimal() and 1 <= int(label) <= len(self.order)):
            raise UserError(f"label is {label!r}, not a number from 1 to {len(self.order)}")
        return self.space.canonical(self.order[int(label) - 1])

    def _check_subset(self, lines: list[tuple[int, list[str]]]) -> None:
        """UserError where the labels are those of the other subset: the two lists look alike."""
        labels = {int(cells[1]) for _, cells in lines if len(cells) == 2 and cells[1].isdecimal()}
        compound = any(len(BASIC) < label <= len(COMPOUND) for label in labels)
        if lines and compound != (self.order is COMPOUND):
            other = "rafdb_compound" if compound else "rafdb"
            raise UserError(
                f"{self.root / self.top / self.list}: labels up to {max(labels, default=0)}, so this is the "
                f"other subset (reader.kind={other})"
            )

    def _add_shares(self, rows: list[Row]) -> None:
        """Put voters' shares into the rows; UserError where the columns cannot be in the labels' order."""
        table = {}
        for number, (name, *cells) in _lines(self.root / self.top / SHARES):
            table[PurePosixPath(name).stem] = (number, cells)
        peaks = []
        for row in rows:
            if "failure" in row.facts:
                continue
            try:
                number, cells = table[row.id]
                if len(cells) != len(self.order):
                    raise UserError(f"{SHARES} line {number}: {len(cells)} shares, not {len(self.order)}")
                shares = {
                    self.space.canonical(name): number_of(cell, f"{SHARES} line {number}: a share")
                    for name, cell in zip(self.order, cells)
                }
            except KeyError:
                detail = f"{SHARES} does not name {row.id}"
                row.facts["failure"] = ["missing_annotation", detail]
            except UserError as error:
                row.facts["failure"] = ["bad_annotation", str(error)]
            else:
                row.facts["shares"] = [shares[name] for name in self.space.names]
                peaks.append(shares[row.facts["class"]] == max(shares.values()))
        if 2 * sum(peaks) < len(peaks):  # our choice; where the order is right, nearly all do
            raise UserError(
                f"{self.root / self.top / SHARES}: the label has the largest share in {sum(peaks)} of "
                f"{len(peaks)} lines, so its columns are not {', '.join(self.order)}"
            )

    def _numbered_folders(self) -> Iterator[Row]:
        for folder in self.folders:
            for file in image_files(self.root / folder):
                path = file.relative_to(self.root).as_posix()
                try:
                    facts = {"class": self._class(file.relative_to(self.root / folder).parts[0])}
                except UserError as error:
                    facts = {"failure": ["bad_annotation", f"{path}: {error}"]}
                yield Row(path, PurePosixPath(folder).name, None, path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        label = {"class": row.facts["class"]}
        if "shares" in row.facts:
            label = {"distribution": row.facts["shares"]}
        known: dict[str, Any] = {"labels": {self.space.name: label}}
        if self.config.demographics:
            known["attributes"] = self._demographics(row.facts["name"])
        if self.config.images == "original" and not self.folders:
            boxes = boxes_inside(self._box(row.facts["name"]), image, row.path)
            known["faces"] = [{"box": box} for box in boxes] or None
        return self.sample(row, image, **known), image

    def _demographics(self, name: str) -> dict[str, str]:
        path = f"{self.top}Annotation/manual/{name}_manu_attri.txt"
        try:
            lines = self.inside(path).read_text(encoding="utf-8-sig", errors="replace").split("\n")
        except FileNotFoundError:
            raise SampleError("missing_annotation", f"no file {path}") from None
        found = {}
        for (key, meanings), text in zip(DEMOGRAPHICS.items(), lines[LANDMARK_LINES:]):
            if not (text.strip().isdecimal() and int(text) < len(meanings)):
                raise UserError(f"{path}: {key} is {text!r}, not a number from 0 to {len(meanings) - 1}")
            found[key] = meanings[int(text)]
        if len(found) < len(DEMOGRAPHICS):
            raise UserError(
                f"{path}: {len(lines)} lines, of which the last should be {', '.join(DEMOGRAPHICS)}"
            )
        return found

    def _box(self, name: str) -> list[list[float]]:
        """The face's box [[x1, y1, x2, y2]]; [] where the copy has none."""
        for folder in BOX_FOLDERS:
            path = self.inside(f"{self.top}{folder}/{name}_boundingbox.txt")
            if path.is_file():
                cells = path.read_text(encoding="utf-8-sig", errors="replace").split()
                if len(cells) != 4:
                    raise UserError(f"{folder}/{path.name}: a box has four sides, got {' '.join(cells)[:80]}")
                return [[number_of(cell, "a side of the box") for cell in cells]]
        return []


class RafDbCompound(RafDb):
    """RAF-DB compound: eleven expressions of two emotions each, one label for each face."""

    dataset = "rafdb-compound"
    spaces = ("compound11",)
    expected = {}
    summary = "about 4,000 faces of the web, eleven compound expressions"
    config_class = RafDbCompoundConfig
    subset = "compound"
    order = COMPOUND
    outer = ()


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, what stands between blanks) of the lines that are not empty."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line.split()
