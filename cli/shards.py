"""`vemo shards`: sets of shards and what lies beside them."""

import argparse
from pathlib import Path
from typing import Any

from .tree import add_overrides, group, leaf


def shards_build(arguments: argparse.Namespace) -> int:
    """Turn a dataset's native layout into a shard set."""
    from ..datasets.shards import BuildConfig, build
    from ..foundation.config import load_config

    report = build(load_config(BuildConfig, arguments.config, arguments.overrides))
    print(report.summary)
    return 0 if report.ok else 1


def shards_verify(arguments: argparse.Namespace) -> int:
    """Check every checksum, record and image of a shard set."""
    from ..datasets.remote import path_or_url
    from ..datasets.shards import verify

    report = verify(path_or_url(arguments.folder))
    print(report.summary)
    return 0 if report.ok else 1


def shards_stats(arguments: argparse.Namespace) -> int:
    """Count a shard set's samples by split, label and attribute."""
    import json

    from ..datasets.remote import path_or_url
    from ..datasets.shards import stats

    print(json.dumps(stats(path_or_url(arguments.folder)), indent=2, ensure_ascii=False))
    return 0


def shards_audit(arguments: argparse.Namespace) -> int:
    """Look for copies, leaks, placeholders and doubtful labels; writes DIR/audit/index.html."""
    from ..evaluation.audit import AuditConfig, audit
    from ..evaluation.audit.findings import findings
    from ..foundation.config import load_config

    config = load_config(AuditConfig, arguments.config, [f"shards={arguments.folder}", *arguments.overrides])
    report = audit(config)
    print("\n".join(f"{kind:5} {text}" for kind, text in findings(report)))
    print(f"\n{(config.out or config.shards / 'audit') / 'index.html'}")
    return 0


def shards_card(arguments: argparse.Namespace) -> int:
    """Write a dataset card (README.md) and Croissant metadata (croissant.json) into a shard set."""
    from ..datasets.shards.card import CardConfig, write_card
    from ..foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    print(write_card(load_config(CardConfig, arguments.config, given)).summary)
    return 0


def shards_apply(arguments: argparse.Namespace) -> int:
    """Write a new version of a shard set, with people's edits in its records."""
    from ..datasets.shards.apply import ApplyConfig, apply
    from ..foundation.config import load_config

    report = apply(load_config(ApplyConfig, None, [f"shards={arguments.folder}", *arguments.overrides]))
    print(report.summary)
    return 0 if report.ok else 1


def shards_persons(arguments: argparse.Namespace) -> int:
    """Find persons with a detector and write their boxes as a sidecar; rerunning resumes."""
    from ..datasets.sidecars import PersonsConfig, write_persons
    from ..foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(PersonsConfig, arguments.config, given)
    print(write_persons(config).summary)
    return 0


def shards_faces(arguments: argparse.Namespace) -> int:
    """Find faces and their landmarks with YuNet and write them as a sidecar; rerunning resumes."""
    from ..datasets.sidecars import FacesConfig, write_faces
    from ..foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(FacesConfig, arguments.config, given)
    print(write_faces(config).summary)
    return 0


def shards_hashes(arguments: argparse.Namespace) -> int:
    """Write perceptual hashes of every image, for near-duplicate search, as a sidecar."""
    from ..datasets.sidecars import HashesConfig, write_hashes
    from ..foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    config = load_config(HashesConfig, arguments.config, given)
    print(write_hashes(config).summary)
    return 0


def shards_embed(arguments: argparse.Namespace) -> int:
    """Write a teacher's embeddings of images and sentences as sidecars; rerunning resumes."""
    from ..foundation.config import load_config
    from ..pretrain.embed import EmbedConfig, embed, settings_of_run

    like = settings_of_run(arguments.pretrain) if arguments.pretrain else []
    given = [f"shards={arguments.folder}", *like, *arguments.overrides]
    config = load_config(EmbedConfig, arguments.config, given)
    print("\n".join(report.summary for report in embed(config)))
    return 0


def shards_patches(arguments: argparse.Namespace) -> int:
    """Write an encoder's patches of every image as a sidecar, for kind: art; rerunning resumes."""
    from ..finetune.art.patches import PatchesConfig, write_patches
    from ..foundation.config import load_config

    given = [f"shards={arguments.folder}", *arguments.overrides]
    print(write_patches(load_config(PatchesConfig, arguments.config, given)).summary)
    return 0


def add(commands: Any) -> None:
    """Hang up `vemo shards`."""
    shards = group(commands, "shards", "Shard sets: build them, check them, count them.")
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
