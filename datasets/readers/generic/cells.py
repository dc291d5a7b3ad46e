"""Cells of other people's tables: whether one says anything, and what number, list or text it holds."""

import ast
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ....foundation.errors import UserError

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def absent(cell: Any) -> bool:
    """Whether a cell says nothing: missing, blank, NaN, an empty list."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or cell == [] or (isinstance(cell, str) and not cell.strip())


def lookup(values: Mapping[str, Any], column: str) -> Any:
    """The cell of that name; `a.b` is b inside a, unless a column has that very name. None: not there."""
    if column in values:
        return values[column]
    head, dot, rest = column.partition(".")
    inner = values.get(head)
    return lookup(inner, rest) if dot and isinstance(inner, Mapping) else None


def names_in(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Every name that `lookup` would find in one line."""
    for name, cell in values.items():
        yield above + str(name)
        if isinstance(cell, Mapping):
            yield from names_in(cell, f"{above}{name}.")


def number_of(cell: Any, what: str) -> float:
    """A finite number out of a cell; UserError says what was meant to be one."""
    try:
        number = float(cell)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{what} is {cell!r}, not a number")
    return number


def flag_of(cell: Any, what: str) -> bool:
    """Yes or no out of 1 and 0, true and false, yes and no; UserError for anything else."""
    if not isinstance(cell, str) and cell in (0, 1):
        return bool(cell)
    flag = FLAGS.get(cell.strip().lower()) if isinstance(cell, str) else None
    if flag is None:
        raise UserError(f"{what} is {cell!r}, neither 1 nor 0")
    return flag


def items_of(cell: Any, separator: str) -> list[Any]:
    """The items of a list, of one written as JSON or Python text, or of separated text."""
    if isinstance(cell, str) and cell.strip().startswith("["):
        for parse in (json.loads, ast.literal_eval):  # ["a", "b"] as JSON, ['a', 'b'] as pandas writes it
            try:
                cell = parse(cell)
                break
            except (ValueError, SyntaxError):
                continue
    if isinstance(cell, str):
        return [item.strip() for item in cell.split(separator)]
    return list(cell) if isinstance(cell, (list, tuple)) else [cell]


def jsonable(cell: Any) -> Any:
    """A cell as JSON can hold it: NaN is None, arrays are lists, dates and the like are their text."""
    if cell is None or isinstance(cell, (str, bool, int)):
        return cell
    if isinstance(cell, float):
        return None if math.isnan(cell) else cell
    if isinstance(cell, Mapping):
        return {str(name): jsonable(inner) for name, inner in cell.items()}
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if hasattr(cell, "tolist"):  # numpy
        return jsonable(cell.tolist())
    return [jsonable(item) for item in cell] if isinstance(cell, (list, tuple)) else str(cell)


def attribute_of(cell: Any) -> Any:
    """A cell as an attribute's value: text, number, truth value or a list of texts."""
    if isinstance(cell, list):
        return [str(item).strip() for item in cell if not absent(item)]
    if isinstance(cell, Mapping):
        return json.dumps(cell, ensure_ascii=False)
    return cell.strip() if isinstance(cell, str) else cell
