"""What a build may be told, and which of it decides the bytes that come out."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..readers import ReaderConfig
from ..remote import PathOrUrl
from ..remote.places import is_url, is_web
from .images import MAX_PIXELS, codec
from .layout import FORMAT, SPLIT_NAME

Fraction = Annotated[float, Field(ge=0, le=1)]


class BuildConfig(Config):
    """Native layout → shard set.

    root: where the dataset lies: a folder, an archive (.zip, .tar, .tar.gz, .tgz), or the URL of either.
    mirror: the folder for the local copy of a root that is an archive or a URL; by default one for each root
        below data/mirrors.
    sha256: of the archive, where root is one.
    out: the folder to write, or its URL (s3://bucket/name, gs://…).
    scratch: where shards are packed before they are uploaded; by default the system's temporary folder.
    samples_per_shard: at most this many; shards of a split differ in size by one sample.
    short_side, quality: re-encode images whose shorter side is above this many pixels as JPEG of that quality
        (boxes are scaled along); without it the source bytes are stored untouched.
    workers: processes; -1 is one a core, 0 works in this process (with ray: -1 whatever the cluster has).
    engine, ray_address: `ray` does the same work on a Ray cluster; without an address one is started here.
    tolerance: the share of samples that may fail before the build is called a failure.
    splits, split_seed: for samples to which the dataset gives no split: a hash of group or id decides.
    on_leak: what to do when one image lies in two of the splits drawn here; the dataset's own are reported.
    max_pixels: larger images are refused from their header, before they are decoded.
    """

    root: PathOrUrl
    mirror: Path | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    out: PathOrUrl
    scratch: Path | None = None
    reader: ReaderConfig  # pyright: ignore[reportInvalidTypeForm] - a union made of the registry
    samples_per_shard: int = Field(default=1000, ge=1)
    short_side: int | None = Field(default=None, ge=1)
    quality: int = Field(default=90, ge=1, le=100)
    workers: int = Field(default=-1, ge=-1)
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    tolerance: Fraction = 0.01
    splits: dict[str, Fraction] = {"train": 0.8, "val": 0.05, "test": 0.15}
    split_seed: int = 0
    on_leak: Literal["error", "warn"] = "error"
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)

    @field_validator("root", "out")
    @classmethod
    def _no_slash_at_the_end(cls, place: Path | str) -> Path | str:
        return place.rstrip("/") if isinstance(place, str) else place

    @field_validator("out")
    @classmethod
    def _can_be_written(cls, out: Path | str) -> Path | str:
        if is_url(out) and (is_web(str(out)) or re.search(r"[*?[\]]", str(out))):
            raise ValueError("a web server cannot be written to, and a URL to write to holds none of * ? [ ]")
        return out

    @field_validator("splits")
    @classmethod
    def _splits_are_whole(cls, splits: dict[str, float]) -> dict[str, float]:
        for name in splits:
            if not SPLIT_NAME.match(name):
                raise ValueError(f"{name!r} cannot name a file; use a-z, 0-9, _ and -")
        if abs(sum(splits.values()) - 1) > 1e-6:
            raise ValueError(f"the fractions must sum to 1, they sum to {sum(splits.values()):g}")
        return splits


def settings_of(config: BuildConfig) -> dict[str, Any]:
    """What decides a set's bytes, JSON-able: not where things lie, nor how many workers there are."""
    reencoding = config.short_side is not None
    return {
        "format": FORMAT,
        # What overlays say is in the reader's fingerprint, and so in the plan's digest.
        "reader": config.reader.model_dump(mode="json", exclude={"overlays"}),
        "samples_per_shard": config.samples_per_shard,
        "short_side": config.short_side,
        "quality": config.quality if reencoding else None,
        "max_pixels": config.max_pixels,
        "splits": config.splits,
        "split_seed": config.split_seed,
        "codec": codec(reencoding),
    }


def refuse_other_settings(
    out: Path | str, before: dict[str, Any], now: dict[str, Any], another: str = "out"
) -> None:
    """UserError naming every key in which what was begun in `out` and this run differ.

    `another` is the setting that would choose another folder.
    """
    old, new = flat(before), flat(now)
    changed = [
        f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if changed:
        raise UserError(
            f"{out}: was begun with other settings: {'; '.join(changed)}; use those again, choose "
            f"another {another}, or remove the folder"
        )


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
