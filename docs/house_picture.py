"""The house as a picture: every room with its job, the floors in the order of imports.

Drawn by docs/pages.py into docs/pictures/house.svg. Plain SVG; its colours stand on a ground of their own, so
that it reads the same on a light and on a dark page.
"""

from html import escape

WIDTH, LEFT, RIGHT = 960, 90, 690
FLOOR, GAP, TOP = 62, 8, 96
FLOORS = (
    (("annotation", "people in the App: see, doubt, relabel"),),
    (("finetune", "heads: emotion, faces, art; predict"),),
    (("pretrain", "UniEmoX: masked autoencoding + CLIP distilled"),),
    (("evaluation", "metrics, probes, the suite, audits, reports"),),
    (("zoo", "encoders and released checkpoints"),),
    (("training", "trainer, checkpoints"), ("datasets", "readers, shards, streams")),
    (("foundation", "config, errors, files, terminal"),),
)
TINTS = ("#f8d7c4", "#fbe3c8", "#fdf0cf", "#e9f0cf", "#d5ebdc", "#d3e6ee", "#dcdff0")
FLOW = (
    "native files",
    "reader → sample",
    "shard",
    "stream",
    "task",
    "checkpoint",
    "prediction",
    "curation",
    "overlay",
)
FONT = 'font-family="system-ui, sans-serif"'


def house() -> str:
    """The drawing, as SVG text."""
    bottom = TOP + len(FLOORS) * (FLOOR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 40}" role="img" {FONT}>',
        "<title>The house: rooms by floor, and the way of the data</title>",
        f'<rect width="{WIDTH}" height="{bottom + 40}" rx="12" fill="#fffdf8"/>',
        f'<path d="M {LEFT - 30} {TOP} L {(LEFT + RIGHT) / 2} 18 L {RIGHT + 30} {TOP} Z" fill="#e8795a"/>',
        _text((LEFT + RIGHT) / 2, 66, "cli", 20, "#fff", bold=True),
        _text((LEFT + RIGHT) / 2, 86, "every command, no logic", 13, "#fff"),
    ]
    for number, (rooms, tint) in enumerate(zip(FLOORS, TINTS, strict=True)):
        top, wide = TOP + GAP + number * (FLOOR + GAP), (RIGHT - LEFT - GAP * (len(rooms) - 1)) / len(rooms)
        for place, (name, job) in enumerate(rooms):
            left = LEFT + place * (wide + GAP)
            parts.append(f'<rect x="{left}" y="{top}" width="{wide}" height="{FLOOR}" rx="6" fill="{tint}"/>')
            parts.append(_text(left + wide / 2, top + 27, f"{name}/", 18, "#3a2a20", bold=True))
            parts.append(_text(left + wide / 2, top + 47, job, 13, "#5b4a3f"))
    arrow = f"M 46 {TOP + 20} V {bottom - 12} m -7 -12 l 7 12 l 7 -12"
    parts.append(f'<path d="{arrow}" fill="none" stroke="#b58f7a" stroke-width="2.5"/>')
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 28 {middle})"'
    parts.append(_text(28, middle, "imports run downwards only", 13, "#8a6f60", more=turned))
    step = (bottom - TOP - 20) / len(FLOW)
    for number, word in enumerate(FLOW):
        y = TOP + 16 + number * step
        parts.append(f'<rect x="752" y="{y}" width="170" height="{step - 16}" rx="14" fill="#f3ede4"/>')
        parts.append(_text(837, y + (step - 16) / 2 + 5, word, 14, "#3a2a20"))
        if number:
            parts.append(f'<path d="M 837 {y - 14} v 10 m -4 -5 l 4 5 l 4 -5" fill="none" stroke="#b58f7a"/>')
    parts.append(_text(837, 76, "the way of the data", 14, "#8a6f60", bold=True))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, words: str, size: int, colour: str, bold: bool = False, more: str = "") -> str:
    weight = "600" if bold else "400"
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="middle" {more}>{escape(words)}</text>'
    )
