"""Every command of `vemo`, one function each; the work is done in the rooms below.

Heavy modules are imported inside the commands, so that `vemo --help` and a mistake answer at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from . import __version__
from .finetune.predict.arguments import add_options, settings_of
from .foundation.errors import UserError

# The config class of every command that takes one, by the name `vemo config` knows it by. Text, because
# --help lists the names and should not import what they stand for.
CONFIGS = {
    "synthesize": (".datasets.synthetic", "SynthesizeConfig"),
    "shards": (".datasets.shards", "BuildConfig"),
    "audit": (".evaluation.audit", "AuditConfig"),
    "card": (".datasets.shards.card", "CardConfig"),
    "apply": (".datasets.shards.apply", "ApplyConfig"),
    "persons": (".datasets.sidecars", "PersonsConfig"),
    "faces": (".datasets.sidecars", "FacesConfig"),
    "hashes": (".datasets.sidecars", "HashesConfig"),
    "embed": (".pretrain.embed", "EmbedConfig"),
    "pretrain": (".pretrain", "PretrainConfig"),
    "finetune": (".finetune.config", "FinetuneConfig"),
    "art": (".finetune.art", "ArtConfig"),
    "patches": (".finetune.art.patches", "PatchesConfig"),
    "probe": (".evaluation", "ProbeConfig"),
    "evaluate": (".evaluation.suite.config", "SuiteConfig"),
    "task": (".evaluation.suite.config", "TaskConfig"),
    "published": (".evaluation.suite.published", "PublishedConfig"),
    "model_audit": (".evaluation.model_audit", "ModelAuditConfig"),
    "curate": (".annotation.config", "CurateConfig"),
}
OVERRIDES_HELP = "key=value settings, dotted for nested keys (training.optimizer.lr=5e-4)"


def datasets_synthesize(arguments: argparse.Namespace) -> int:
    """Draw the built-in dataset in EmoSet's native layout."""
    from .datasets.synthetic import SynthesizeConfig, synthesize
    from .foundation.config import load_config

    report = synthesize(load_config(SynthesizeConfig, None, [f"out={arguments.out}", *arguments.overrides]))
    print(report.summary)
    return 0


def datasets_list(arguments: argparse.Namespace) -> int:
    """List every reader in a line, or all that is known of some: what it reads and how to get the data."""
    from .datasets.readers import describe_readers, reader_table
    from .foundation.terminal import print_entries, table_text

    if arguments.kinds:
        print_entries(describe_readers(arguments.kinds), heading="kind")
    else:
        print(table_text(*reader_table()))
        print("\nvemo datasets list KIND says more of one, and how to get the data.")
    return 0


def datasets_map(arguments: argparse.Namespace) -> int:
    """Show where each class of a label space goes in another, and how much of a shard set arrives."""
    from .datasets.label_counts import report_map

    print(report_map(arguments.source, arguments.target, arguments.shards).text)
    return 0


def shards_build(arguments: argparse.Namespace) -> int:
    """Turn a dataset's native layout into a shard set."""
    from .datasets.shards import BuildConfig, build
    from .foundation.config import load_config

    report = build(load_config(BuildConfig, arguments.config, arguments.overrides))
    print(report.summary)
    return 0 if report.ok else 1


def shards_verify(arguments: argparse.Namespace) -> int:
    """Check every checksum, record and image of a shard set."""
    from .datasets.remote import path_or_url
    from .datasets.shards import verify

    report = verify(path_or_url(arguments.folder))
    print(report.summary)
    return 0 if report.ok else 1


def shards_stats(arguments: argparse.Namespace) -> int:
    """Count a shard set's samples by split, label and attribute."""
    import json

    from .datasets.remote import path_or_url
    from .datasets.shards import stats

    print(json.dumps(stats(path_or_url(arguments.folder)), indent=2, ensure_ascii=False))
    return 0


def shards_audit(arguments: argparse.Namespace) -> int:
    """Look for copies, leaks, placeholders and doubtful labels; writes DIR/audit/index.html."""
    from .evaluation.audit import AuditConfig, audit
    from .evaluation.audit.findings import findings
    from .foundation.config import load_config

    config = load_config(AuditConfig, arguments.config, [f"shards={arguments.folder}", *arguments.overrides])
    report = audit(config)
    print("\n".join(f"{kind:5} {text}" for kind, text in findings(report)))
    print(f"\n{(config.out or config.shards / 'audit') / 'index.html'}")
    return 0


def shards_card(arguments: argparse.Namespace) -> int:
    """Write a dataset card (README.md) and Croissant metadata (croissant.json) into a shard set."""
    from .datasets.shards.card import CardConfig, write_card
    from .foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    print(write_card(load_config(CardConfig, arguments.config, given)).summary)
    return 0


def shards_apply(arguments: argparse.Namespace) -> int:
    """Write a new version of a shard set, with people's edits in its records."""
    from .datasets.shards.apply import ApplyConfig, apply
    from .foundation.config import load_config

    report = apply(load_config(ApplyConfig, None, [f"shards={arguments.folder}", *arguments.overrides]))
    print(report.summary)
    return 0 if report.ok else 1


def shards_persons(arguments: argparse.Namespace) -> int:
    """Find persons with a detector and write their boxes as a sidecar; rerunning resumes."""
    from .datasets.sidecars import PersonsConfig, write_persons
    from .foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(PersonsConfig, arguments.config, given)
    print(write_persons(config).summary)
    return 0


def shards_faces(arguments: argparse.Namespace) -> int:
    """Find faces and their landmarks with YuNet and write them as a sidecar; rerunning resumes."""
    from .datasets.sidecars import FacesConfig, write_faces
    from .foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(FacesConfig, arguments.config, given)
    print(write_faces(config).summary)
    return 0


def shards_hashes(arguments: argparse.Namespace) -> int:
    """Write perceptual hashes of every image, for near-duplicate search, as a sidecar."""
    from .datasets.sidecars import HashesConfig, write_hashes
    from .foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(HashesConfig, arguments.config, given)
    print(write_hashes(config).summary)
    return 0


def shards_embed(arguments: argparse.Namespace) -> int:
    """Write a teacher's embeddings of images and sentences as sidecars; rerunning resumes."""
    from .foundation.config import load_config
    from .pretrain.embed import EmbedConfig, embed, settings_of_run

    like = settings_of_run(arguments.pretrain) if arguments.pretrain else []
    given = [f"shards={arguments.folder}", *like, *arguments.overrides]
    config = load_config(EmbedConfig, arguments.config, given)
    print("\n".join(report.summary for report in embed(config)))
    return 0


def shards_patches(arguments: argparse.Namespace) -> int:
    """Write an encoder's patches of every image as a sidecar, for kind: art; rerunning resumes."""
    from .finetune.art.patches import PatchesConfig, write_patches
    from .foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    print(write_patches(load_config(PatchesConfig, arguments.config, given)).summary)
    return 0


def pretrain(arguments: argparse.Namespace) -> int:
    """Pretrain UniEmoX; rerunning the same command resumes."""
    from .foundation.config import load_config
    from .pretrain import PretrainConfig
    from .pretrain import pretrain as run

    run(load_config(PretrainConfig, arguments.config, arguments.overrides))
    return 0


def finetune(arguments: argparse.Namespace) -> int:
    """Fine-tune an encoder to emotion labels, or (kind: art) to words; rerunning the same command resumes."""
    from .finetune.art import ArtConfig
    from .finetune.art.run import finetune_art
    from .finetune.config import FinetuneConfig
    from .finetune.run import finetune as run
    from .foundation.config import load_config
    from .foundation.strict_yaml import read_with_parents

    kinds = [f"kind={tree['kind']}" for _, tree in read_with_parents(arguments.config) if "kind" in tree]
    if "kind=art" in (*kinds, *arguments.overrides):
        finetune_art(load_config(ArtConfig, arguments.config, arguments.overrides))
    else:
        run(load_config(FinetuneConfig, arguments.config, arguments.overrides))
    return 0


def probe(arguments: argparse.Namespace) -> int:
    """Probe frozen features: linear, nearest neighbours, zero-shot, beside baselines."""
    from .evaluation import ProbeConfig
    from .evaluation import probe as run
    from .foundation.config import load_config

    given = [f"checkpoint={arguments.checkpoint}", f"shards={arguments.shards}"]
    print(run(load_config(ProbeConfig, arguments.config, [*given, *arguments.overrides])).table)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the benchmark suite: one table of all tasks, encoders and protocols; rerunning goes on."""
    from .evaluation.suite import evaluate as run
    from .evaluation.suite.config import SuiteConfig
    from .finetune.suite import FINETUNE
    from .foundation.config import load_config
    from .pretrain.teachers.zero_shot import zero_shot_teacher

    config = load_config(SuiteConfig, arguments.config, arguments.overrides)
    command = " ".join(["vemo evaluate", str(arguments.config), *arguments.overrides])
    found = run(config, FINETUNE, zero_shot_teacher, command)
    print(found.summary)
    return 0 if found.ok else 1


def predict(arguments: argparse.Namespace) -> int:
    """Predict pictures, folders and videos with a fine-tuned model; a row for each picture, frame or face."""
    from .finetune.predict import options
    from .finetune.predict import predict as run

    report = run(options(settings_of(arguments)))
    print(report.summary, file=sys.stderr)
    return 0 if report.ok else 1


def curate_open(arguments: argparse.Namespace) -> int:
    """Show a shard set in the FiftyOne App, on 127.0.0.1, until Ctrl-C."""
    from .annotation import CurateConfig, open_app
    from .foundation.config import load_config

    open_app(load_config(CurateConfig, arguments.config, arguments.overrides), prune=arguments.prune)
    return 0


def curate_edits(arguments: argparse.Namespace) -> int:
    """Write what people changed in the App as an overlay."""
    from .annotation import CurateConfig, write_edits
    from .foundation.config import load_config

    config = load_config(CurateConfig, arguments.config, arguments.overrides)
    rater = arguments.rater or os.environ.get("VEMO_RATER", "")
    print(write_edits(config, arguments.out, rater).summary)
    return 0


def curate_merge(arguments: argparse.Namespace) -> int:
    """Merge several raters' overlays: votes, soft labels, each rater's skill, and what to look at again."""
    from .datasets.raters import merge

    files = (arguments.overlays, arguments.out, arguments.gold, arguments.shards)
    print(merge(*files, label=arguments.label).summary)
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Audit a model: gaps between groups, calibration, abstention, corrupted images; or audit this audit."""
    from .evaluation.model_audit import ModelAuditConfig, self_test
    from .evaluation.model_audit import audit as run
    from .finetune.audited import audited_model
    from .foundation.config import load_config

    given = arguments.overrides
    path = given.pop(0) if given and "=" not in given[0] else None
    config = load_config(ModelAuditConfig, path, given)
    if config.self_test:
        found = self_test(level=config.level, seed=config.seed)
        print(found.table)
        return 0 if found.ok else 1
    report = run(config, audited_model)
    print("\n".join(f"{each['kind']:5} {each['text']}" for each in report["findings"]))
    print(f"\n{config.folder / 'index.html'}")
    return 0


def config_class(kind: str) -> Any:
    """The config class of one of CONFIGS."""
    module, name = CONFIGS[kind]
    return getattr(import_module(module, __package__), name)


def config_schema(arguments: argparse.Namespace) -> int:
    """Print the JSON schema of a config, for editors to complete the YAML."""
    import json

    from .foundation.config import config_schema as schema_of

    print(json.dumps(schema_of(config_class(arguments.kind)), indent=2))
    return 0


def config_show(arguments: argparse.Namespace) -> int:
    """Print a config with every default filled in."""
    from .foundation.config import dump_config, load_config

    config = load_config(config_class(arguments.kind), arguments.config, arguments.overrides)
    print(dump_config(config), end="")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command tree; each leaf carries its function as `run`."""
    top = argparse.ArgumentParser(
        prog="vemo", description="Visual emotion: datasets, pretraining, honest probes."
    )
    top.add_argument("--version", action="version", version=f"vemo {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def leaf(parent: Any, name: str, run: Any) -> argparse.ArgumentParser:
        command = parent.add_parser(name, help=run.__doc__.splitlines()[0], description=run.__doc__)
        command.set_defaults(run=run)
        return command

    def group(name: str, summary: str) -> Any:
        return commands.add_parser(name, help=summary, description=summary).add_subparsers(
            required=True, metavar="COMMAND"
        )

    def add_overrides(command: argparse.ArgumentParser) -> None:
        command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=OVERRIDES_HELP)

    datasets = group("datasets", "Datasets as their authors publish them.")
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

    shards = group("shards", "Shard sets: build them, check them, count them.")
    build = leaf(shards, "build", shards_build)
    build.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/datasets")
    add_overrides(build)
    for name, run in (("verify", shards_verify), ("stats", shards_stats)):
        leaf(shards, name, run).add_argument("folder", metavar="DIR", help="a shard set, or its URL")

    look = leaf(shards, "audit", shards_audit)
    look.add_argument("folder", type=Path, metavar="DIR", help="a shard set")
    look.add_argument("--config", type=Path, help="a YAML of configs/evaluation")
    add_overrides(look)

    bake = leaf(shards, "apply", shards_apply)
    bake.add_argument("folder", type=Path, metavar="DIR", help="a shard set")
    add_overrides(bake)

    describe = leaf(shards, "card", shards_card)
    describe.add_argument("folder", type=Path, metavar="DIR", help="a shard set")
    describe.add_argument("--config", type=Path, help="a YAML with what only people know of the dataset")
    add_overrides(describe)

    for name, run in (
        ("persons", shards_persons),
        ("faces", shards_faces),
        ("hashes", shards_hashes),
        ("embed", shards_embed),
        ("patches", shards_patches),
    ):
        sidecar = leaf(shards, name, run)
        sidecar.add_argument("folder", type=Path, metavar="DIR", help="a shard set")
        sidecar.add_argument("--config", type=Path, help="a YAML of settings (see `vemo config schema`)")
        if run is shards_embed:
            sidecar.add_argument(
                "--pretrain", type=Path, help="a YAML of configs/pretrain: its teacher, sentences and view"
            )
        add_overrides(sidecar)

    train = leaf(commands, "pretrain", pretrain)
    train.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/pretrain")
    add_overrides(train)

    tune = leaf(commands, "finetune", finetune)
    tune.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/finetune")
    add_overrides(tune)

    probing = leaf(commands, "probe", probe)
    probing.add_argument("checkpoint", metavar="CHECKPOINT", help="a release folder, or timm:NAME[@FILE]")
    probing.add_argument("shards", type=Path, metavar="SHARDS", help="a shard set")
    probing.add_argument("--config", type=Path, help="a YAML of configs/evaluation")
    add_overrides(probing)

    suite = leaf(commands, "evaluate", evaluate)
    suite.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/evaluation")
    add_overrides(suite)

    look = leaf(commands, "audit", audit)
    look.add_argument(
        "overrides",
        nargs="*",
        metavar="CONFIG|KEY=VALUE",
        help=f"a YAML first, if any (`vemo config schema model_audit` has its keys); {OVERRIDES_HELP}",
    )

    add_options(leaf(commands, "predict", predict))

    curate = group("curate", "People at the data: the FiftyOne App, and edits as overlays.")
    opening = leaf(curate, "open", curate_open)
    opening.add_argument("config", type=Path, metavar="CONFIG", help="a YAML of configs/annotation")
    opening.add_argument("--prune", action="store_true", help="remove other shard sets' cached images first")
    add_overrides(opening)
    edits = leaf(curate, "edits", curate_edits)
    edits.add_argument("config", type=Path, metavar="CONFIG", help="the YAML that `curate open` was given")
    edits.add_argument("out", type=Path, metavar="OUT", help="overlay to write, such as edits/ann.jsonl")
    edits.add_argument("--rater", metavar="NAME", help="who made the edits (or VEMO_RATER)")
    add_overrides(edits)
    merging = leaf(curate, "merge", curate_merge)
    merging.add_argument("overlays", nargs="+", type=Path, metavar="OVERLAY", help="raters' edits")
    merging.add_argument("--out", required=True, type=Path, metavar="FILE", help="the merged overlay")
    merging.add_argument("--gold", type=Path, metavar="FILE", help="an overlay with the known answers")
    merging.add_argument("--shards", type=Path, metavar="DIR", help="the shard set that was rated")
    kinds = ("votes", "distribution", "class")
    merging.add_argument("--label", choices=kinds, default="votes", help="what an edit sets (votes)")

    config = group("config", "What a config may say, and what one says.")
    leaf(config, "schema", config_schema).add_argument("kind", choices=CONFIGS)
    show = leaf(config, "show", config_show)
    show.add_argument("kind", choices=CONFIGS)
    show.add_argument("config", type=Path, metavar="CONFIG")
    add_overrides(show)
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


if __name__ == "__main__":
    sys.exit(main())
