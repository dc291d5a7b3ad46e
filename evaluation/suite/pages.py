"""A suite's pages: one of the whole, one for each row's first seed, and the tables as Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...foundation.files import write_atomically
from ...foundation.progress import Progress
from ...foundation.terminal import table_text
from ...zoo import Encoder
from ..reports import suite_markdown, write_run_page, write_suite_page
from ..reports.attention import looking
from ..reports.suite_table import headlines, verdict
from .cells import ABOUT, Cell, read
from .run import Suite

PAGE, MARKDOWN = "index.html", "suite.md"


def write_pages(suite: Suite, done: list[Cell], report: dict[str, Any]) -> Path:
    """Write what is missing or older than its cell; returns the suite's page."""
    out, firsts = suite.config.out, {}
    for cell in done:
        if not cell.variant:  # of curves and matrices the suite's page shows all there is
            firsts.setdefault(cell.row, cell)
    tuned = {name for name, each in suite.config.protocols.items() if each.kind == "finetune"}
    pending = [c for c in firsts.values() if _is_due(out / c.folder, made_by_cell=c.protocol in tuned)]
    with Progress("pages", len(pending), unit="pages") as progress:
        for cell in pending:
            _write_page(suite, cell, report)
            progress.update(1)
    write_suite_page(out, report)
    with write_atomically(out / MARKDOWN) as stream:
        stream.write(suite_markdown(report).encode())
    return out / PAGE


def _is_due(folder: Path, made_by_cell: bool) -> bool:
    page = folder / PAGE
    if made_by_cell and page.exists():
        return False
    return not page.exists() or page.stat().st_mtime < (folder / ABOUT).stat().st_mtime


def _write_page(suite: Suite, cell: Cell, report: dict[str, Any]) -> None:
    task, folder = suite.tasks[cell.task], suite.config.out / cell.folder
    test, validation = read(folder)
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    known = ("trained_on", "learning_rate", "weight_decay", "k", "encoder", "seconds")
    facts = {name.replace("_", " "): str(about[name]) for name in known if name in about}
    facts = {"protocol": cell.protocol, "seed": str(cell.seed), **facts}
    encoder = suite.encoder_of(cell)
    write_run_page(
        folder / PAGE,
        f"{task.config.title} · {report['encoders'][cell.encoder]['title']} · {cell.protocol}",
        facts,
        test,
        validation,
        task.shards if suite.config.thumbnails else None,
        task.config.test_split,
        looking(encoder) if isinstance(encoder, Encoder) else None,
    )


def summary(report: dict[str, Any]) -> str:
    """The suite on a terminal: the main score of each row, and how the reference stands against it."""
    against = {
        (each["task"], each["protocol"], each["second"]): each
        for each in report["comparisons"]
        if not each["variant"]
    }
    parts = []
    for found in headlines(report):
        rows, styles = [], []
        for (task, encoder), cell in found.cells.items():
            score = cell.main(report)
            if cell.row is None or score is None:
                continue
            compared = against.get((task, found.protocol, encoder))
            rows.append(
                (
                    report["tasks"][task]["title"],
                    report["encoders"][encoder]["title"],
                    report["tasks"][task]["main"],
                    f"{score['mean']:.3f}"
                    + (f" ± {score['deviation']:.3f}" if score["deviation"] is not None else ""),
                    f"{score['low']:.3f} … {score['high']:.3f}",
                    str(len(cell.row["seeds"])),
                    _standing(report, compared) if compared else "",
                )
            )
            styles.append("bold" if cell.best else "")
        head = (
            "task",
            "encoder",
            "score",
            "mean ± deviation",
            "95 % interval",
            "seeds",
            "reference minus it",
        )
        parts.append(f"{found.protocol}\n{table_text(head, rows, styles)}")
    for name, task in report["tasks"].items():
        if task["state"] == "missing":
            parts.append(f"{name}: {task['how_to_get']}")
    for each in report["absent"]:
        where = " · ".join(filter(None, (each[key] for key in ("task", "encoder", "protocol", "variant"))))
        parts.append(f"{each['kind']}: {where}: {each['reason']}")
    return "\n\n".join(parts)


def _mean(score: Mapping[str, Any]) -> str:
    spread = "" if score["deviation"] is None else f" ± {score['deviation']:.3f}"
    return f"{score['mean']:.3f}{spread}"


def _standing(report: dict[str, Any], compared: dict[str, Any]) -> str:
    """How much better (worse) the reference is by the paired difference of the score."""
    gap = compared["difference"]
    said = {"ahead": "better", "behind": "worse", "undecided": "undecided"}[verdict(report, compared)]
    return f"{said}, {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
