"""The registry of released checkpoints: what there is, where it lies, what it must be."""

import datetime
import os
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ..foundation.config import Config, load_config
from ..foundation.errors import UserError
from .release import Preprocessing

OURS = Path(__file__).parent / "registry.yaml"
VARIABLE = "VEMO_REGISTRY"
SUFFIXES = (".safetensors", ".json", ".yaml", ".md", ".txt", ".onnx")  # nothing that runs when it is read
SCHEMES = ("https://", "http://", "hf://", "file://")
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Kind = Literal["encoder", "emotion", "art"]


class ReleaseFile(Config):
    """A file of a release, and what it must be."""

    path: str = Field(description="in the release, with /")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)

    @field_validator("path")
    @classmethod
    def _is_plain(cls, path: str) -> str:
        parts = path.split("/")
        if len(parts) > 3 or not all(PART.fullmatch(part) for part in parts):
            raise ValueError(
                "must stay inside the release: names of letters, digits, . _ - and / between them"
            )
        if PurePosixPath(path).suffix not in SUFFIXES:
            raise ValueError(
                f"is none of {', '.join(SUFFIXES)} (other formats, pickled ones above all, may run code)"
            )
        return path


class HeadColumns(Config):
    """What the columns of a head's output are, in their order."""

    kind: str = Field(description="single, distribution, multilabel or vad")
    space: str | None = Field(default=None, description="label space; null: none, as for valence and arousal")
    version: int | None = Field(default=None, description="of the label space")
    classes: tuple[str, ...] = Field(min_length=1)


class ReleasePreprocessing(Preprocessing):
    """What is done to a picture before the model sees it."""

    crop_fraction: float = Field(default=1.0, gt=0, le=1, description="of the shorter side, in the middle")


class Metric(Config):
    """One number, and what it was measured on."""

    metric: str
    value: float
    low: float | None = Field(default=None, description="of the 95 % interval over test images")
    high: float | None = None
    head: str | None = Field(default=None, description="null: of an encoder, whose probe was measured")
    data: str
    split: str = "test"
    samples: int | None = None
    seed: int | None = Field(default=None, description="of the training run")
    date: datetime.date


class Entry(Config):
    """A released checkpoint, as the registry knows it."""

    name: str = Field(pattern=NAME)
    kind: Kind
    files: tuple[ReleaseFile, ...]
    mirrors: tuple[str, ...] = Field(
        default=(),
        description="where its files lie, tried in this order: URLs (https, hf, file) of a folder, or with "
        "{path} where a file's path goes. zoo/weights/NAME comes first",
    )
    architecture: dict[str, Any] = Field(description="name and arguments")
    parameters: int = Field(ge=1)
    dtype: Literal["fp32", "fp16"] = Field(default="fp32", description="of the stored weights")
    heads: dict[str, HeadColumns] = Field(default={}, description="none: an encoder")
    preprocessing: ReleasePreprocessing
    metrics: tuple[Metric, ...] = ()
    training_data: str = Field(min_length=1)
    licence: str = Field(min_length=1, description="of the weights, as bound by their data")
    intended_use: str = Field(min_length=1)
    limits: tuple[str, ...] = ()

    @field_validator("mirrors")
    @classmethod
    def _are_urls(cls, mirrors: tuple[str, ...]) -> tuple[str, ...]:
        for url in mirrors:
            if not url.startswith(SCHEMES):
                raise ValueError(f"{url!r} begins with none of {', '.join(SCHEMES)}")
        return mirrors

    @model_validator(mode="after")
    def _names_each_file_once(self) -> "Entry":
        if not self.files:
            raise ValueError(f"{self.name}: files: there are none")
        counts = Counter(file.path.lower() for file in self.files)
        if (most := counts.most_common(1)[0])[1] > 1:
            raise ValueError(f"files: {most[0]} is there {most[1]} times")
        return self

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


class RegistryConfig(Config):
    """A file of released checkpoints."""

    releases: tuple[Entry, ...] = ()


def read_registry(own: Path | None = None) -> dict[str, Entry]:
    """Name → entry: vemo's own, and those of a file of the user's (`own`, else the one that VEMO_REGISTRY
    names).

    Raises UserError: no such file, a mistake in it, or a name that is there twice.
    """
    given = os.environ.get(VARIABLE)
    own = own or (Path(given) if given else None)
    found: dict[str, Entry] = {}
    for path in (OURS, *([own.expanduser()] if own else [])):
        for entry in load_config(RegistryConfig, path).releases:
            if entry.name in found:
                raise UserError(f"{path}: {entry.name} is there twice (vemo's own registry counts, too)")
            found[entry.name] = entry
    return found


def find(name: str, own: Path | None = None) -> Entry:
    """The entry of a name; UserError that says which there are."""
    there = read_registry(own)
    if name not in there:
        known = ", ".join(there) or f"none at all yet; set {VARIABLE} to a registry of your own"
        raise UserError(f"{name}: no such checkpoint; there are {known}")
    return there[name]
