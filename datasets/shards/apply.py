"""`vemo shards apply DIR`: a new version of a shard set, with people's edits in its records for good."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..remote import PathOrUrl
from ..sample import Sample
from ..stream import ShardSet
from ..stream.overlay import refusal
from .build import build
from .config import BuildConfig
from .report import BuildReport


class ApplyConfig(Config):
    """Which set, which edits, and where to."""

    shards: Path = Field(description="the shard set; its own overrides.jsonl is applied first")
    out: PathOrUrl = Field(
        description="where the new set goes: a folder, or its URL (s3://bucket/name, gs://…)"
    )
    overlays: tuple[Path, ...] = Field((), description="further files of edits, applied in this order")
    workers: int = Field(-1, ge=-1, description="processes; -1 is one a core, 0 works in this process")


def apply(config: ApplyConfig) -> BuildReport:
    """Build `out` from `shards`: the same images, splits and shards; records as they read with the edits.

    The manifest's `origin` says from what: the fingerprint of the shards without edits, and of each overlay
    the sha256, how many edits, of how many samples and by whom; an origin that the source set has lies within
    it. The new set has no overlay, and its records keep the edits under `overrides`.

    Raises UserError: nothing to apply, edits to samples that the set does not hold, or edits that leave a
    record that is none (all of them named, and nothing is written); as `build`.
    """
    shards = ShardSet(config.shards, config.overlays)
    if not shards.edits:
        raise UserError(f"{config.shards}: nothing to apply: it has no overrides.jsonl; name overlays=[…]")
    if faults := list(_faults(shards)):
        raise refusal(f"{config.shards}: its edits cannot be applied", faults)
    before = shards.manifest.get("build", {}).get("samples_per_shard")
    built = BuildConfig.model_validate(
        {
            "root": config.shards,
            "out": config.out,
            "reader": {"kind": "shards", "overlays": config.overlays},
            "samples_per_shard": before or BuildConfig.model_fields["samples_per_shard"].default,
            "workers": config.workers,
            "tolerance": 0,
            "on_leak": "warn",  # no split is drawn here: what the source set has was accepted with it
        }
    )
    return build(built)


def _faults(shards: ShardSet) -> Iterator[str]:
    edited = {identifier for overlay in shards.overlays for identifier in overlay.edits}
    found: set[str] = set()
    for split in shards.splits:
        for record in shards.records(split):
            if record["id"] not in edited:
                continue
            found.add(record["id"])
            try:
                Sample.from_record(record)
            except ValidationError as error:
                for mistake in error.errors():
                    yield f"{record['id']}: {'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"
    for overlay in shards.overlays:
        yield from (f"{name}: not in the set ({overlay.path})" for name in overlay.unknown(found))
