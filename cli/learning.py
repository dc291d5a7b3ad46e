"""`vemo pretrain`, `finetune`, `probe`, `evaluate`, `audit`, `predict`: models, from weights to answers."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..finetune.predict.arguments import add_options, settings_of
from .tree import OVERRIDES_HELP, add_overrides, leaf


def pretrain(arguments: argparse.Namespace) -> int:
    """Pretrain UniEmoX; rerunning the same command resumes."""
    from ..foundation.config import load_config
    from ..pretrain import PretrainConfig
    from ..pretrain import pretrain as run

    run(load_config(PretrainConfig, arguments.config, arguments.overrides))
    return 0


def finetune(arguments: argparse.Namespace) -> int:
    """Fine-tune an encoder to emotion labels, or (kind: art) to words; rerunning the same command resumes."""
    from ..finetune.art import ArtConfig
    from ..finetune.art.run import finetune_art
    from ..finetune.config import FinetuneConfig
    from ..finetune.run import finetune as run
    from ..foundation.config import load_config
    from ..foundation.strict_yaml import read_with_parents

    kinds = [f"kind={tree['kind']}" for _, tree in read_with_parents(arguments.config) if "kind" in tree]
    if "kind=art" in (*kinds, *arguments.overrides):
        finetune_art(load_config(ArtConfig, arguments.config, arguments.overrides))
    else:
        run(load_config(FinetuneConfig, arguments.config, arguments.overrides))
    return 0


def probe(arguments: argparse.Namespace) -> int:
    """Probe frozen features: linear, nearest neighbours, zero-shot, beside baselines."""
    from ..evaluation import ProbeConfig
    from ..evaluation import probe as run
    from ..foundation.config import load_config

    given = [f"checkpoint={arguments.checkpoint}", f"shards={arguments.shards}"]
    print(run(load_config(ProbeConfig, arguments.config, [*given, *arguments.overrides])).table)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the benchmark suite: one table of all tasks, encoders and protocols; rerunning goes on."""
    from ..evaluation.suite import evaluate as run
    from ..evaluation.suite.config import SuiteConfig
    from ..finetune.suite import FINETUNE
    from ..foundation.config import load_config
    from ..pretrain.teachers.zero_shot import zero_shot_teacher

    config = load_config(SuiteConfig, arguments.config, arguments.overrides)
    command = " ".join(["vemo evaluate", str(arguments.config), *arguments.overrides])
    found = run(config, FINETUNE, zero_shot_teacher, command)
    print(found.summary)
    return 0 if found.ok else 1


def audit(arguments: argparse.Namespace) -> int:
    """Audit a model: gaps between groups, calibration, abstention, corrupted images; or audit this audit."""
    from ..evaluation.model_audit import ModelAuditConfig, self_test
    from ..evaluation.model_audit import audit as run
    from ..finetune.audited import audited_model
    from ..foundation.config import load_config

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


def predict(arguments: argparse.Namespace) -> int:
    """Predict pictures, folders and videos with a fine-tuned model; a row for each picture, frame or face."""
    from ..finetune.predict import options
    from ..finetune.predict import predict as run

    report = run(options(settings_of(arguments)))
    print(report.summary, file=sys.stderr)
    return 0 if report.ok else 1


def add(commands: Any) -> None:
    """Hang up the commands of models."""
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
