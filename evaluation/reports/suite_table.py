"""What a suite's report says, read once for the page, Markdown and wandb: who leads, and by enough?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Report = Mapping[str, Any]  # suite.json
SIGNIFICANT = 0.05
PARTED = ("few_shot", "transfer")  # kinds of protocols whose rows have variants, shown as curves and matrices
COLUMNS = (
    "task",
    "encoder",
    "protocol",
    "variant",
    "score",
    "main",
    "mean",
    "deviation",
    "low",
    "high",
    "seeds",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """Of one task, encoder and protocol: its row, or why there is none; whether it is the best by enough."""

    row: Mapping[str, Any] | None
    reason: str | None
    best: bool

    def main(self, report: Report) -> Mapping[str, Any] | None:
        """mean, deviation, low, high, each of the task's main score; None where there is no row."""
        if self.row is None:
            return None
        return self.row["scores"].get(report["tasks"][self.row["task"]]["main"])


@dataclass(frozen=True, slots=True)
class Headline:
    """The table of one protocol: cells by (task, encoder), in the order of the suite.

    Tasks and encoders are those that have a row; why others have none, `report["absent"]` says.
    """

    protocol: str
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]


def headlines(report: Report) -> list[Headline]:
    """A table for each protocol without variants that has a row."""
    return [
        found
        for name, protocol in report["protocols"].items()
        if protocol["kind"] not in PARTED and (found := _headline(report, name)).cells
    ]


def _headline(report: Report, protocol: str) -> Headline:
    rows = {(row["task"], row["encoder"]): row for row in rows_of(report, protocol)}
    reasons = {
        (each["task"], each["encoder"]): each["reason"]
        for each in report["absent"]
        if each["protocol"] == protocol
    }
    tasks = _in_order(report["tasks"], (task for task, _ in rows))
    encoders = _in_order(report["encoders"], (encoder for _, encoder in rows))
    leaders = {task: leader(report, protocol, task) for task in tasks}
    cells = {
        (task, encoder): Cell(
            rows.get((task, encoder)), reasons.get((task, encoder)), leaders[task] == encoder
        )
        for task in tasks
        for encoder in encoders
    }
    return Headline(protocol, tasks, encoders, cells)


def _in_order(known: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    there = set(found)
    return (*(name for name in known if name in there), *sorted(there - set(known)))


def rows_of(report: Report, protocol: str) -> list[Mapping[str, Any]]:
    """The rows of one protocol, by task, then by variant."""
    return in_order(report, report["rows"], protocol)


def in_order(report: Report, found: Sequence[Mapping[str, Any]], protocol: str) -> list[Mapping[str, Any]]:
    """Rows or comparisons of one protocol, by task, then by variant, else as they come."""
    kept = [each for each in found if each["protocol"] == protocol]
    tasks, variants = list(report["tasks"]), list(dict.fromkeys(each["variant"] for each in kept))
    return sorted(kept, key=lambda each: (tasks.index(each["task"]), variants.index(each["variant"])))


def leader(report: Report, protocol: str, task: str) -> str | None:
    """The encoder of the best mean, if its lead is more than luck; of protocols without variants.

    It is, where the paired difference to the reference is beyond its interval and significant (`verdict`);
    where the reference itself is best, the difference to each of the others must be. Equal means: nobody.
    """
    main, lowest = report["tasks"][task]["main"], report["tasks"][task]["direction"] == "lowest"
    means = {
        row["encoder"]: row["scores"][main]["mean"]
        for row in rows_of(report, protocol)
        if row["task"] == task and main in row["scores"]
    }
    means = {
        name: -mean if lowest else mean for name, mean in means.items() if mean is not None and mean == mean
    }
    if len(means) < 2:
        return None
    first, second = sorted(means, key=lambda name: -means[name])[:2]
    if means[first] == means[second]:
        return None
    verdicts = {
        each["second"]: verdict(report, each)
        for each in report["comparisons"]
        if (each["task"], each["protocol"], each["variant"]) == (task, protocol, "")
    }
    reference = report["reference"]
    if first != reference:
        return first if verdicts.get(first) == "behind" else None
    return first if all(verdicts.get(name) == "ahead" for name in means if name != first) else None


def verdict(report: Report, comparison: Mapping[str, Any]) -> Literal["ahead", "behind", "undecided"]:
    """How the reference stands against the other encoder.

    Undecided where the 95 % interval of the paired difference holds 0 or Holm's p is not below 0.05.
    """
    found, p = comparison["difference"], comparison["p_holm"]
    if found["low"] <= 0 <= found["high"] or (p is not None and p >= SIGNIFICANT):
        return "undecided"
    lowest = report["tasks"][comparison["task"]]["direction"] == "lowest"
    return "ahead" if (found["low"] > 0) != lowest else "behind"


def tally(report: Report, protocol: str) -> dict[str, dict[str, int]]:
    """Encoder → on how many tasks the reference is ahead of it, behind it, undecided; without variants."""
    found: dict[str, dict[str, int]] = {}
    for each in report["comparisons"]:
        if each["protocol"] == protocol and each["variant"] == "":
            counts = found.setdefault(each["second"], {"ahead": 0, "behind": 0, "undecided": 0})
            counts[verdict(report, each)] += 1
    return found


def encoder_title(report: Report, name: str) -> str:
    """As the suite calls it, else its name."""
    return report["encoders"].get(name, {}).get("title") or name


def suite_table(report: Report) -> tuple[list[str], list[list[Any]]]:
    """(columns, rows) of plain values for wandb.Table: a row for each score of each row of the suite."""
    rows = [
        [
            *(row[key] for key in ("task", "encoder", "protocol", "variant")),
            score,
            score == report["tasks"][row["task"]]["main"],
            *(found.get(key) for key in ("mean", "deviation", "low", "high")),
            len(row["seeds"]),
        ]
        for row in report["rows"]
        for score, found in row["scores"].items()
    ]
    return list(COLUMNS), rows


def log_suite(
    report: Report,
    project: str = "vemo",
    mode: Literal["online", "offline", "disabled"] = "offline",
    folder: Path = Path(),
) -> None:
    """Log the suite as one wandb run with a table `suite`; offline it stays in `folder`/wandb."""
    import wandb  # here, because it is slow to import

    columns, rows = suite_table(report)
    settings = {key: report[key] for key in ("vemo", "date", "command", "reference", "seeds", "protocols")}
    run = wandb.init(
        project=project, name=report["title"], job_type="evaluate", mode=mode, dir=folder, config=settings
    )
    try:
        run.log({"suite": wandb.Table(columns=[*columns], data=[*rows])})
    finally:
        run.finish()
