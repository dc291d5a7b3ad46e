"""Plain facts for people: headed lines and tables, drawn on a terminal, plain text or Markdown elsewhere."""

import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def print_entries(entries: Sequence[Mapping[str, Any]], heading: str) -> None:
    """Print each mapping as its `heading` value and, indented below, the other keys that have a value.

    Lists are joined by commas, mappings shown as "key number"; colours only where the output is a terminal.
    """
    console = Console(highlight=False)
    for entry in entries:
        console.print(Text(str(entry[heading]), style="bold cyan"))
        lines = Table.grid(padding=(0, 2))
        for key, value in entry.items():
            if key != heading and value:
                lines.add_row(Text(key.replace("_", " "), style="dim"), _plain(value))
        console.print(Padding(lines, (0, 0, 1, 2)))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number:,}" for key, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def table_text(header: Sequence[str], rows: Sequence[Sequence[Any]], styles: Sequence[str] = ()) -> str:
    """A table as text: drawn, as wide as the window, where standard output is a terminal; Markdown elsewhere.

    Columns of numbers stand to the right, with thousands separators; broken numbers have one digit. styles:
    one a row, such as "green" or "dim red", for terminals.
    """
    if not sys.stdout.isatty():
        return markdown_table(header, rows)
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    table = Table(box=box.ROUNDED, header_style="bold")
    for name, numeric in zip(header, _numeric(rows, len(header))):
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for place, row in enumerate(rows):
        table.add_row(*(Text(_cell(value)) for value in row), style=styles[place] if styles else None)
    console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table whose columns are aligned in its source, too; `|` in a cell is escaped."""
    lines = [[_escaped(_cell(value)) for value in line] for line in (header, *rows)]
    numeric = _numeric(rows, len(header))
    widths = [max(3, *map(len, column)) for column in zip(*lines)]
    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric)]
    cells = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric)
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (cells[0], rule, *cells[1:]))


def _numeric(rows: Sequence[Sequence[Any]], columns: int) -> list[bool]:
    """Of every column, whether it holds numbers, or shares such as "12.5 %"."""
    return [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(columns)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.endswith(" %"))


def _cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
