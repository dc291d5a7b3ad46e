"""Every command of `vemo`, one function each, a file to a group; the work is done in the rooms below.

Heavy modules are imported inside the commands, so that `vemo --help` and a mistake answer at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..foundation.errors import UserError
from . import checkpoints, config, curate, datasets, doctor, learning, shards

GROUPS = (datasets, shards, learning, checkpoints, curate, config, doctor)  # in the order of --help


def parser() -> argparse.ArgumentParser:
    """The command tree; each leaf carries its function as `run`."""
    top = argparse.ArgumentParser(
        prog="vemo", description="Visual emotion: datasets, pretraining, honest probes."
    )
    top.add_argument("--version", action="version", version=f"vemo {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for each in GROUPS:
        each.add(commands)
    return top


def speaker() -> str:
    """Who prints an error: under torchrun every process may, and one may know what the others do not."""
    rank = os.environ.get("RANK", "0")
    return "vemo" if rank == "0" else f"vemo (rank {rank})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 done with faults found, 2 a user error, 130 interrupted."""
    arguments, rest = parser().parse_known_args(argv)
    if rest and (
        "overrides" not in arguments or any(word.startswith("-") or "=" not in word for word in rest)
    ):
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.overrides += rest  # argparse takes no key=value after an --option
    try:
        return arguments.run(arguments)
    except UserError as mistake:
        print(f"{speaker()}: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("vemo: interrupted", file=sys.stderr)
        return 130
