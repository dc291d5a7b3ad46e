"""The suite's tables as GitHub-flavoured Markdown, for the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .document import NOTHING, number
from .suite_table import Cell, Headline, Report, encoder_title, headlines, tally
from .wording import PERCEIVED, score_name


def suite_markdown(report: Report) -> str:
    """The headline table of every protocol, who leads, the tasks that are missing; ends in a newline."""
    parts = [f"# {_text(report['title'])}", _opening(report)]
    for found in headlines(report):
        parts += [f"## {_text(found.protocol)}", _headline(report, found)]
        if standing := _standing(report, found.protocol):
            parts.append(standing)
    missing = {name: task for name, task in report["tasks"].items() if task["state"] == "missing"}
    if missing:
        lines = [f"- **{_text(task['title'])}**: {_text(task['how_to_get'])}" for task in missing.values()]
        parts += ["## Not measured: no data", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _opening(report: Report) -> str:
    seeds = ", ".join(map(str, report["seeds"]))
    note = f"{_text(report['note'])}\n\n" if report["note"] else ""
    return (
        f"{note}Mean ± standard deviation over seeds ({seeds}); in brackets the 95 % bootstrap interval over "
        "groups of test samples. Bold: the best of its row, where the paired difference to the reference "
        "(of the reference: to all others) is beyond its interval and p < 0.05 after Holm. Majority: what "
        "the training split's commonest class, or its mean, scores without an image. Published figures are "
        f"the papers' own, under their protocols. {PERCEIVED}\n\n"
        f"`{report['command']}`, vemo {report['vemo']}, {report['date']}"
    )


def _headline(report: Report, found: Headline) -> str:
    names = [
        _text(encoder_title(report, name)) + (" (reference)" if name == report["reference"] else "")
        for name in found.encoders
    ]
    rows = []
    for name in found.tasks:
        task = report["tasks"][name]
        arrow = "↓" if task["direction"] == "lowest" else "↑"
        cells = [_cell(report, found.cells.get((name, encoder))) for encoder in found.encoders]
        majority = number((task.get("majority") or {}).get(task["main"]))
        label = f"{_text(task['title'])}, {score_name(task['main'])} {arrow}"
        rows.append([label, *cells, majority, published(report, name)])
    return _table(["task", *names, "majority", "published"], rows)


def _cell(report: Report, cell: Cell | None) -> str:
    found = cell.main(report) if cell else None
    if cell is None or cell.row is None or found is None:
        return NOTHING
    mean = f"**{number(found['mean'])}**" if cell.best else number(found["mean"])
    spread = f" ±{number(found['deviation'])}" if len(cell.row["seeds"]) > 1 else ""
    interval = f" [{number(found['low'])}, {number(found['high'])}]" if found.get("low") is not None else ""
    return mean + spread + interval


def published(report: Report, task: str) -> str:
    """The papers' figures for a task in words, "not filled in" where nobody has entered one yet."""
    main = report["tasks"][task]["main"]
    found = [
        f"{_text(each['model'])} {_figure(each, main)}"
        for each in report["published"]
        if each["task"] == task
    ]
    return "; ".join(found) or NOTHING


def _figure(each: Mapping[str, Any], main: str) -> str:
    if each["value"] is None:
        return "not filled in"
    return number(each["value"]) + ("" if each["score"] == main else f" ({score_name(each['score'])})")


def _standing(report: Report, protocol: str) -> str:
    lines = [
        f"{_text(encoder_title(report, report['reference']))} against {_text(encoder_title(report, name))}: "
        f"ahead on {counts['ahead']}, behind on {counts['behind']}, undecided on {counts['undecided']} tasks."
        for name, counts in tally(report, protocol).items()
    ]
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 2), "---"], *rows]
    return "\n".join(f"| {' | '.join(_bar_free(cell) for cell in line)} |" for line in lines)


def _bar_free(cell: str) -> str:
    return cell.replace("|", "\\|")


def _text(text: str) -> str:
    """On one line, and what Markdown or HTML would take for a sign kept as it is written."""
    line = " ".join(text.split())
    for sign in ("\\", "`", "*", "_", "[", "]", "<", ">"):
        line = line.replace(sign, f"\\{sign}")
    return line
