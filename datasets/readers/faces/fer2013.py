"""FER2013: 48 × 48 grey faces, as numbers in a CSV file or as a folder of images.

root/fer2013.csv (`emotion,pixels,Usage`), or root/icml_face_data.csv (`emotion, Usage, pixels`: another
order, and blanks in the names), or the competition's train.csv (`emotion,pixels`) and test.csv (`pixels`), or
root/{train,test}/<expression>/<Usage>_<number>.jpg. FER+ (reader.kind=ferplus) has ten votes for each face.
"""

import csv
import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, SampleError, image_files
from ..generic.image_folder import SPLITS

WHOLE = ("fer2013.csv", "fer2013/fer2013.csv", "icml_face_data.csv")
PARTS = {"train.csv": "train", "test.csv": "test"}
# The numbers of the column emotion, as the competition's page lists them. Folders sort otherwise.
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SIDE = 48


class Fer2013Config(FolderConfig):
    kind: Literal["fer2013"] = "fer2013"
    splits: Literal["own", "by_group"] = Field(
        default="own", description="by_group: the builder splits, and keeps identical images together"
    )


class Fer2013(Reader):
    """FER2013's one label for each face. From a CSV file, images are PNG files made here, without loss.

    Where there are several forms, the first of those above is read. Its own split leaks: hundreds of images
    of PublicTest and PrivateTest are in Training too. Identical images share a group (their sha256).
    Ids are places in the table, counted from 0, or paths in the folder. The faces of test.csv, those of both
    test sets, have no label. A folder `test` holds both test sets too; file names tell which, where they do.
    """

    dataset = "fer2013"
    licence = "research-only"
    spaces = ("fer7",)
    how_to_get = (
        "Take fer2013.csv or icml_face_data.csv from Kaggle's challenges-in-representation-learning-"
        "facial-expression-recognition-challenge; its folder is the root."
    )
    expected = {"train": 28_709, "val": 3_589, "test": 3_589}
    summary = "35,887 grey faces of 48 × 48 pixels, seven expressions, one label each"
    config_class = Fer2013Config
    config: Fer2013Config

    def __init__(self, config: Fer2013Config, root: Path) -> None:
        super().__init__(config, root)
        whole = next((name for name in WHOLE if (self.root / name).is_file()), None)
        self.tables: list[tuple[str, str | None]] = (
            [(whole, None)]
            if whole
            else [(name, split) for name, split in PARTS.items() if (self.root / name).is_file()]
        )
        if not self.tables:
            self.require(*WHOLE, "train.csv", "train", "test")
        if not whole or config.splits == "by_group":
            self.expected = {}

    def _rows(self) -> Iterator[Row]:
        for table, part in self.tables:
            yield from self._of_table(table, part)
        if not self.tables:
            yield from self._of_folder()

    def _of_table(self, table: str, part: str | None) -> Iterator[Row]:
        with (self.root / table).open("rb") as stream:
            first = stream.readline()
            header = _cells(first)
            self._check_header(table, header, part)
            offset, place = len(first), 0
            for number, text in enumerate(stream, start=2):
                if text.strip():
                    identifier = f"{place:05d}" if part is None else f"{part}/{place:05d}"
                    facts = {"table": table, "offset": offset, "column": header.index("pixels")}
                    row = Row(identifier, part, None, f"{table}#{place}", facts)
                    yield self._described(row, dict(zip(header, _cells(text))), f"{table} line {number}")
                    place += 1
                offset += len(text)

    def _check_header(self, table: str, header: list[str], part: str | None) -> None:
        wanted = {None: ["emotion", "pixels", "Usage"], "train": ["emotion", "pixels"], "test": ["pixels"]}
        if not set(wanted[part]) <= set(header):
            raise UserError(
                f"{self.root / table}: the first line must name the columns {', '.join(wanted[part])}, got "
                f"{','.join(header)[:200]!r}. {self.how_to_get}"
            )

    def _described(self, row: Row, line: dict[str, str], where: str) -> Row:
        """The row with what its line says: split, class and group, or its failure."""
        known: dict[str, Any] = {"facts": row.facts}
        split = row.split or USAGES.get(line.get("Usage", ""))
        try:
            if split is None:
                raise UserError(f"Usage is {line.get('Usage')!r}, not one of {', '.join(USAGES)}")
            if "emotion" in line:
                known["facts"] = row.facts | {"class": _emotion(line["emotion"])}
            known["group"] = hashlib.sha256(_png(line.get("pixels", ""))).hexdigest()
        except UserError as error:
            known["facts"] = {"failure": ["bad_row", f"{where}: {error}"]}
        return replace(row, split=split if self.config.splits == "own" else None, **known)

    def _of_folder(self) -> Iterator[Row]:
        for file in image_files(self.root):
            path = file.relative_to(self.root).as_posix()
            outer, *inner = path.split("/")
            if outer.lower() not in SPLITS:
                continue  # no folder of the dataset
            split = USAGES.get(file.name.split("_")[0], SPLITS[outer.lower()])
            try:
                facts: dict[str, Any] = {"class": label_space("fer7").canonical(inner[0])}
            except UserError as error:
                facts = {"failure": ["bad_annotation", f"{path}: {error}"]}
            own = split if self.config.splits == "own" else None
            yield Row(path, own, self.group_of_file(path), path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self._image(row) if self.tables else self.image_bytes(row.path)
        labels: Any = {"fer7": {"class": row.facts["class"]}} if "class" in row.facts else {}
        return self.sample(row, image, labels=labels), image

    def _image(self, row: Row) -> bytes:
        with self.inside(row.facts["table"]).open("rb") as stream:
            stream.seek(row.facts["offset"])
            cells = _cells(stream.readline())
        image = _png(cells[row.facts["column"]] if len(cells) > row.facts["column"] else "")
        if hashlib.sha256(image).hexdigest() != row.group:
            raise SampleError("unreadable", f"{row.path}: the file has changed since it was listed")
        return image


def _cells(line: bytes) -> list[str]:
    """The cells of one line, without blanks around them, a mark of UTF-8 or an end of line."""
    text = line.decode("utf-8-sig", errors="replace")
    try:
        return [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:  # a cell of more than 131,072 characters, where two lines have become one
        return [text[:80]]


def _emotion(cell: str) -> str:
    if not (cell.isdecimal() and int(cell) < len(EMOTIONS)):
        raise UserError(f"emotion is {cell!r}, not a number from 0 to {len(EMOTIONS) - 1}")
    return label_space("fer7").canonical(EMOTIONS[int(cell)])


def _png(cell: str) -> bytes:
    """The PNG file of a cell with 48 × 48 grey values, row by row; UserError where it holds anything else."""
    try:
        pixels = bytes(map(int, cell.split()))
    except ValueError:
        raise UserError(f"pixels are no numbers from 0 to 255: {cell[:80]!r}") from None
    if len(pixels) != SIDE * SIDE:
        raise UserError(f"{len(pixels)} pixels, not {SIDE * SIDE}")
    return grey_png(pixels, SIDE)


def grey_png(pixels: bytes, width: int) -> bytes:
    """A PNG file of 8-bit grey pixels, row by row; at most 65,535 bytes with one more for each row.

    The same bytes everywhere and for ever: the pixels are stored, not deflated, because what zlib makes of
    them differs between its versions.
    """
    height = len(pixels) // width
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width))
    block = b"\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows  # RFC 1951, stored, the last
    stream = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(rows))  # RFC 1950
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
