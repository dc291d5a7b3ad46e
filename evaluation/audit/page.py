"""The audit as one HTML file with its pictures inside: nothing to serve, nothing loaded from anywhere."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from ...datasets.stream import ShardSet
from ...datasets.stream.decode import decode
from ...datasets.taxonomy import label_space
from ..reports.document import bar, gallery, scroll, section, share, table, thumbnail, write_document
from .doubts import Doubt
from .duplicates import Pair
from .findings import findings
from .scan import Scan


class Pictures:
    """Samples of a scan as <img> tags, each read and encoded once."""

    def __init__(self, shards: ShardSet, seen: Scan) -> None:
        self.shards, self.seen = shards, seen
        self._tags: dict[int, str] = {}

    def __getitem__(self, place: int) -> str:
        if place not in self._tags:
            _, data = self.shards.read(self.seen.splits[place], self.seen.places[place])
            self._tags[place] = thumbnail(decode(data), self.seen.records[place]["id"])
        return self._tags[place]


def write_page(
    path: Path,
    report: dict[str, Any],
    shards: ShardSet,
    seen: Scan,
    pairs: Sequence[Pair],
    doubts: Sequence[Doubt],
    placeholders: dict[int, str],
    shown: int,
) -> None:
    """Write the page. `placeholders` are by place in the scan; `shown` bounds each gallery."""
    pictures, names = Pictures(shards, seen), label_space(report["label_space"]).names
    across = [pair for pair in pairs if seen.splits[pair.first] != seen.splits[pair.second]]
    within = [pair for pair in pairs if seen.splits[pair.first] == seen.splits[pair.second]]
    doubtful = [doubt for doubt in doubts if doubt.looks_like != doubt.labelled]
    index = {record["id"]: place for place, record in enumerate(seen.records)}
    sections = [
        ("Copies across splits", _pairs(pictures, seen, across[:shown]), len(across)),
        ("Copies within a split", _pairs(pictures, seen, within[:shown]), len(within)),
        (
            "Labels in doubt",
            gallery(
                (
                    pictures[doubt.place],
                    f"labelled <b>{escape(doubt.labelled)}</b>",
                    f"looks like <b>{escape(doubt.looks_like)}</b>",
                )
                for doubt in doubtful[:shown]
            )
            + _confusions(report["doubts"]),
            len(doubtful),
        ),
        (
            "Not a picture",
            gallery((pictures[p], escape(why)) for p, why in list(placeholders.items())[:shown]),
            len(placeholders),
        ),
        ("What attributes give away", _leakage(report["leakage"]), None),
        ("Classes", _classes(report["balance"], names), None),
        ("Raters", _rows(report["agreement"]), None),
        ("Light, annotated and measured", _light(report["light"], pictures, index), None),
        ("What is known", _bars(report["coverage"]), None),
    ]
    said = "".join(f'<li class="{kind}">{escape(text)}</li>' for kind, text in findings(report))
    splits = " · ".join(f"{name} {count:,}" for name, count in report["splits"].items())
    write_document(
        path,
        f"Audit of {report['shards']}",
        f"{report['samples']:,} images · {splits} · {report['label_space']} · {report['date']} · "
        f"shards {report['fingerprint'][:12]}",
        f'<ul class="findings">{said}</ul>'
        + "".join(section(title, content, count) for title, content, count in sections),
        f"vemo {report['vemo']}. Labels are what people perceive, not what anyone felt. "
        "A finding is a place to look, not a verdict.",
    )


def _pairs(pictures: Pictures, seen: Scan, pairs: Sequence[Pair]) -> str:
    return gallery(
        (
            pictures[pair.first] + pictures[pair.second],
            f"{seen.splits[pair.first]} ↔ {seen.splits[pair.second]}",
            "identical" if pair.kind != "near" else f"alike {pair.similarity:.3f}",
        )
        for pair in pairs
    )


def _confusions(doubts: dict[str, Any]) -> str:
    rows = [list(row.values()) for row in doubts.get("confusions", ())]
    return table(("labelled", "looks like", "images"), rows)


def _leakage(leakage: dict[str, Any]) -> str:
    found = table(
        ("attribute", "images", "coverage", "commonest class", "same images", "held out", "telling values"),
        (
            (
                key,
                each["images"],
                f"{each['coverage']:.0%}",
                f"{each['prior']:.1%}",
                share(each.get("seen"), 1),
                f"{each['held out']:.1%}",
                ", ".join(f"{one['value']} → {one['label']}" for one in each.get("telling", ())[:4]),
            )
            for key, each in leakage.items()
        ),
    )
    note = "<p>How often the attribute's value alone, without the image, predicts the label.</p>"
    return note + found if found else ""


def _classes(balance: dict[str, Any], names: Sequence[str]) -> str:
    splits = balance["splits"]
    largest = max((max(counts.values(), default=0) for counts in splits.values()), default=0) or 1
    rows = ""
    for name in names:
        cells = "".join(bar(100 * counts[name] / largest, f"{counts[name]:,}") for counts in splits.values())
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    head = "".join(f"<th>{escape(split)}</th>" for split in splits)
    return scroll(f"<table><tr><th></th>{head}</tr>{rows}</table>")


def _rows(groups: dict[str, dict[str, Any]]) -> str:
    keys = list(next(iter(groups.values()), {}))
    return table(("", *keys), ((name, *found.values()) for name, found in groups.items()))


def _light(light: dict[str, Any], pictures: Pictures, index: dict[str, int]) -> str:
    figures = [
        (pictures[index[row["id"]]], f"{escape(key)} {row['annotated']:g}", f"measured {row['measured']:g}")
        for key, found in light.items()
        for row in found["worst"][:6]
    ]
    summary = {key: {k: v for k, v in found.items() if k != "worst"} for key, found in light.items()}
    return _rows(summary) + gallery(figures)


def _bars(shares: dict[str, float]) -> str:
    rows = "".join(
        f"<tr><td>{escape(key)}</td>{bar(100 * part, share(part, 1))}</tr>" for key, part in shares.items()
    )
    return f"<table>{rows}</table>" if rows else ""
