"""What a sidecar is on disk: `DIR/sidecars/NAME/`, a file per shard, and `sidecar.json`, written last.

    sidecars/persons/
      train-00000.jsonl   a partial record per sample, in the shard's order, each with the sample's id
      shards.jsonl        a line per finished shard: what the writer resumes from
      sidecar.json        what it is, who made it and how, and for every shard the hashes of tar and rows

An array has `SHARD.npy` [N, …] instead. Tars are never edited in place, so a tar's sha256 pins its samples
and their order. Nothing here imports a room above: shard sets and streams read sidecars through this.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...foundation.errors import UserError

FORMAT = 1
FOLDER = "sidecars"
SIDECAR = "sidecar.json"
BEGUN = "begun.json"  # the description of an unfinished one; gone when sidecar.json is there
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
FIXED = ("id", "source", "width", "height", "overrides")  # what no sidecar may say of a sample
COMMANDS = "persons, faces, hashes or embed"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Shard(Protocol):
    """What a sidecar has to know of the shard it belongs to, as shards.jsonl states it."""

    @property
    def name(self) -> str: ...
    @property
    def samples(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Maker(_Stored):
    """Who found what a sidecar says: a detector, a teacher, a formula; and under which licence it stands."""

    name: str
    licence: str | None = None
    weights_sha256: str | None = None


class ShardRows(_Stored):
    """The rows of one shard. `found`: samples of which the sidecar says more than nothing."""

    samples: int
    found: int
    bytes: int
    tar_sha256: Sha256
    sha256: Sha256


class Description(_Stored):
    """All of sidecar.json but the shards.

    columns: the record keys it gives; of an array, its name alone. dtype, shape: of one row of an array.
    replace: its values win over those that a record has; otherwise such records are refused.
    settings: what decides its values. command: what makes it, with DIR for the shard set.
    edits: the sha256 of the overlay whose edits it was made from; None where edits make no difference.
    """

    name: str
    kind: Literal["records", "array"]
    columns: tuple[str, ...]
    dtype: Literal["float16", "float32", "uint8", "int32", "int64"] | None = None
    shape: tuple[int, ...] | None = None
    replace: bool = False
    made_by: Maker
    settings: dict[str, Any] = {}
    command: str
    edits: str | None = None

    def file_of(self, shard: str) -> str:
        """`train-00000` → `train-00000.jsonl` or `train-00000.npy`."""
        return f"{shard}.{'jsonl' if self.kind == 'records' else 'npy'}"

    def path(self, home: str, shard: str = "") -> str:
        """Its folder below the shard set's folder or URL, or in it the file of a shard."""
        folder = f"{home}/{FOLDER}/{self.name}"
        return f"{folder}/{self.file_of(shard)}" if shard else folder

    def error(self, home: str, what: str, remedy: str = "make it again") -> UserError:
        """One line: which sidecar, what is wrong, what mends that, and the command that makes it."""
        command = self.command if "://" in home else self.command.replace(" DIR", f" {shlex.quote(home)}", 1)
        return UserError(f"{self.path(home)}: {what}; {remedy}: {command}")


class Sidecar(Description):
    """A finished sidecar: what sidecar.json holds."""

    format: Literal[1] = FORMAT
    shards: dict[str, ShardRows]

    @property
    def fingerprint(self) -> str:
        """sha256 over all that a reader of records sees of it."""
        facts = self.model_dump(mode="json", include={"name", "kind", "columns", "dtype", "shape", "replace"})
        hashes = {name: rows.sha256 for name, rows in self.shards.items()}
        return hashlib.sha256(json.dumps([facts, hashes], sort_keys=True).encode()).hexdigest()

    def misfit(self, shards: Iterable[Shard]) -> str | None:
        """Why it does not belong to these shards, or None."""
        for shard in shards:
            rows = self.shards.get(shard.name)
            if rows is None:
                return f"has no rows for shard {shard.name}"
            if rows.tar_sha256 != shard.sha256:
                return f"was made for another {shard.name}.tar than the one there is"
            if rows.samples != shard.samples:
                return f"has {rows.samples:,} rows for the {shard.samples:,} samples of {shard.name}"
        return None

    @classmethod
    def parse(cls, content: bytes, home: str, name: str) -> Self:
        """The sidecar `name` of the shard set `home`. Raises UserError: damaged, or of another format."""
        where = f"{home}/{FOLDER}/{name}/{SIDECAR}"
        remedy = f"remove {home}/{FOLDER}/{name} and make it again (`vemo shards` {COMMANDS})"
        try:
            tree = json.loads(content)
            if isinstance(tree, dict) and tree.get("format") != FORMAT:
                stated = tree.get("format")
                raise UserError(f"{where}: format {stated!r}, this version reads {FORMAT}; {remedy}")
            sidecar = cls.model_validate(tree)
            if sidecar.name != name:
                raise ValueError(f"it is called {sidecar.name!r}")
            if sidecar.kind == "array" and (sidecar.dtype is None or sidecar.shape is None):
                raise ValueError("an array without dtype and shape")
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise UserError(f"{where}: damaged ({reason}); {remedy}") from None
        except ValueError as error:
            raise UserError(f"{where}: damaged ({error}); {remedy}") from None
        return sidecar


def read_sidecar(home: Path, name: str) -> Sidecar:
    """The finished sidecar `name` of a local shard set.

    Raises:
        UserError: there is none (the message lists those there are), it is unfinished or damaged.
    """
    folder = home / FOLDER / check_name(name)
    if not folder.is_dir():
        there = ", ".join(sidecar_names(home)) or "none"
        raise UserError(f"{home}: no sidecar {name!r}, only {there}; `vemo shards` {COMMANDS} makes one")
    try:
        content = (folder / SIDECAR).read_bytes()
    except FileNotFoundError:
        begun = read_begun(folder)
        if begun is None:
            raise UserError(f"{folder}: no {SIDECAR}; remove the folder") from None
        raise begun.error(str(home), "unfinished", "it goes on where it stopped") from None
    except OSError as error:
        raise UserError(f"{folder / SIDECAR}: cannot be read: {error.strerror}") from None
    return Sidecar.parse(content, str(home), name)


def check_name(name: str) -> str:
    """The name, if it can be that of a folder and a key. Raises UserError."""
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a sidecar; use a-z, 0-9, _ and -")
    return name


def read_begun(folder: Path) -> Description | None:
    """What is being made in a sidecar's folder, None where nothing is or nobody can tell."""
    try:
        return Description.model_validate_json((folder / BEGUN).read_bytes())
    except (OSError, ValueError):
        return None


def sidecar_names(home: Path) -> list[str]:
    """The folders of sidecars, finished or not, of a local shard set."""
    folder = home / FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
