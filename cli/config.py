"""`vemo config`: what a config may say, and what one says."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from .tree import add_overrides, group, leaf

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
    "pack": (".zoo.pack", "PackConfig"),
    "registry": (".zoo.registry", "RegistryConfig"),
}


def config_class(kind: str) -> Any:
    """The config class of one of CONFIGS."""
    module, name = CONFIGS[kind]
    return getattr(import_module(f"vemo{module}"), name)


def config_schema(arguments: argparse.Namespace) -> int:
    """Print the JSON schema of a config, for editors to complete the YAML."""
    import json

    from ..foundation.config import config_schema as schema_of

    print(json.dumps(schema_of(config_class(arguments.kind)), indent=2))
    return 0


def config_show(arguments: argparse.Namespace) -> int:
    """Print a config with every default filled in."""
    from ..foundation.config import dump_config, load_config

    config = load_config(config_class(arguments.kind), arguments.config, arguments.overrides)
    print(dump_config(config), end="")
    return 0


def add(commands: Any) -> None:
    """Hang up `vemo config`."""
    config = group(commands, "config", "What a config may say, and what one says.")
    leaf(config, "schema", config_schema).add_argument("kind", choices=CONFIGS)
    show = leaf(config, "show", config_show)
    show.add_argument("kind", choices=CONFIGS)
    show.add_argument("config", type=Path, metavar="CONFIG")
    add_overrides(show)
