"""`vemo curate`: people at the data."""

import argparse
import os
from pathlib import Path
from typing import Any

from .tree import add_overrides, group, leaf


def curate_open(arguments: argparse.Namespace) -> int:
    """Show a shard set in the FiftyOne App, on 127.0.0.1, until Ctrl-C."""
    from ..annotation import CurateConfig, open_app
    from ..foundation.config import load_config

    config = load_config(CurateConfig, arguments.config, arguments.overrides)
    open_app(config, rater=_rater(arguments), prune=arguments.prune)
    return 0


def curate_edits(arguments: argparse.Namespace) -> int:
    """Write what people changed in the App as an overlay."""
    from ..annotation import CurateConfig, write_edits
    from ..foundation.config import load_config

    config = load_config(CurateConfig, arguments.config, arguments.overrides)
    print(write_edits(config, arguments.out, _rater(arguments)).summary)
    return 0


def _rater(arguments: argparse.Namespace) -> str:
    return arguments.rater or os.environ.get("VEMO_RATER", "")


def curate_merge(arguments: argparse.Namespace) -> int:
    """Merge several raters' overlays: votes, soft labels, each rater's skill, and what to look at again."""
    from ..datasets.raters import merge

    files = (arguments.overlays, arguments.out, arguments.gold, arguments.shards)
    print(merge(*files, label=arguments.label).summary)
    return 0


def add(commands: Any) -> None:
    """Hang up `vemo curate`."""
    curate = group(commands, "curate", "People at the data: the FiftyOne App, and edits as overlays.")
    opening = leaf(curate, "open", curate_open)
    opening.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/annotation")
    opening.add_argument("--rater", metavar="NAME", help="who is going to edit (or VEMO_RATER)")
    opening.add_argument("--prune", action="store_true", help="remove other shard sets' cached images first")
    add_overrides(opening)
    edits = leaf(curate, "edits", curate_edits)
    edits.add_argument("config", type=Path, metavar="CONFIG", help="the YAML that `curate open` was given")
    edits.add_argument("out", type=Path, metavar="OUT", help="overlay to write, such as edits/ann.jsonl")
    edits.add_argument("--rater", metavar="NAME", help="who made the edits, where `open` was not told")
    add_overrides(edits)
    merging = leaf(curate, "merge", curate_merge)
    merging.add_argument("overlays", nargs="+", type=Path, metavar="OVERLAY", help="raters' edits")
    merging.add_argument("--out", required=True, type=Path, metavar="FILE", help="the merged overlay")
    merging.add_argument("--gold", type=Path, metavar="FILE", help="an overlay with the known answers")
    merging.add_argument("--shards", type=Path, metavar="DIR", help="the shard set that was rated")
    kinds = ("votes", "distribution", "class")
    merging.add_argument("--label", choices=kinds, default="votes", help="what an edit sets (votes)")
