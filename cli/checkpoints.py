"""`vemo checkpoints`: releases of models."""

import argparse
from pathlib import Path
from typing import Any

from .tree import add_overrides, group, leaf


def kinds() -> tuple[Any, ...]:
    """Every kind of model that is released."""
    from ..finetune.art.packing import ART
    from ..finetune.packing import EMOTION
    from ..zoo.models import ENCODER

    return ENCODER, EMOTION, ART


def checkpoints_list(arguments: argparse.Namespace) -> int:
    """List the released checkpoints, or all that the registry says of some."""
    from ..foundation.terminal import print_entries, table_text
    from ..zoo.listing import describe, table
    from ..zoo.registry import read_registry

    there = read_registry(arguments.registry)
    if arguments.names:
        print_entries(describe(there, arguments.names), heading="name")
    elif not there:
        print("No checkpoint is released yet; --registry FILE or VEMO_REGISTRY names releases of your own.")
    else:
        print(table_text(*table(there)))
        print("\nvemo checkpoints list NAME says more of one; download NAME fetches it.")
    return 0


def checkpoints_download(arguments: argparse.Namespace) -> int:
    """Fetch a checkpoint, unless it is here already, and print its folder."""
    from ..zoo.download import download
    from ..zoo.registry import find

    print(download(find(arguments.name, arguments.registry), arguments.out))
    return 0


def checkpoints_verify(arguments: argparse.Namespace) -> int:
    """Check a checkpoint's files, label spaces and outputs; exit code 1 where one is not as it was made."""
    from ..zoo.verify import verify

    found = verify(arguments.checkpoint, kinds(), arguments.registry)
    print("\n".join(map(str, found)))
    return 0 if all(each.ok for each in found) else 1


def checkpoints_pack(arguments: argparse.Namespace) -> int:
    """Make a release from a run's folder, and print its entry for the registry."""
    import sys

    from ..finetune.predict.export import export
    from ..foundation.config import load_config
    from ..zoo.pack import PackConfig, pack

    given = [f"run={arguments.run_folder}", f"out={arguments.out}", *arguments.overrides]
    config = load_config(PackConfig, arguments.config, given)
    packed = pack(config, kinds(), lambda folder, half: export(folder, half=half))
    print(packed.summary, file=sys.stderr)
    print(packed.entry, end="")
    return 0


def checkpoints_card(arguments: argparse.Namespace) -> int:
    """Print a checkpoint's model card, made from its release.json; --write: into its README.md."""
    from ..zoo.card import card
    from ..zoo.document import read_document
    from ..zoo.pack import write_card
    from ..zoo.verify import place_of

    folder, _ = place_of(arguments.checkpoint, arguments.registry)
    document = read_document(folder)
    print(write_card(folder, document) if arguments.write else card(document), end="")
    return 0


def checkpoints_export(arguments: argparse.Namespace) -> int:
    """Write a fine-tuned model or an encoder as ONNX, compared with torch; prediction then runs it."""
    from ..finetune.predict.export import export
    from ..finetune.predict.loading import resolved

    print(export(resolved(arguments.checkpoint), arguments.out, arguments.half).summary)
    return 0


def add(commands: Any) -> None:
    """Hang up `vemo checkpoints`."""
    checkpoints = group(commands, "checkpoints", "Released models: fetch them, check them, make one.")

    def with_registry(name: str, run: Any) -> argparse.ArgumentParser:
        command = leaf(checkpoints, name, run)
        command.add_argument(
            "--registry", type=Path, metavar="FILE", help="releases of your own (or VEMO_REGISTRY)"
        )
        return command

    listing = with_registry("list", checkpoints_list)
    listing.add_argument("names", nargs="*", metavar="NAME", help="checkpoints to say more of")
    fetching = with_registry("download", checkpoints_download)
    fetching.add_argument("name", metavar="NAME", help="a name of `vemo checkpoints list`")
    fetching.add_argument("--out", type=Path, metavar="DIR", help="a new folder; default: the cache")
    checking = with_registry("verify", checkpoints_verify)
    showing = with_registry("card", checkpoints_card)
    for command in (checking, showing):
        command.add_argument("checkpoint", metavar="NAME|FOLDER", help="one that was downloaded, or a folder")
    showing.add_argument("--write", action="store_true", help="write README.md instead of printing it")
    exporting = leaf(checkpoints, "export", checkpoints_export)
    exporting.add_argument("checkpoint", metavar="NAME|FOLDER", help="a fine-tuning run, or an encoder")
    exporting.add_argument(
        "out", type=Path, nargs="?", metavar="OUT.onnx", help="default: model.onnx beside model.json"
    )
    exporting.add_argument("--half", action="store_true", help="weights in float16: half the bytes")
    packing = leaf(checkpoints, "pack", checkpoints_pack)
    packing.add_argument("run_folder", type=Path, metavar="RUN", help="a run's folder, its release or model")
    packing.add_argument("out", type=Path, metavar="OUT", help="folder of the release, new or empty")
    packing.add_argument("--config", type=Path, help="a YAML with what only people know of the model")
    add_overrides(packing)
