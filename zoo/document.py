"""`release.json`: all that a release says of itself; its card and its registry entry are made from it."""

import datetime
import platform
from pathlib import Path
from typing import Any

import timm
import torch
import yaml
from pydantic import ValidationError

from .. import __version__
from ..foundation.config import Config
from ..foundation.errors import UserError
from ..foundation.files import sha256_of
from .download import RELEASE
from .registry import Entry, ReleaseFile

FORMAT = 1
CARD = "README.md"


class Fairness(Config):
    """What `vemo audit` found of a model, or of one of its heads."""

    date: datetime.date
    samples: int
    attributes: tuple[str, ...] = ()
    annotated_by: str | None = None
    findings: tuple[str, ...]


class ReleaseDocument(Entry):
    """`files` are those beside release.json and the card that is written from it."""

    format: int = FORMAT
    calibration: dict[str, Any] = {}
    fairness: Fairness | None = None
    training: dict[str, Any] = {}
    faces: bool = False
    storage_change: float | None = None  # largest, by storing in dtype, of an output: in root mean squares
    made: dict[str, Any] = {}


def read_document(folder: Path) -> ReleaseDocument:
    """What the release in `folder` says of itself. UserError: it is none, damaged, or of another format."""
    path = folder / RELEASE
    if not path.is_file():
        raise UserError(
            f"{folder}: no {RELEASE} here, so this is not a packed release (see vemo checkpoints pack)"
        )
    try:
        document = ReleaseDocument.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: damaged, or of a newer version ({where}: {first['msg']})") from None
    if document.format != FORMAT:
        raise UserError(f"{path}: format {document.format} is not the one this version reads ({FORMAT})")
    return document


def files_of(folder: Path, *without: str) -> tuple[ReleaseFile, ...]:
    """Every file below a folder, sorted, as the registry lists them."""
    paths = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return tuple(
        ReleaseFile(path=name, sha256=sha256_of(path), bytes=path.stat().st_size)
        for name, path in paths.items()
        if name not in without
    )


def entry_of(document: ReleaseDocument, folder: Path) -> Entry:
    """The registry's entry of a packed release."""
    stated = {name: getattr(document, name) for name in Entry.model_fields}
    return Entry.model_validate(stated | {"files": files_of(folder)})


def entry_text(entry: Entry) -> str:
    """An item of the registry's list `releases`, as YAML to paste."""
    stated = entry.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump([stated], sort_keys=False, allow_unicode=True, width=110)


def versions() -> dict[str, str]:
    """Of what the outputs depend on."""
    return {
        "vemo": __version__,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "python": platform.python_version(),
    }
