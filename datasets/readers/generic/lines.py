"""Lines of a table, one by one, whatever its format: CSV, JSON Lines, Parquet."""

import csv
import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ....foundation.errors import UserError


class Line(NamedTuple):
    """One line. `number` is how people count: from 1, the header included; in Parquet from 0, rows only.

    `problem` says why the line cannot be used.
    """

    number: int
    values: dict[str, Any]
    problem: str = ""


def csv_header(path: Path, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[str]:
    """The names in the first line. UserError where there are none, or one occurs twice."""
    try:
        with path.open(newline="", encoding=encoding) as stream:
            header = [name.strip() for name in next(csv.reader(stream, delimiter=delimiter), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, encoding, error) from None
    if not any(header):
        raise UserError(f"{path}: the first line must name the columns, and it is empty")
    twice = sorted({name for name in header if header.count(name) > 1 and name})
    if twice:
        raise UserError(f"{path}: the first line names {', '.join(twice)} more than once")
    return header


def csv_lines(
    path: Path, columns: Sequence[str] = (), delimiter: str = ",", encoding: str = "utf-8-sig"
) -> Iterator[Line]:
    """Every line below the header as {column: text}; UserError where one of `columns` is missing."""
    header = csv_header(path, delimiter, encoding)
    missing = [column for column in columns if column not in header]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; there are {', '.join(header)}")
    number, text, last = 1, [], []
    try:
        with path.open(newline="", encoding=encoding) as stream:
            table = csv.reader(_noted(stream, text), delimiter=delimiter)
            next(table)
            for cells in table:
                number, last = table.line_num, text.copy()
                text.clear()
                if cells and len(cells) != len(header):
                    yield Line(number, {}, f"{len(cells)} cells, the first line has {len(header)}")
                elif cells:
                    yield Line(number, dict(zip(header, cells)))
            _check_closed(last, delimiter)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, encoding, error, f" after line {number}") from None


def _noted(stream: Iterable[str], text: list[str]) -> Iterator[str]:
    for line in stream:
        text.append(line)
        yield line


def _check_closed(last: list[str], delimiter: str) -> None:
    """csv.Error where the last line ends inside quotation marks: it has swallowed those below it."""
    try:
        list(csv.reader(last, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "end of data" in str(error):
            raise


def _unreadable(path: Path, encoding: str, error: Exception, place: str = "") -> UserError:
    if isinstance(error, UnicodeDecodeError):
        return UserError(f"{path}{place}: not {encoding} ({error.reason}); save it as UTF-8")
    if isinstance(error, csv.Error):
        return UserError(f"{path}{place}: {error}; is a quotation mark never closed?")
    return UserError(f"{path}: {getattr(error, 'strerror', None) or error}")


def json_lines(path: Path) -> Iterator[Line]:
    """Every line of a file that holds one JSON object a line; blank lines are passed over."""
    try:
        with path.open("rb") as stream:
            for number, text in enumerate(stream, start=1):
                if not text.strip():
                    continue
                try:
                    values = json.loads(text)
                except (ValueError, RecursionError) as error:  # broken JSON or broken UTF-8
                    yield Line(number, {}, f"not JSON ({error})")
                    continue
                known = isinstance(values, dict)
                yield Line(number, values) if known else Line(number, {}, f"not an object but {values!r:.80}")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def parquet_columns(path: Path) -> list[str]:
    """The names of all columns, those inside structs as `a.b`."""

    def names(fields: Any, above: str = "") -> Iterator[str]:
        for field in fields:
            yield above + field.name
            if _pyarrow().types.is_struct(field.type):
                yield from names(list(field.type), f"{above}{field.name}.")

    return list(names(_parquet(path).schema_arrow))


def parquet_lines(path: Path, columns: Sequence[str]) -> Iterator[Line]:
    """Every row, with the cells of `columns` only."""
    file = _parquet(path)
    if not columns:
        yield from (Line(number, {}) for number in range(file.metadata.num_rows))
        return
    number = 0
    try:
        for batch in file.iter_batches(batch_size=1024, columns=list(columns)):
            for values in batch.to_pylist():
                yield Line(number, values)
                number += 1
    except (OSError, _pyarrow().ArrowException) as error:
        raise UserError(f"{path} after row {number}: damaged: {error}") from None


def parquet_cell(path: Path, column: str, number: int) -> Any:
    """One cell. Reads the row group around it, so groups of thousands of images make this slow.

    Raises OSError where the file is damaged.
    """
    file, group = _parquet(path), 0
    try:
        while number >= file.metadata.row_group(group).num_rows:
            number -= file.metadata.row_group(group).num_rows
            group += 1
        return _row_group(file, group, column)[number].as_py()
    except (IndexError, _pyarrow().ArrowException) as error:
        raise OSError(f"row group {group}: {error}") from None


@lru_cache(maxsize=1)
def _row_group(file: Any, group: int, column: str) -> Any:
    return file.read_row_group(group, columns=[column]).column(0)


def _parquet(path: Path) -> Any:
    try:
        status = path.stat()
        return _opened(path, status.st_mtime_ns, status.st_size)
    except (OSError, _pyarrow().ArrowException) as error:
        raise UserError(f"{path}: no Parquet file: {error}") from None


@lru_cache(maxsize=8)
def _opened(path: Path, changed: int, size: int) -> Any:
    # Not memory-mapped: a file that shrinks while it is read would end the whole process.
    return _pyarrow().parquet.ParquetFile(path, memory_map=False)


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UserError("Parquet files need pyarrow: pip install 'vemo[readers]'") from None
