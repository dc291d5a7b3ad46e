"""What the tests of readers ask most: what became of every row."""

from pathlib import Path
from typing import Any

from vemo.datasets.readers import Reader, SampleError, make_reader


def outcomes_of(reader: Reader) -> dict[str, dict[str, Any] | str]:
    """By row id: the record of its sample, or the failure as text ("reason: detail")."""
    found: dict[str, dict[str, Any] | str] = {}
    for row in reader.rows():
        try:
            found[row.id] = reader.read(row)[0].to_record()
        except SampleError as error:
            found[row.id] = str(error)
    return found


def outcomes(config: Any, root: Path) -> dict[str, dict[str, Any] | str]:
    """`outcomes_of` the reader of a config."""
    return outcomes_of(make_reader(config, root))
