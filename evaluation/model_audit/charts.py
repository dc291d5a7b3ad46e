"""Lines over a horizontal axis as SVG, in the style of the reports' diagrams: abstention, robustness."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..reports.diagrams import apart

COLOURS = 8  # --c1 … --c8 of the pages' style
GAP = 13.0  # between the names at the ends of lines, in pixels
LETTERS = 16  # of a name, beyond which it is cut


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; points are (x, y), `titles` say under the pointer what each is. `plain`: in grey."""

    name: str
    points: Sequence[tuple[float, float]]
    titles: Sequence[str] = ()
    plain: bool = False


def line_chart(
    label: str,
    lines: Sequence[Line],
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    caption: str,
    mark: float | None = None,
) -> str:
    """Lines between the first and the last tick of each axis, named at their right ends. SVG.

    caption: of the horizontal axis. mark: a y to compare with, dashed. Lines keep the order of their colours.
    """
    left, top, width, height, names = 44, 10, 250, 190, 14 + 7 * LETTERS
    (low_x, high_x), (low_y, high_y) = (
        (ticks[0][0], ticks[-1][0] if ticks[-1][0] > ticks[0][0] else ticks[0][0] + 1)
        for ticks in (x_ticks, y_ticks)
    )

    def at(x: float, y: float) -> tuple[float, float]:
        up = min(1.0, max(0.0, (y - low_y) / (high_y - low_y)))
        return left + (x - low_x) / (high_x - low_x) * width, top + (1 - up) * height

    parts = []
    for value, text in y_ticks:
        y = at(low_x, value)[1]
        parts.append(f'<path class="grid" d="M{left},{y:.1f}h{width}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value, text in x_ticks:
        x = at(value, low_y)[0]
        parts.append(f'<path class="axis" d="M{x:.1f},{top + height}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{left},{top}v{height}h{width}"/>')
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 32}" text-anchor="middle">{escape(caption)}</text>'
    )
    if mark is not None:
        parts.append(f'<path class="axis dash" d="M{left},{at(low_x, mark)[1]:.1f}h{width}"/>')
    ends, coloured = [], 0
    for line in lines:
        coloured += not line.plain
        colour = "color:var(--true)" if line.plain else f"color:var(--c{(coloured - 1) % COLOURS + 1})"
        points = [at(*point) for point in line.points]
        path = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(
            f'<circle class="here" cx="{x:.1f}" cy="{y:.1f}" r="2.8"><title>{escape(title)}</title></circle>'
            for (x, y), title in zip(points, line.titles)
        )
        parts.append(f'<g style="{colour}"><path class="line" d="M{path}"/>{dots}</g>')
        ends.append((points[-1][1], colour, line.name))
    for y, colour, name in apart(ends, GAP, top + height):
        cut = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        at_end = f'x="{left + width + 9}" y="{y + 4:.1f}"'
        parts.append(f'<g style="{colour}"><text class="here" {at_end}>{escape(cut)}</text></g>')
    return (
        f'<svg viewBox="0 0 {left + width + names} {top + height + 38}" width="{left + width + names}" '
        f'height="{top + height + 38}" role="img" aria-label="{escape(label)}"><title>{escape(label)}</title>'
        f"{''.join(parts)}</svg>"
    )


def share_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks in per cent that enclose [low, high] within [0, 1]."""
    step = next(each for each in (0.02, 0.05, 0.1, 0.2) if (high - low) / each <= 5 or each == 0.2)
    first, last = int(low / step), -int(-high // step)
    return [(place * step, f"{place * step:.0%}") for place in range(first, max(last, first + 1) + 1)]


def number_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks that enclose [low, high], low ≥ 0, for what is no share."""
    steps = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    step = next((each for each in steps if (high - low) / each <= 4), high / 4)
    first, last = int(low / step), -int(-high // step)
    return [(place * step, f"{place * step:.6g}") for place in range(first, max(last, first + 1) + 1)]
