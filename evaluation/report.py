"""The probe's report: a table for people, JSON for programs, and sentences that say what beats what."""

import io
import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from .bootstrap import Difference, Interval, intervals
from .metrics import confusion_matrix, per_class

PLAIN_WIDTH = 120  # columns where there is no terminal to ask


@dataclass(frozen=True, slots=True)
class Score:
    """All that one vector of predictions scored."""

    intervals: dict[str, Interval]  # accuracy, macro_f1, uar
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]  # rows: reference, columns: prediction


@dataclass(frozen=True, slots=True)
class Row:
    """One encoder: its scores by kind of probe (linear, neighbours, zero_shot), and what each round chose."""

    name: str
    title: str
    scores: dict[str, Score]
    chosen: dict[str, list[Any]]


def score(
    labels: Tensor, predictions: Tensor, names: tuple[str, ...], groups: Tensor, resamples: int, seed: int
) -> Score:
    """Scores of predictions int64 [N] with their bootstrap intervals."""
    matrix = confusion_matrix(labels, predictions, len(names))
    found = intervals(labels, predictions, len(names), groups, resamples, seed)
    return Score(found, per_class(matrix, names), matrix.tolist())


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Rows, paired differences of the linear probe (pretrained minus each other row), and facts."""

    rows: list[Row]
    differences: dict[str, dict[str, Difference]]
    facts: dict[str, Any]

    def __getitem__(self, name: str) -> Row:
        """The row called `name`: pretrained, untrained, colour statistics, yardstick, teacher, majority."""
        return next(row for row in self.rows if row.name == name)

    @property
    def table(self) -> str:
        """The table and its sentences; coloured where standard output is a terminal, Markdown elsewhere."""
        live = sys.stdout.isatty()
        console = Console(
            file=io.StringIO(), force_terminal=live, width=None if live else PLAIN_WIDTH, highlight=False
        )
        console.print(self._table(live))
        for sentence in self.sentences:
            console.print(sentence, markup=False, soft_wrap=not live)
        console.print(self._footnote(), markup=False, soft_wrap=not live, style="dim")
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]

    @property
    def sentences(self) -> list[str]:
        """What the linear probe's macro-F1 says about the pretrained encoder, one sentence a baseline."""
        return [_sentence(name, found["macro_f1"]) for name, found in self.differences.items()]

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return {
            **self.facts,
            "rows": {row.name: asdict(row) for row in self.rows},
            "differences": {
                name: {kind: {**asdict(each), "beyond_interval": each.beyond} for kind, each in found.items()}
                for name, found in self.differences.items()
            },
            "sentences": self.sentences,
        }

    def _table(self, live: bool) -> Table:
        with_zero_shot = any("zero_shot" in row.scores for row in self.rows)
        table = Table(
            title=f"{self.facts['dataset']} · {self.facts['label_space']['name']} · frozen features"
            if live
            else None,
            box=box.ROUNDED if live else box.MARKDOWN,
            title_style="bold",
            header_style="bold",
        )
        table.add_column("encoder", overflow="fold")
        for column in ("linear accuracy", "linear macro-F1", "kNN accuracy"):
            table.add_column(column, justify="right", no_wrap=True)
        if with_zero_shot:
            table.add_column("zero-shot accuracy", justify="right", no_wrap=True)
        for row in self.rows:
            cells = [
                _cell(row.scores.get("linear"), "accuracy"),
                _cell(row.scores.get("linear"), "macro_f1"),
                _cell(row.scores.get("neighbours"), "accuracy", with_interval=False),
            ]
            if with_zero_shot:
                cells.append(_cell(row.scores.get("zero_shot"), "accuracy", with_interval=False))
            table.add_row(row.title, *cells, style="bold cyan" if row.name == "pretrained" else None)
        return table

    def _footnote(self) -> str:
        facts = self.facts
        space = facts["label_space"]
        leak = facts["straddling_groups"]
        warning = (
            f" WARNING: {leak} groups lie in both training and test split: scores are too high."
            if leak
            else ""
        )
        return (
            f"{facts['test_images']:,} test images in {facts['test_groups']:,} groups, "
            f"{len(space['classes'])} classes ({space['name']}); {facts['protocol']}; "
            f"[95 % bootstrap interval over groups of test images]; seed {facts['seed']}.{warning}"
        )


def _cell(found: Score | None, kind: str, with_interval: bool = True) -> Text:
    if found is None:
        return Text("–")
    interval = found.intervals[kind]
    bounds = f" [{interval.low:.3f}, {interval.high:.3f}]" if with_interval else ""
    return Text(f"{interval.value:.3f}{bounds}")


def _sentence(name: str, found: Difference) -> str:
    verdict = "beats it beyond the interval" if found.beyond else "does not beat it beyond the interval"
    if found.high < 0:
        verdict = "is worse beyond the interval"
    chance = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    bounds = f"[{found.low:+.3f}, {found.high:+.3f}]"
    return f"pretrained − {name}: macro-F1 {found.value:+.3f} {bounds}, {chance}: {verdict}."
