"""What every reader is: a cheap listing of rows, and a picklable `read` that runs in workers."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from pydantic import ValidationError

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..sample import Sample, Source

REASONS = (
    "missing_image",
    "disallowed",
    "unfinished",
    "missing_annotation",
    "bad_annotation",
    "bad_row",
    "undecodable_image",
    "too_large",
    "path_escapes_root",
    "duplicate_id",
    "duplicate",
    "unlabelled",
    "unreadable",
)
# Left out because the config (duplicate, unlabelled) or the image's owner (disallowed) says so: no fault.
ASKED_FOR = frozenset({"duplicate", "unlabelled", "disallowed"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class SampleError(Exception):
    """One sample cannot be had: a reason code of REASONS and a sentence. Never ends a build."""

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}; there are {', '.join(REASONS)}")
        super().__init__(reason, detail)  # both, so that it survives pickling
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a dataset's listing: tiny, JSON-able through `dataclasses.asdict`.

    id: unique in the dataset. split: the dataset's own, or None. group: samples of one group never straddle
    splits. path: the image, relative to the root. facts: whatever `read` needs; a row that cannot be read
    carries its (reason, detail) under "failure", so that a broken listing loses nothing without a word.
    """

    id: str
    split: str | None
    group: str | None
    path: str
    facts: dict[str, Any] = field(default_factory=dict)


class FolderConfig(Config):
    """What the configs of all readers share."""

    follow_links: bool = False  # let symbolic links lead out of the root


class Reader:
    """Turns one dataset's native layout into samples; never modifies the source.

    `rows` lists lazily and in a deterministic order, `read` fetches one sample and its untouched image bytes.
    `expected` is how many rows of each split a complete copy of the dataset lists ({}: unknown).
    `fingerprint` changes with whatever decides the records and is not in the rows ("": nothing does): a build
    that was begun with another one is not gone on with. `origin` is what the manifest says of data that are
    themselves made from other data ({}: nothing).
    """

    dataset: str
    licence: str
    spaces: tuple[str, ...]
    how_to_get: str
    expected: dict[str, int] = {}
    fingerprint: str = ""
    origin: dict[str, Any] = {}
    summary: ClassVar[str] = ""
    citation: ClassVar[str] = ""  # as the authors want to be cited, best as BibTeX
    config_class: ClassVar[type[Config]]

    def __init__(self, config: Any, root: Path) -> None:
        self.config = config
        self.root = Path(root)
        if not self.root.is_dir():
            raise UserError(f"{self.root}: no such folder; root must be where {self.dataset} was unpacked")

    @property
    def id_prefix(self) -> str:
        """Sample ids are `id_prefix/row.id`."""
        return self.dataset

    def rows(self) -> Iterator[Row]:
        """Every row, lazily, in a fixed order; of rows that share an id, all but the first will fail."""
        seen: set[str] = set()
        for row in self._rows():
            identifier, repeats = row.id, 1
            while identifier in seen:
                repeats += 1
                identifier = f"{row.id}~{repeats}"
            seen.add(identifier)
            if repeats > 1:
                detail = f"id {row.id} occurs more than once; this is occurrence {repeats}"
                row = replace(row, id=identifier, facts={"failure": ["duplicate_id", detail]})
            yield row

    def read(self, row: Row) -> tuple[Sample, bytes]:
        """One sample and the bytes of its image file. Raises SampleError and nothing else."""
        if "failure" in row.facts:
            raise SampleError(*row.facts["failure"])
        try:
            return self._read(row)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise SampleError("bad_annotation", f"{row.path}: {problems}") from None
        except UserError as error:
            raise SampleError("bad_annotation", f"{row.path}: {error}") from None
        except OSError as error:
            raise SampleError("unreadable", f"{row.path}: {error}") from None

    def _rows(self) -> Iterator[Row]:
        raise NotImplementedError

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        raise NotImplementedError

    def inside(self, path: str) -> Path:
        """The absolute path of a file that the data names; SampleError where it leads out of the root."""
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\0" in path:
            raise SampleError("path_escapes_root", f"{path!r} leads out of the dataset's folder")
        there = self.root / parts
        if not self.config.follow_links and not there.resolve().is_relative_to(self.root.resolve()):
            detail = f"{path!r} is a link out of the dataset's folder (reader.follow_links=true allows that)"
            raise SampleError("path_escapes_root", detail)
        return there

    def image_bytes(self, path: str) -> bytes:
        """The bytes of an image file named by the data."""
        try:
            return self.inside(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise SampleError("missing_image", f"no file {path}") from None
        except OSError as error:
            raise SampleError("unreadable", f"{path}: {error}") from None

    def sample(self, row: Row, image: bytes, **known: Any) -> Sample:
        """The sample of a row: id and source filled in, the rest as given."""
        source = Source(
            dataset=self.dataset,
            split=row.split,
            path=row.path,
            sha256=hashlib.sha256(image).hexdigest(),
            licence=self.licence,
            group=row.group,
        )
        return Sample(id=f"{self.id_prefix}/{row.id}", source=source, **known)

    def group_of_file(self, path: str) -> str | None:
        """The sha256 of a file as a group: identical files stay together. None where it cannot be read."""
        try:
            with self.inside(path).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, SampleError):
            return None  # `read` will say why

    def require(self, *names: str) -> None:
        """UserError unless one of these is in the root, with a hint where it lies one level down."""
        if any((self.root / name).exists() for name in names):
            return
        below = next((p.parent for name in names for p in sorted(self.root.glob(f"*/{name}"))), None)
        hint = f"; did you mean root={below}?" if below else f". {self.how_to_get}"
        raise UserError(f"{self.root}: no {' or '.join(names)}, so this is no {self.dataset} folder{hint}")


def image_names(folder: Path) -> list[str]:
    """Image files below a folder, relative to it, sorted; hidden files (and resource forks) left out.

    Text, not paths: listing is what a build cannot share out, and Path costs five times the rest of it.
    """
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(place, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        found += [
            prefix + name
            for name in files
            if not name.startswith(".") and name[name.rfind(".") :].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)


def image_files(folder: Path) -> Iterable[Path]:
    """`image_names` as paths."""
    return (folder / name for name in image_names(folder))
