"""Rows as lines for people, JSON lines, CSV or Parquet, written one by one as they come."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ...foundation.errors import UserError
from .config import PredictConfig
from .lines import lines_for_people
from .rows import Row, columns, flat

Write = Callable[[Row], None]
Heads = Mapping[str, Mapping[str, Any]]
FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
ROW_GROUP = 1024  # rows of a Parquet file that are held at a time


def format_of(config: PredictConfig) -> str:
    """table, json, csv or parquet. UserError where `format` and the suffix of `out` say nothing, or two."""
    if config.out is None:
        if config.format == "parquet":
            raise UserError("parquet needs a file: --out FILE.parquet")
        return config.format or "table"
    by_name = FORMATS.get(config.out.suffix.lower())
    if config.format is None and by_name is None:
        raise UserError(f"{config.out}: name it {', '.join(FORMATS)}, or say --json or --csv")
    if config.format and by_name and config.format != by_name:
        raise UserError(f"{config.out}: its name says {by_name}, the options say {config.format}")
    return config.format or by_name or "table"


def check_places(config: PredictConfig) -> None:
    """Raises UserError where a result would be written over an input, or cannot be written."""
    format_of(config)
    inputs = {Path(path).resolve() for path in config.paths}
    for place in (config.out, config.annotate):
        if place is None:
            continue
        if place.resolve() in inputs:
            raise UserError(f"{place}: is one of the inputs; name another file to write to")
        if place.is_dir() or not place.parent.is_dir():
            raise UserError(f"{place}: is a folder, or its folder does not exist; name a file")


@contextmanager
def open_writer(config: PredictConfig, heads: Heads) -> Iterator[tuple[Write, bool]]:
    """(what writes a row, whether people watch them come). What was written stays if the run is cut short."""
    kind = format_of(config)
    if kind == "parquet":
        assert config.out is not None
        with _parquet(config.out, heads) as write:
            yield write, False
        return
    if config.out is None:
        yield _to(sys.stdout, kind, heads), sys.stdout.isatty()
        return
    with config.out.open("w", encoding="utf-8", newline="") as stream:
        yield _to(stream, kind, heads), False


def _to(stream: TextIO, kind: str, heads: Heads) -> Write:
    if kind == "table":
        return lines_for_people(stream, heads)
    if kind == "json":

        def write(row: Row) -> None:
            stream.write(json.dumps(row.nested(), ensure_ascii=False, allow_nan=False) + "\n")
            stream.flush()

        return write
    table = csv.DictWriter(stream, list(columns(heads)), lineterminator="\n")
    table.writeheader()

    def write_line(row: Row) -> None:
        table.writerow({name: _plain(value) for name, value in flat(row).items()})
        stream.flush()

    return write_line


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


@contextmanager
def _parquet(path: Path, heads: Heads) -> Iterator[Write]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path} needs pyarrow: pip install 'vemo[readers]'") from None
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns(heads).items()])
    held: list[dict[str, Any]] = []

    with parquet.ParquetWriter(path, schema) as file:

        def flush() -> None:
            if held:
                file.write_table(arrow.Table.from_pylist(held, schema))
                held.clear()

        def write(row: Row) -> None:
            held.append(flat(row))
            if len(held) >= ROW_GROUP:
                flush()

        try:
            yield write
        finally:
            flush()
