"""What every page of ours is made of: one frame and style, tables, galleries, pictures inside the file."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ...foundation.files import write_atomically

SHOWN = 112  # pixels of a picture's longer side
STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")
NOTHING = "–"


def write_document(path: Path, title: str, lead: str, body: str, foot: str) -> None:
    """Write one HTML file that stands alone, whole or not at all. `title` is text, the rest HTML."""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1><p>{lead}</p></header>{body}<footer>{foot}</footer></body></html>"
    )
    with write_atomically(path) as stream:
        stream.write(html.encode())


def section(title: str, content: str, count: int | None = None, name: str = "") -> str:
    """A heading (text), a number beside it, and content (HTML); "" without content. `name`: to link to it."""
    if not content:
        return ""
    number = "" if count is None else f" <small>{count:,}</small>"
    anchor = f' id="{escape(name)}"' if name else ""
    return f"<section{anchor}><h2>{escape(title)}{number}</h2>{content}</section>"


def thumbnail(image: Tensor, name: str, side: int = SHOWN) -> str:
    """uint8 [3, H, W] as an <img> with its bytes inside, the longer side at most `side` pixels."""
    small = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    small.thumbnail((side, side))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    source = base64.b64encode(stream.getvalue()).decode()
    name = escape(name)
    return f'<img src="data:image/jpeg;base64,{source}" alt="{name}" title="{name}">'


def gallery(figures: Iterable[tuple[str, ...]]) -> str:
    """Figures of a picture and lines under it, all HTML."""
    made = "".join(
        f"<figure><div>{picture}</div><figcaption>{'<br>'.join(lines)}</figcaption></figure>"
        for picture, *lines in figures
    )
    return f'<div class="gallery">{made}</div>' if made else ""


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], grouped: bool = False) -> str:
    """Text and numbers as a table; "" without rows. What is `Markup` is HTML, all else is escaped.

    grouped: no line is broken, and a row whose first cell is that of the row above leaves it out.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numbers = [cell.startswith('<td class="number') for cell in cells[0]] if cells else []
    top = "".join(
        f"<th{' class=number' if right else ''}>{escape(title)}</th>" for title, right in zip(head, numbers)
    )
    if grouped:
        firsts = [row[0] for row in cells]
        cells = [
            ["<td></td>", *row[1:]] if row[0] == above else row for row, above in zip(cells, ["", *firsts])
        ]
    made = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    kind = ' class="even"' if grouped else ""
    return scroll(f"<table{kind}><tr>{top}</tr>{made}</table>") if cells else ""


class Markup(str):
    """Text that is HTML already: a table takes it as it is."""

    __slots__ = ()


def _cell(value: Any) -> str:
    if isinstance(value, Markup):
        return value if value.startswith("<td") else f"<td>{value}</td>"
    if isinstance(value, float):
        return f'<td class="number">{number(value)}</td>'
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{NOTHING if value is None else escape(str(value))}</td>"


def bar(percent: float, text: str) -> Markup:
    """A table's cell with a bar behind its text (HTML)."""
    return Markup(f'<td class="bar"><i style="width:{percent:.1f}%"></i>{text}</td>')


def scroll(content: str) -> str:
    """Content that is wider than a narrow window moves sideways alone, not the whole page."""
    return f'<div class="scroll">{content}</div>'


def number(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """A number to `digits`, with a true minus; a dash for what is missing or not a number."""
    if value is None or value != value:
        return NOTHING
    value = round(value, digits) + 0.0  # no negative zero
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def share(value: float | None, digits: int = 0) -> str:
    """A share in [0, 1] as per cent; a dash for what is missing or not a number."""
    return NOTHING if value is None or value != value else f"{value:.{digits}%}"
