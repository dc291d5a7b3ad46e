"""The audit as one HTML file with its pictures inside: nothing to serve, nothing loaded from anywhere."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ...datasets.stream import ShardSet
from ...datasets.stream.decode import decode
from ...datasets.taxonomy import label_space
from ...foundation.files import write_atomically
from .doubts import Doubt
from .duplicates import Pair
from .findings import findings
from .scan import Scan

SHOWN = 112  # pixels of a picture's longer side
STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")


class Pictures:
    """Samples of a scan as <img> tags, each read and encoded once."""

    def __init__(self, shards: ShardSet, seen: Scan) -> None:
        self.shards, self.seen = shards, seen
        self._tags: dict[int, str] = {}

    def __getitem__(self, place: int) -> str:
        if place not in self._tags:
            _, data = self.shards.read(self.seen.splits[place], self.seen.places[place])
            image = Image.fromarray(decode(data).permute(1, 2, 0).numpy())
            image.thumbnail((SHOWN, SHOWN))
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=80)
            source = base64.b64encode(stream.getvalue()).decode()
            name = escape(self.seen.records[place]["id"])
            self._tags[place] = f'<img src="data:image/jpeg;base64,{source}" alt="{name}" title="{name}">'
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
            _gallery(
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
            _gallery((pictures[p], why) for p, why in list(placeholders.items())[:shown]),
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
    body = "".join(
        f"<section><h2>{title}{'' if count is None else f' <small>{count:,}</small>'}</h2>{content}</section>"
        for title, content, count in sections
        if content
    )
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Audit of {escape(report['shards'])}</title><style>{STYLE}</style>"
        f"<header><h1>Audit of {escape(report['shards'])}</h1><p>{report['samples']:,} images · {splits} · "
        f"{report['label_space']} · {report['date']} · shards {report['fingerprint'][:12]}</p></header>"
        f'<ul class="findings">{said}</ul>{body}'
        f"<footer>vemo {report['vemo']}. Labels are what people perceive, not what anyone felt. "
        "A finding is a place to look, not a verdict.</footer></html>"
    )
    with write_atomically(path) as stream:
        stream.write(html.encode())


def _pairs(pictures: Pictures, seen: Scan, pairs: Sequence[Pair]) -> str:
    return _gallery(
        (
            pictures[pair.first] + pictures[pair.second],
            f"{seen.splits[pair.first]} ↔ {seen.splits[pair.second]}",
            "identical" if pair.kind != "near" else f"alike {pair.similarity:.3f}",
        )
        for pair in pairs
    )


def _gallery(figures: Iterable[tuple[str, ...]]) -> str:
    made = "".join(
        f"<figure><div>{picture}</div><figcaption>{'<br>'.join(lines)}</figcaption></figure>"
        for picture, *lines in figures
    )
    return f'<div class="gallery">{made}</div>' if made else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, float):
            value = f"{value:.3f}"
        return f"<td>{'–' if value is None else escape(str(value))}</td>"

    made = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{title}</th>' for title in head)}</tr>{made}</table>" if made else ""


def _confusions(doubts: dict[str, Any]) -> str:
    rows = [list(row.values()) for row in doubts.get("confusions", ())]
    return _table(("labelled", "looks like", "images"), rows)


def _leakage(leakage: dict[str, Any]) -> str:
    table = _table(
        ("attribute", "images", "coverage", "commonest class", "same images", "held out", "telling values"),
        (
            (
                key,
                found["images"],
                f"{found['coverage']:.0%}",
                f"{found['prior']:.1%}",
                f"{found['seen']:.1%}" if "seen" in found else "–",
                f"{found['held out']:.1%}",
                ", ".join(f"{each['value']} → {each['label']}" for each in found.get("telling", ())[:4]),
            )
            for key, found in leakage.items()
        ),
    )
    note = "<p>How often the attribute's value alone, without the image, predicts the label.</p>"
    return note + table if table else ""


def _classes(balance: dict[str, Any], names: Sequence[str]) -> str:
    splits = balance["splits"]
    largest = max((max(counts.values(), default=0) for counts in splits.values()), default=0) or 1
    rows = ""
    for name in names:
        cells = "".join(_bar(100 * counts[name] / largest, f"{counts[name]:,}") for counts in splits.values())
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    head = "".join(f"<th>{escape(split)}</th>" for split in splits)
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _bar(percent: float, text: str) -> str:
    return f'<td class="bar"><i style="width:{percent:.1f}%"></i>{text}</td>'


def _rows(groups: dict[str, dict[str, Any]]) -> str:
    keys = list(next(iter(groups.values()), {}))
    return _table(("", *keys), ((name, *found.values()) for name, found in groups.items()))


def _light(light: dict[str, Any], pictures: Pictures, index: dict[str, int]) -> str:
    figures = [
        (pictures[index[row["id"]]], f"{key} {row['annotated']:g}", f"measured {row['measured']:g}")
        for key, found in light.items()
        for row in found["worst"][:6]
    ]
    summary = {key: {k: v for k, v in found.items() if k != "worst"} for key, found in light.items()}
    return _rows(summary) + _gallery(figures)


def _bars(shares: dict[str, float]) -> str:
    rows = "".join(
        f"<tr><td>{escape(key)}</td>{_bar(100 * share, f'{share:.1%}')}</tr>" for key, share in shares.items()
    )
    return f"<table>{rows}</table>" if rows else ""
