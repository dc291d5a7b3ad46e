"""`vemo datasets`: what their authors publish."""

import argparse
from pathlib import Path
from typing import Any

from .tree import add_overrides, group, leaf


def datasets_synthesize(arguments: argparse.Namespace) -> int:
    """Draw the built-in dataset in EmoSet's native layout."""
    from ..datasets.synthetic import SynthesizeConfig, synthesize
    from ..foundation.config import load_config

    report = synthesize(load_config(SynthesizeConfig, None, [f"out={arguments.out}", *arguments.overrides]))
    print(report.summary)
    return 0


def datasets_list(arguments: argparse.Namespace) -> int:
    """List every reader in a line, or all that is known of some: what it reads and how to get the data."""
    from ..datasets.readers import describe_readers, reader_table
    from ..foundation.terminal import print_entries, table_text

    if arguments.kinds:
        print_entries(describe_readers(arguments.kinds), heading="kind")
    else:
        print(table_text(*reader_table()))
        print("\nvemo datasets list KIND says more of one, and how to get the data.")
    return 0


def datasets_map(arguments: argparse.Namespace) -> int:
    """Show where each class of a label space goes in another, and how much of a shard set arrives."""
    from ..datasets.label_counts import report_map

    print(report_map(arguments.source, arguments.target, arguments.shards).text)
    return 0


def add(commands: Any) -> None:
    """Hang up `vemo datasets`."""
    datasets = group(commands, "datasets", "Datasets as their authors publish them.")
    synthesize = leaf(datasets, "synthesize", datasets_synthesize)
    synthesize.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    add_overrides(synthesize)
    readers = leaf(datasets, "list", datasets_list)
    readers.add_argument("kinds", nargs="*", metavar="KIND", help="readers to say more of")
    mapping = leaf(datasets, "map", datasets_map)
    mapping.add_argument(
        "--from", dest="source", required=True, metavar="SPACE", help="a label space, or a reader's kind"
    )
    mapping.add_argument("--to", dest="target", required=True, metavar="SPACE", help="a label space")
    mapping.add_argument(
        "--shards", type=Path, metavar="DIR", help="count what a shard set has of each class"
    )
