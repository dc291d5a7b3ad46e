"""Pages and tables that people read: one run, a whole suite, and where an encoder looks.

Lives here: single HTML files without scripts or anything loaded, the diagrams in them, the style they share
with the audit's page, Markdown, a table for wandb, attention maps. Not here: what is measured (`scoring`,
`suite`), and the probe's table (`evaluation/report.py`).
"""

from .markdown import suite_markdown
from .run_page import write_run_page
from .suite_page import write_suite_page
from .suite_table import log_suite, suite_table

__all__ = ["log_suite", "suite_markdown", "suite_table", "write_run_page", "write_suite_page"]
