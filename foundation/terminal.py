"""Plain facts on a terminal: a heading and its lines, folded to the width of the window."""

from collections.abc import Mapping, Sequence
from typing import Any

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
