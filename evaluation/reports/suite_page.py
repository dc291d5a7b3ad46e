"""The suite as one page, index.html beside suite.json: the tables first, then all that qualifies them."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from .document import NOTHING, Markup, number, scroll, section, table, write_document
from .suite_sections import calibrations, comparisons, few_shot, slices, transfers
from .suite_table import Cell, Headline, Report, encoder_title, headlines, rows_of
from .wording import PERCEIVED, PROTOCOLS, score_name

EMPTY = "Cells that are empty"
RUN_PAGE = "index.html"  # in a cell's folder, where there is one


def write_suite_page(out: Path, report: dict[str, Any]) -> None:
    """Write `out`/index.html from suite.json, with links to the cells' own pages as far as there are any."""
    parts = {
        "Results": _results(out, report),
        "Against the reference": comparisons(report),
        "Learning from a part": few_shot(report),
        "From one task to another": transfers(report),
        "Calibration": calibrations(report),
        "Slices of the test sets": slices(report),
        "Tasks": _tasks(report),
        "Tasks without data": _missing(report),
        EMPTY: _absent(report),
        "Runs": _runs(out, report),
    }
    names = {title: _anchor(title) for title, content in parts.items() if content}
    nav = "".join(f'<a href="#{name}">{title}</a>' for title, name in names.items())
    body = "".join(section(title, parts[title], name=name) for title, name in names.items())
    ready = sum(task["state"] == "ready" for task in report["tasks"].values())
    write_document(
        out / "index.html",
        report["title"],
        f"{_counted(ready, 'task')} · {_counted(len(report['encoders']), 'encoder')} · "
        f"{_counted(len(report['protocols']), 'protocol')} · {_counted(len(report['seeds']), 'seed')} · "
        f"{escape(report['date'])} · vemo {escape(report['vemo'])}",
        f"{_note(report)}{_findings(report)}<nav>{nav}</nav>{body}",
        f"<code>{escape(report['command'])}</code><br>{PERCEIVED} A score here is a model's on one dataset, "
        "not an ability to read people.",
    )


def _note(report: Report) -> str:
    return f"<p>{escape(report['note'])}</p>" if report["note"] else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _findings(report: Report) -> str:
    said = [
        f"{task['title']}: {task['straddling']:,} of {task['test']:,} test samples also occur in training; "
        "the slice “not in training” shows the score without them."
        for task in report["tasks"].values()
        if task.get("straddling")
    ]
    if lacking := sum(bool(row["missing_seeds"]) for row in report["rows"]):
        said.append(
            f"{lacking:,} of {len(report['rows']):,} rows lack a seed: their spread is of the others."
        )
    if missing := [task["title"] for task in report["tasks"].values() if task["state"] == "missing"]:
        said.append(f"Without data, so not measured: {', '.join(missing)}.")
    items = "".join(f'<li class="look">{escape(text)}</li>' for text in said)
    if failed := sum(each.get("kind") == "failed" for each in report["absent"]):
        items = f'<li class="bad">Failed: {failed:,}; see <a href="#{_anchor(EMPTY)}">why</a>.</li>' + items
    return f'<ul class="findings">{items}</ul>' if items else ""


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _results(out: Path, report: Report) -> str:
    tables = [
        f"<h3>{escape(found.protocol)}</h3>"
        f'<p class="note">{PROTOCOLS.get(report["protocols"][found.protocol]["kind"], "")}</p>'
        + _headline(out, report, found)
        + _left_out(report, found)
        for found in headlines(report)
    ]
    seeds = ", ".join(map(str, report["seeds"]))
    legend = (
        f'<p class="note">Mean ± standard deviation over seeds ({seeds}); in brackets the 95 % bootstrap '
        "interval over groups of test samples. <b>Bold</b>: the best of its row, where the paired difference "
        "to the reference (of the reference: to all others) is beyond its interval and p &lt; 0.05 after "
        "Holm. Majority: what the training split's commonest class, or its mean, scores without an image. "
        "Published: the papers' own figures under their own protocols.</p>"
    )
    return "".join(tables) + legend if tables else ""


def _headline(out: Path, report: Report, found: Headline) -> str:
    head = "".join(_head(report, name) for name in found.encoders)
    head = (
        f'<tr><th>task</th>{head}<th class="parted">majority</th><th class="aside parted">published</th></tr>'
    )
    rows = []
    for name in found.tasks:
        task = report["tasks"][name]
        arrow = "↓" if task["direction"] == "lowest" else "↑"
        cells = "".join(
            _cell(out, report, encoder, found.cells.get((name, encoder))) for encoder in found.encoders
        )
        majority = number((task.get("majority") or {}).get(task["main"]))
        rows.append(
            f'<tr><td title="{escape(task["note"])}">{escape(task["title"])}<br>'
            f'<span class="spread">{score_name(task["main"])} {arrow}</span></td>{cells}'
            f'<td class="parted none">{majority}</td>'
            f'<td class="aside parted">{_published(report, name)}</td></tr>'
        )
    return scroll(f'<table class="results">{head}{"".join(rows)}</table>')


def _left_out(report: Report, found: Headline) -> str:
    """Which tasks have no row in the table at all, and why."""
    reasons: dict[str, dict[str, None]] = {}
    for each in report["absent"]:
        if each["protocol"] == found.protocol and each["task"] not in found.tasks:
            reasons.setdefault(each["reason"], {})[report["tasks"][each["task"]]["title"]] = None
    texts = [f"{', '.join(titles)} ({reason})" for reason, titles in reasons.items()]
    return f'<p class="note">Not here: {escape("; ".join(texts))}.</p>' if texts else ""


def _head(report: Report, name: str) -> str:
    encoder, own = report["encoders"].get(name, {}), name == report["reference"]
    title = encoder_title(report, name)
    untrained = encoder.get("random") and title.lower() != "untrained"
    words = [word for word, on in (("reference", own), ("untrained", untrained)) if on]
    below = f"<br><small>{', '.join(words)}</small>" if words else ""
    kind = ' class="reference"' if own else ""
    weights = escape(encoder.get("weights", ""))
    return f'<th{kind} title="{weights}">{escape(title)}{below}</th>'


def _cell(out: Path, report: Report, encoder: str, cell: Cell | None) -> str:
    kind = "reference" if encoder == report["reference"] else ""
    found = cell.main(report) if cell else None
    if cell is None or cell.row is None or found is None:
        reason = (cell.reason if cell else None) or "not measured"
        return f'<td class="{kind} none" title="{escape(reason)}">{NOTHING}</td>'
    seeds = len(cell.row["seeds"])
    mean = number(found["mean"])
    if page := run_page(out, cell.row["cells"][0] if cell.row["cells"] else None):
        mean = f'<a href="{escape(page)}">{mean}</a>'
    mean = f"<b>{mean}</b>" if cell.best else mean
    spread = f" ±{number(found['deviation'])}" if seeds > 1 else ""
    interval = f"[{number(found['low'])}, {number(found['high'])}]" if found.get("low") is not None else ""
    lacking = (
        f"<br>{seeds} of {seeds + len(cell.row['missing_seeds'])} seeds" if cell.row["missing_seeds"] else ""
    )
    each = ", ".join(number(value, 4) for value in found["each"])
    title = f"{score_name(report['tasks'][cell.row['task']]['main'])} {number(found['mean'], 4)}; "
    title += f"{'seeds' if seeds > 1 else 'seed'}: {each}; 95 % interval {interval or 'not computed'}"
    return (
        f'<td class="{kind}" title="{escape(title)}">{mean}<span class="spread">{spread}<br>'
        f"{interval}{lacking}</span></td>"
    )


def run_page(out: Path, cell: str | None) -> str | None:
    """Where the page of a cell is, relative to `out`; None where there is none."""
    return f"{cell}/{RUN_PAGE}" if cell and (out / cell / RUN_PAGE).is_file() else None


def _published(report: Report, task: str) -> str:
    main, lines = report["tasks"][task]["main"], []
    for each in report["published"]:
        if each["task"] == task:
            figure = "not filled in" if each["value"] is None else number(each["value"])
            figure += (
                "" if each["value"] is None or each["score"] == main else f" {score_name(each['score'])}"
            )
            lines.append(f'<span title="{escape(each["source"])}">{escape(each["model"])} {figure}</span>')
    return "<br>".join(lines) or NOTHING


def _tasks(report: Report) -> str:
    rows = [
        (
            Markup(f"{escape(task['title'])}<br><small>{escape(task['note'])}</small>"),
            task["kind"],
            f"{len(task['classes'])} {task['space'] or 'axes'}",
            task["train"],
            task["validation"],
            task["test"],
            task["test_groups"],
            Markup(f'<td class="number look">{task["straddling"]:,}</td>')
            if task["straddling"]
            else task["straddling"],
            task["dataset"],
            task["licence"] or "not stated",
            Markup(f"<td><code>{escape(task['fingerprint'][:12])}</code></td>"),
        )
        for task in report["tasks"].values()
        if task["state"] == "ready"
    ]
    head = ("task", "kind", "classes", "train", "validation", "test", "groups", "also in training")
    note = '<p class="note">Labelled samples of each split; groups are of the test split.</p>'
    return table((*head, "dataset", "licence", "shards"), rows) + note if rows else ""


def _missing(report: Report) -> str:
    items = "".join(
        f"<dt>{escape(task['title'])}</dt><dd>{escape(task['how_to_get'])}</dd>"
        for task in report["tasks"].values()
        if task["state"] == "missing"
    )
    return f'<dl class="facts">{items}</dl>' if items else ""


def _absent(report: Report) -> str:
    found: dict[tuple[str, ...], list[str]] = {}
    for each in report["absent"]:
        task = report["tasks"].get(each["task"], {}).get("title", each["task"])
        protocol = " ".join(part for part in (each["protocol"], each["variant"]) if part)
        place = (task, protocol, str(each.get("seeds", "")), each.get("kind", ""), each["reason"])
        found.setdefault(place, []).append(encoder_title(report, each["encoder"]))
    rows = [
        (task, protocol, ", ".join(names), seeds, Markup(f"<td>{_state(kind)}{escape(reason)}</td>"))
        for (task, protocol, seeds, kind, reason), names in found.items()
    ]
    return table(("task", "protocol", "encoder", "seeds", "why"), rows)


def _state(kind: str) -> str:
    return '<span class="worse">failed</span>: ' if kind == "failed" else ""


def _runs(out: Path, report: Report) -> str:
    rows = []
    for protocol in report["protocols"]:
        for row in rows_of(report, protocol):
            links = _links(out, row)
            if links:
                name = " ".join(part for part in (protocol, row["variant"]) if part)
                title = report["tasks"][row["task"]]["title"]
                rows.append((title, encoder_title(report, row["encoder"]), name, links))
    made = table(("task", "encoder", "protocol", "seed"), rows, grouped=True)
    return (
        f"<details><summary>{len(rows):,} rows with pages of their own</summary>{made}</details>"
        if rows
        else ""
    )


def _links(out: Path, row: Mapping[str, Any]) -> Markup:
    pages = [(cell.rpartition("seed-")[2], run_page(out, cell)) for cell in row["cells"]]
    return Markup(" ".join(f'<a href="{escape(page)}">{escape(seed)}</a>' for seed, page in pages if page))
