"""What `vemo curate` is told."""

import hashlib
import os
import re
from pathlib import Path

from pydantic import Field, field_validator

from ..foundation.config import Config


class CurateConfig(Config):
    """A shard set, what else is to be seen beside it, and where files may lie."""

    shards: Path = Field(description="the shard set")
    name: str | None = Field(default=None, description="the dataset's name in the App; null: the folder's")
    label_space: str | None = Field(default=None, description="null: the first of the shard set")
    splits: tuple[str, ...] = Field(default=(), description="empty: all")
    limit: int | None = Field(
        default=None, ge=1, description="at most so many of each split, evenly spaced over it; null: all"
    )
    overlays: tuple[Path, ...] = Field(
        default=(), description="files of edits to show, in this order, after the set's own overrides.jsonl"
    )
    sidecars: tuple[str, ...] = Field(default=(), description="sidecars to show, such as [persons, faces]")
    predictions: tuple[Path, ...] = Field(
        default=(), description="files of predictions, such as test.safetensors of a suite's cell"
    )
    embeddings: str | None = Field(
        default=None, description="a sidecar of arrays, such as teacher_images, for the Embeddings panel"
    )
    brain: bool = Field(
        default=False,
        description="have FiftyOne compute mistakenness and hardness of predictions, uniqueness, "
        "representativeness and near duplicates of embeddings",
    )
    blind: bool = Field(
        default=False,
        description="show no label, no answer and no doubt: a second rating that knows nothing of the first",
    )
    gold: Path | None = Field(
        default=None,
        description="an overlay with known answers: its samples are among those shown, whatever the limit, "
        "and answers to them are marked, so that `vemo curate merge --gold` can measure the rater",
    )
    audit: Path | None = Field(default=None, description="where an audit was written; null: SHARDS/audit")
    folder: Path | None = Field(
        default=None,
        description="where the database lies, which holds edits until they are written; null: one of this "
        "user's own for this shard set",
    )
    media: Path | None = Field(
        default=None, description="the images as files, for all shard sets; null: in this user's cache"
    )
    media_limit: float = Field(default=20.0, gt=0, description="GB that the images may take")
    port: int = Field(default=5151, ge=0, le=65535, description="the App's, on 127.0.0.1; 0: a free one")
    database: str | None = Field(
        default=None, description="mongodb://… of a MongoDB of your own; null: a private one, run on demand"
    )

    @field_validator("name")
    @classmethod
    def _is_plain(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", name):
            raise ValueError("must be letters, digits, _ and -")
        return name

    @property
    def dataset(self) -> str:
        """The dataset's name in FiftyOne."""
        own = re.sub(r"[^A-Za-z0-9_-]+", "-", self.shards.absolute().name).strip("-_")[:60]
        return (self.name or own or "shards") + ("-blind" if self.blind else "")

    @property
    def home(self) -> Path:
        """The folder of the database, absolute."""
        if self.folder is not None:
            return self.folder.absolute()
        digest = hashlib.sha256(str(self.shards.resolve()).encode()).hexdigest()[:8]
        return _users("XDG_DATA_HOME", ".local/share") / "vemo" / "curate" / f"{self.dataset}-{digest}"

    @property
    def cache(self) -> Path:
        """The folder of the images, absolute."""
        return (self.media or _users("XDG_CACHE_HOME", ".cache") / "vemo" / "media").absolute()


def _users(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / otherwise)
