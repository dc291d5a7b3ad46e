"""The pieces that every group of commands is hung up with."""

import argparse
from collections.abc import Callable
from typing import Any

OVERRIDES_HELP = "key=value settings, dotted for nested keys (training.optimizer.lr=5e-4)"
Run = Callable[[argparse.Namespace], int]
"""A command: its docstring is its help; returns the exit code."""


def leaf(parent: Any, name: str, run: Run) -> argparse.ArgumentParser:
    """A command `name` under `parent`, which carries its function as `run`."""
    text = run.__doc__ or ""
    command: argparse.ArgumentParser = parent.add_parser(name, help=text.splitlines()[0], description=text)
    command.set_defaults(run=run)
    return command


def group(commands: Any, name: str, summary: str) -> Any:
    """A word that commands stand behind: `vemo NAME COMMAND`."""
    return commands.add_parser(name, help=summary, description=summary).add_subparsers(
        required=True, metavar="COMMAND"
    )


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Let `command` take settings as KEY=VALUE."""
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=OVERRIDES_HELP)
