"""A suite from its config to its table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...foundation.files import write_json
from ...training.tracking import has_wandb_account
from ..reports import log_suite
from .collect import collect
from .config import SuiteConfig
from .pages import summary, write_pages
from .published import published
from .run import Finetune, LoadTeacher, Suite

REPORT = "suite.json"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What stands in suite.json, and the page that shows it."""

    report: dict[str, Any]
    page: Path

    @property
    def ok(self) -> bool:
        """Whether all that could be done was: missing data and cells without sense are no failure."""
        return not any(each["kind"] == "failed" for each in self.report["absent"])

    @property
    def summary(self) -> str:
        """Tables for a terminal, and where the page is."""
        return f"{summary(self.report)}\n\n{self.page}"


def evaluate(
    config: SuiteConfig, finetune: Finetune, load_teacher: LoadTeacher, command: str = "vemo evaluate"
) -> Evaluated:
    """Run (or go on with) a suite and write `out/suite.json`, `index.html` and `suite.md`.

    A task whose data are missing, and a cell that fails, are reported and do not keep the others from going
    on. `command` is what the report says it was made with. Raises UserError for mistakes in the config.
    """
    if config.published is not None and config.published.exists():
        published(config.published, config.tasks)  # a mistake in it is told before hours of work
    config.out.mkdir(parents=True, exist_ok=True)
    suite = Suite(config, finetune, load_teacher)
    done = suite.run()
    planned = list(suite.cells())
    report = collect(config, suite.tasks, suite.described, planned, done, suite.absent, command)
    write_json(config.out / REPORT, report)
    if "wandb" in config.trackers:
        log_suite(report, mode="online" if has_wandb_account() else "offline", folder=config.out)
    return Evaluated(report, write_pages(suite, done, report))
