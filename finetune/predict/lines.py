"""Rows as lines of text: where, who, what, how sure; with colours on a terminal."""

from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from .rows import Row

NAME, CELLS = 28, 10  # columns of a file's name, of the bar
FULL, EMPTY = "█", "░"


def lines_for_people(stream: TextIO, heads: Mapping[str, Mapping[str, Any]]) -> Callable[[Row], None]:
    """What writes a row as one line: file, time, track; of each head the class, a bar, the runner-up."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    width = max(len(label) for head in heads.values() for label in head["classes"])

    def write(row: Row) -> None:
        console.print(line(row, heads, width))
        stream.flush()

    return write


def line(row: Row, heads: Mapping[str, Mapping[str, Any]], width: int) -> Text:
    """One row; class names are padded to `width`."""
    text = Text().append(f"{shortened(row.path):{NAME}}", style="dim")
    text.append(f" {clock(row.time):>9}" if row.time is not None else "", style="cyan")
    text.append(f" {f'#{row.track}' if row.track is not None else '':>4}" if row.time is not None else "")
    if not row.said:
        return text.append(f"  {row.status.replace('_', ' ')}: {row.reason}", style=_style(row))
    for name, said in row.said.items():
        if heads[name]["kind"] == "text":
            text.append(f"\n{'':{NAME}}  {said['of']}: {printed(said['text'])}", style="italic")
            continue
        text.append(f"  {name} " if len(row.said) > 1 else "  ", style="dim")
        if heads[name]["kind"] == "vad":
            text.append("  ".join(f"{axis} {value:+.2f}" for axis, value in said.items()))
            continue
        style = "dim" if said["abstain"] else "bold"
        filled = round(said["confidence"] * CELLS)
        text.append(f"{said['class']:{width}} ", style=style)
        text.append(FULL * filled, style="dim" if said["abstain"] else "green")
        text.append(EMPTY * (CELLS - filled), style="dim")
        text.append(f" {said['confidence']:4.0%}", style=style)
        others = sorted(said["probabilities"].items(), key=lambda item: -item[1])[1:2]
        text.append("".join(f"  {label} {value:.0%}" for label, value in others), style="dim")
        text.append("  abstained" if said["abstain"] else "", style="yellow")
    return text


def shortened(path: str) -> str:
    """A path that fits its column, its end kept, and without what a terminal would obey."""
    plain = printed(path)
    return plain if len(plain) <= NAME else "…" + plain[1 - NAME :]


def printed(text: str) -> str:
    """A text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def clock(seconds: float) -> str:
    """12.3 as 0:12.30."""
    whole, hundredths = divmod(round(seconds * 100), 100)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{front}:{whole:02d}.{hundredths:02d}"


def _style(row: Row) -> str:
    return "red" if row.status in ("failed", "unreadable", "incomplete") else "yellow"
