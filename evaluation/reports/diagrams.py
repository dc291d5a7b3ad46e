"""Diagrams as strings of SVG and HTML: no script, nothing loaded; light, dark and print by the page's style.

Colours are the style's variables (`page.css`), so a diagram needs a page around it. Numbers stand beside
colours wherever there is room, and under the pointer (`title`) where there is not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..metrics.calibration import BINS
from .document import NOTHING, number, scroll, share

Bins = Sequence[Mapping[str, Any]]  # as `metrics.Bin`: count, confidence, accuracy
ROOMY = 12  # classes up to which a cell of the confusion matrix has room for its count
COLOURS = 8  # --c1 … --c8 of the style
DASHES = ("", "6 3", "2 3", "8 3 2 3")  # lines of the same colour, and lines in black and white


@dataclass(frozen=True, slots=True)
class Point:
    """A score where `fraction` of the training split was learnt from, over seeds: mean, least, greatest."""

    fraction: float
    mean: float
    low: float
    high: float


def reliability_diagram(before: Bins, after: Bins | None = None) -> str:
    """Accuracy against confidence, both in [0, 1], as (equal-width) bins of `reliability`; counts below.

    A point below the diagonal: surer than right. `after`: the same samples behind a temperature. Without it,
    one line. SVG.
    """
    side, left, top = 280, 40, 8
    bottom = top + side

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * side, bottom - y * side

    parts = [f'<rect class="grid" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = at(tick, tick)
        parts.append(f'<path class="grid" d="M{left},{y:.1f}H{left + side}M{x:.1f},{top}V{bottom}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{tick:.1f}</text>')
    parts.append(f'<path class="axis dash" d="M{left},{bottom}L{left + side},{top}"/>')
    parts.append(f'<text x="{left + side / 2}" y="{bottom + 29}" text-anchor="middle">confidence</text>')
    middle = top + side / 2
    parts.append(
        f'<text x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">accuracy</text>'
    )
    base = bottom + 38
    series = [("before", before), *([("after", after)] if after is not None else [])]
    for kind, bins in series:
        points = [at(each["confidence"], each["accuracy"]) for each in bins]
        line = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<path class="{kind}" d="M{line}"/>' if points else "")
        for (x, y), each in zip(points, bins):
            says = f"{each['count']:,} samples: {each['confidence']:.1%} sure, {each['accuracy']:.1%} right"
            parts.append(
                f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.6"><title>{says}</title></circle>'
            )
        base += 44
        parts.append(_counts(kind, bins, left, base, side))
    return _svg(left + side + 8, base + 6, "Reliability diagram", parts)


def _counts(kind: str, bins: Bins, left: float, base: float, side: float) -> str:
    """How many samples lie in each bin, as bars up from `base`, each with its number."""
    most, width = max((each["count"] for each in bins), default=1), side / BINS
    parts = [f'<path class="grid" d="M{left},{base}h{side}"/>']
    parts.append(f'<text class="small" x="{left - 6}" y="{base}" text-anchor="end">{kind}</text>')
    for each in bins:
        place = min(BINS - 1, max(0, math.ceil(each["confidence"] * BINS) - 1))
        x, tall = left + place * width, 26 * each["count"] / most
        parts.append(
            f'<rect class="bars {kind}" x="{x + 1:.1f}" y="{base - tall:.1f}" '
            f'width="{width - 2:.1f}" height="{tall:.1f}"/>'
            f'<text class="small" x="{x + width / 2:.1f}" y="{base - tall - 3:.1f}" text-anchor="middle">'
            f"{_short(each['count'])}</text>"
        )
    return "".join(parts)


def _short(count: int) -> str:
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"


def confusion_table(names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix (rows: what is true, columns: what is said) as a heat table of shares of its row.

    Counts stand below the shares, or under the pointer where there are more than `ROOMY` classes.
    """
    roomy = len(names) <= ROOMY
    rows = []
    for true, row in zip(names, counts):
        total = sum(row)
        cells = []
        for said, count in zip(names, row):
            part = count / total if total else 0.0
            own = "own" if said == true else ""
            title = f"true {true}, said {said}: {count:,} of {total:,}"
            text = f"{100 * part:.0f}" if count else "·"
            text += f"<small>{count:,}</small>" if roomy and count else ""
            cells.append(_heat(part, text, title, own))
        rows.append(f'<tr><th>{escape(true)}</th>{"".join(cells)}<td class="sum">{total:,}</td></tr>')
    says = " and, below, counts" if roomy else "; counts under the pointer"
    return (
        scroll(_heat_table("true ↓<br>said →", names, rows, "" if roomy else "wide", last="samples"))
        + f'<p class="note">Per cent of the row{says}. Rows: what is true; columns: what is said.</p>'
    )


def transfer_table(
    sources: Mapping[str, str],
    targets: Mapping[str, str],
    values: Mapping[tuple[str, str], float],
    shades: Mapping[tuple[str, str], float],
    titles: Mapping[tuple[str, str], str],
) -> str:
    """Scores by (source, target) as a heat table; `shades` in [0, 1] colour it, `titles` explain it.

    `sources` and `targets` are name → title. Keys that are absent are empty cells (with their title, if they
    have one); the diagonal is framed.
    """
    rows = []
    for source, heading in sources.items():
        cells = []
        for target in targets:
            key = (source, target)
            text = number(values[key]) if key in values else NOTHING
            kind = " ".join(
                word for word, on in (("own", source == target), ("empty", key not in values)) if on
            )
            cells.append(_heat(shades.get(key, 0.0), text, titles.get(key, ""), kind))
        rows.append(f"<tr><th>{escape(heading)}</th>{''.join(cells)}</tr>")
    return scroll(_heat_table("learnt from ↓<br>tested on →", list(targets.values()), rows))


def _heat_table(
    corner: str, columns: Sequence[str], rows: Sequence[str], kind: str = "", last: str = ""
) -> str:
    head = "".join(f'<th class="top"><span>{escape(name)}</span></th>' for name in columns)
    head += f'<th class="top"><span>{last}</span></th>' if last else ""
    return f'<table class="heat {kind}"><tr><th>{corner}</th>{head}</tr>{"".join(rows)}</table>'


def _heat(shade: float, text: str, title: str, kind: str = "") -> str:
    shade = min(1.0, max(0.0, shade)) if shade == shade else 0.0
    return f'<td class="{kind}" style="--h:{shade:.3f}" title="{escape(title)}">{text}</td>'


def bar_pairs(names: Sequence[str], true: Sequence[float], said: Sequence[float], tiny: bool = False) -> str:
    """Two bars a name, what is true above what is said: shares in [0, 1]. tiny: without numbers."""
    most = max((*true, *said), default=0.0) or 1.0
    rows = []
    for name, t, s in zip(names, true, said):
        t_text, s_text = share(t, 1), share(s, 1)
        title = f"{name}: true {t_text}, said {s_text}"
        numbers = "" if tiny else f'<td class="number">{t_text}</td><td class="number">{s_text}</td>'
        rows.append(
            f'<tr title="{escape(title)}"><td>{escape(name)}</td><td class="both">'
            f'<i style="width:{100 * t / most:.1f}%"></i><i style="width:{100 * s / most:.1f}%"></i></td>'
            f"{numbers}</tr>"
        )
    head = (
        "" if tiny else '<tr><th></th><th></th><th class="number">true</th><th class="number">said</th></tr>'
    )
    return f'<table class="pairs{" tiny" if tiny else ""}">{head}{"".join(rows)}</table>'


def value_mark(true: float | None, said: float, title: str) -> str:
    """A scale from −1 to 1: a ring where it is true (None: not known), a dot where it is said. SVG."""
    left, width, y = 6, 100, 8
    parts = [
        f'<path class="grid" d="M{left},{y}h{width}"/><path class="grid" d="M{left + width / 2},{y - 5}v10"/>'
    ]
    if true is not None:
        parts.append(
            f'<circle class="dot before" cx="{left + (true + 1) / 2 * width:.1f}" cy="{y}" r="4.5"/>'
        )
    place = min(1.0, max(-1.0, said))
    parts.append(f'<circle class="dot after" cx="{left + (place + 1) / 2 * width:.1f}" cy="{y}" r="3"/>')
    return _svg(width + 2 * left, 16, title, parts)


def interval_mark(found: Mapping[str, float], extent: float, kind: str, title: str) -> str:
    """A difference (`value`, `low`, `high`) on a scale from −extent to extent around zero. SVG."""
    width, y = 170, 9
    half = width / 2

    def at(number: float) -> float:
        return half + half * min(1.0, max(-1.0, number / (extent or 1.0)))

    parts = [
        f'<path class="axis" d="M{half},1v16"/><g class="{kind}">'
        f'<path class="line" d="M{at(found["low"]):.1f},{y}H{at(found["high"]):.1f}"/>'
        f'<circle class="here" cx="{at(found["value"]):.1f}" cy="{y}" r="2.8"/></g>'
    ]
    return _svg(width, 18, title, parts)


def few_shot_curve(
    curves: Sequence[tuple[str, Sequence[Point]]], score: str, baseline: float | None = None
) -> str:
    """Score against the fraction of the training split (logarithmic), a line an encoder, seeds as a band.

    curves: title and points of each encoder, in the order of their colours; without points it has no line.
    baseline: what predicting without an image scores, dashed. Lines are named at their ends. SVG.
    """
    points = [point for _, curve in curves for point in curve]
    fractions = sorted({point.fraction for point in points})
    if not fractions:
        return ""
    left, top, width, height, names = 40, 10, 250, 190, 130
    low = min([point.low for point in points] + ([] if baseline is None else [baseline]))
    high = max([point.high for point in points] + ([] if baseline is None else [baseline]))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    start, end = math.log(fractions[0]), math.log(fractions[-1])

    def at(fraction: float, value: float) -> tuple[float, float]:
        along = (math.log(fraction) - start) / (end - start) if end > start else 0.5
        up = (value - low) / (high - low) if high > low else 0.5
        return left + along * width, top + (1 - up) * height

    parts = []
    for tick in ticks:
        y = at(fractions[0], tick)[1]
        parts.append(f'<path class="grid" d="M{left},{y:.1f}h{width}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for fraction in fractions:
        x = at(fraction, low)[0]
        parts.append(f'<path class="axis" d="M{x:.1f},{top + height}v4"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{100 * fraction:g} %</text>'
        )
    caption = "of the training split"
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 32}" text-anchor="middle">{caption}</text>'
        f'<path class="axis" d="M{left},{top}v{height}h{width}"/>'
    )
    ends: list[tuple[float, str, str]] = []
    if baseline is not None:
        y = at(fractions[0], baseline)[1]
        parts.append(f'<path class="axis dash" d="M{left},{y:.1f}h{width}"/>')
        ends.append((y, "", "majority"))
    for place, (name, curve) in enumerate(curves):
        if not curve:
            continue
        colour = f"color:var(--c{place % COLOURS + 1})"
        dashes = f' stroke-dasharray="{DASHES[place // COLOURS % len(DASHES)]}"' if place >= COLOURS else ""
        line = [at(point.fraction, point.mean) for point in curve]
        band = [at(point.fraction, point.high) for point in curve]
        band += [at(point.fraction, point.low) for point in reversed(curve)]
        dots = "".join(
            f'<circle class="here" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(name)}, '
            f"{100 * point.fraction:g} %: {score} {number(point.mean)} "
            f"({number(point.low)} to {number(point.high)})</title></circle>"
            for (x, y), point in zip(line, curve)
        )
        parts.append(
            f'<g style="{colour}"><path class="area" d="M{_path(band)}Z"/>'
            f'<path class="line" d="M{_path(line)}"{dashes}/>{dots}</g>'
        )
        ends.append((line[-1][1], colour, name))
    x = left + width + 9
    for y, colour, name in apart(ends, 13.0, top + height):
        kind = ' class="here"' if colour else ""
        parts.append(
            f'<g style="{colour}"><text{kind} x="{x}" y="{y + 4:.1f}">{escape(_cut(name))}</text></g>'
        )
    return _svg(left + width + names, top + height + 38, f"{score} by part of the training split", parts)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _cut(name: str, letters: int = 19) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def apart(ends: Sequence[tuple[float, str, str]], gap: float, floor: float) -> list[tuple[float, str, str]]:
    """The labels in the order of their heights, moved so that they are `gap` apart and end above `floor`."""
    placed: list[tuple[float, str, str]] = []
    for y, colour, name in sorted(ends):
        placed.append((max(y, placed[-1][0] + gap) if placed else y, colour, name))
    limit = floor
    for place in range(len(placed) - 1, -1, -1):
        y, colour, name = placed[place]
        placed[place] = (min(y, limit), colour, name)
        limit = placed[place][0] - gap
    return placed


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers that enclose low and high."""
    span = high - low or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, max(last, first + 1) + 1)]


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(label)}"><title>{escape(label)}</title>{"".join(parts)}</svg>'
    )
