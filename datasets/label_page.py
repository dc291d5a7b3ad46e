"""The documentation page of label spaces and maps, written from the data files so that it cannot disagree."""

from .taxonomy import (
    KINDS,
    LabelMap,
    LabelSpace,
    MapRow,
    label_map,
    label_map_names,
    label_space,
    label_space_names,
)

HEAD = """# Label spaces and maps

Written by `vemo.datasets.label_page` from the files under `datasets/labels/`; a test keeps it up to date.

A **label space** is a named, ordered, versioned vocabulary. A **label map** leads from one to another, with a
flag for each class: *exact* (the target means the same or plainly contains it), *lossy* (the nearest target,
but meaning is lost), *ambiguous* (people disagree; dropped unless you ask for the first choice) or *dropped*
(no target). Distributions and votes are mapped by summing columns, then distributions are renormalised.

Emotion labels are what people perceived, not what anyone felt.
"""


def label_page() -> str:
    """The whole page as Markdown."""
    spaces = [_space_row(label_space(name)) for name in label_space_names()]
    sources = dict.fromkeys(source for source, _ in label_map_names())
    table = ["| space | what and in which order | source |", "|---|---|---|", *spaces]
    return "\n".join([HEAD, "## Spaces\n", *table, "\n## Maps\n", *map(_map_section, sources)])


def _space_row(space: LabelSpace) -> str:
    names = ", ".join(space.names)
    if space.tree:
        tiers = [[name for name in space.names if name.count("/") == tier] for tier in range(3)]
        names = f"{', '.join(tiers[0])}; below them {len(tiers[1])} and {len(tiers[2])} finer ones"
    return f"| **{space.name}** v{space.version} ({len(space)}) | {space.title}: {names} | {space.source} |"


def _map_section(source: str) -> str:
    lines = [_map_line(label_map(start, target)) for start, target in label_map_names() if start == source]
    return "\n".join([f"### From {source}\n", *lines, ""])


def _map_line(table: LabelMap) -> str:
    parts = []
    for kind in KINDS:
        by_target: dict[str, list[str]] = {}
        for name, row in table.rows.items():
            if row.kind == kind:
                by_target.setdefault(_target(row, name), []).append(name)
        if by_target:
            parts.append(f"*{kind}* " + ", ".join(f"{', '.join(n)}{to}" for to, n in by_target.items()))
    return f"- **{table.target.name}** ({table.origin}): {'; '.join(parts)}"


def _target(row: MapRow, name: str) -> str:
    if row.point:
        return f" → ({', '.join(f'{value:g}' for value in row.point.values())})"
    if row.to is None or row.to == name:
        return ""
    return " → " + " or ".join((row.to, *row.alternatives))
