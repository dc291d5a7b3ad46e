"""Any dataset that is a table (CSV, JSON Lines, Parquet), one line an image; the config maps its columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from ....foundation.errors import UserError
from ..base import Row, SampleError
from .cells import absent, lookup, names_in
from .file_names import FileNames, plain
from .lines import Line, csv_header, csv_lines, json_lines, parquet_cell, parquet_columns, parquet_lines
from .mapped import MappedConfig, MappedReader

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*DELIMITERS, *JSON_LINES, ".parquet")


class TableConfig(MappedConfig):
    """A table and its columns; columns.path or columns.image says where the image is."""

    kind: Literal["table"] = "table"
    dataset: str = Field(default="table", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    table: str | dict[str, str] = Field(
        description="the file below the root, or a pattern, *.parquet, or split: file or pattern"
    )
    images: str = Field(default="", description="the folder below the root from which file names count")
    suffix: str = Field(default="", description="what file names in the table lack, such as .jpg")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = Field(default="utf-8-sig", description="of a CSV file; a byte order mark does no harm")


class Table(MappedReader):
    """One line an image. A broken line is listed and fails; the lines around it are read.

    File names are found in any spelling of their accents (see `file_names`).
    """

    dataset = "table"
    how_to_get = (
        "Put the table and the images under one folder (root) and name its columns in reader.columns."
    )
    summary = "any CSV, JSON Lines or Parquet table; columns are mapped in the config"
    config_class = TableConfig

    def __init__(self, config: TableConfig, root: Path) -> None:
        super().__init__(config, root)
        self.files = FileNames(self.root)
        self.tables = self.files_of(config.table, "table")
        self._check_image_column()
        for _, name in self.tables:
            if _suffix(name) == ".parquet":
                self.columns.check_names(parquet_columns(self.root / name), name)
            elif _suffix(name) in DELIMITERS:
                self.columns.check_names(csv_header(self.root / name, **self._dialect(name)), name)

    def _check_image_column(self) -> None:
        unknown = [name for _, name in self.tables if _suffix(name) not in SUFFIXES]
        if unknown:
            raise UserError(f"{self.root / unknown[0]}: a table is one of {', '.join(SUFFIXES)}")
        if (self.columns.path is None) == (self.columns.image is None):
            raise UserError("reader.columns: give either path (file names) or image (bytes in the table)")
        texts = [name for _, name in self.tables if _suffix(name) != ".parquet"]
        if self.columns.image and texts:
            raise UserError(f"reader.columns.image: {texts[0]} cannot hold images, Parquet can; give path")

    def _dialect(self, name: str) -> dict[str, str]:
        delimiter = self.config.delimiter or DELIMITERS[_suffix(name)]
        return {"delimiter": delimiter, "encoding": self.config.encoding}

    def _lines(self, name: str) -> Iterator[Line]:
        path = self.root / name
        if _suffix(name) in DELIMITERS:
            return csv_lines(path, **self._dialect(name))
        if _suffix(name) in JSON_LINES:
            return self._json_lines(name)
        return parquet_lines(path, [column for key, column in self.columns.used() if key != "image"])

    def _json_lines(self, name: str) -> Iterator[Line]:
        """The lines; whether the mapping's columns exist is known when all are read."""
        known: dict[str, None] = {}
        for line in json_lines(self.root / name):
            known.update(dict.fromkeys(names_in(line.values)))
            yield line
        if known:  # else not one line could be read, and that is what there is to say
            self.columns.check_names(known, name)

    def _rows(self) -> Iterator[Row]:
        for split, name in self.tables:
            stem = name.removesuffix(Path(name).suffix)
            for line in self._lines(name):
                where, default = f"{name} line {line.number}", f"{stem}-{line.number}"
                yield self._row(line, split, name, where, default)

    def _row(self, line: Line, split: str | None, name: str, where: str, default: str) -> Row:
        if line.problem:
            return self.broken_row(where, default, split, "bad_row", line.problem)
        if self.columns.image is not None:
            path = f"{name}#{line.number}"
            return self._mapped_row(line.values, where, [name, line.number], default, split, path)
        cell = lookup(line.values, self.columns.path or "")
        if absent(cell):
            return self.broken_row(where, default, split, "missing_image", "no file name")
        file = str(cell).strip().replace("\\", "/") + self.config.suffix
        path = f"{self.config.images.rstrip('/')}/{file}" if self.config.images else file
        found = self.files.find(path) or path
        return self._mapped_row(line.values, where, None, plain(file), split, found)

    def _image(self, row: Row) -> bytes:
        if row.facts["place"] is None:
            return self.image_bytes(row.path)
        name, number = row.facts["place"]
        try:
            cell = parquet_cell(self.inside(name), str(self.columns.image), number)
        except UserError as error:
            raise SampleError("unreadable", str(error)) from None
        return self.stored_bytes(cell, row.path)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
