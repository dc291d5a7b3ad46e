"""From a run's folder to a release: weights, what they are, a card, what the model says of known pictures.

NAME/release.json           all that the release says of itself; the card is written from it
NAME/README.md              the card
NAME/reference.safetensors  outputs that `vemo checkpoints verify` compares with
NAME/encoder.*, model.*     weights, and what loading them needs; with onnx=true as ONNX, too
"""

import datetime
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from ..foundation.config import Config
from ..foundation.errors import UserError
from ..foundation.files import PART_SUFFIX, write_atomically, write_json
from .card import INTENDED_USE, LIMITS, card
from .document import CARD, Fairness, ReleaseDocument, entry_of, entry_text, files_of, versions
from .download import RELEASE
from .models import Facts, ModelKind, Runnable
from .reference import COUNT, differences, reference_images, save_reference
from .registry import NAME

Export = Callable[[Path, bool], Any]
"""Writes the model in a folder as ONNX beside it; whether its weights are stored in half precision."""
AUDITS = ("model-audit/audit.json", "predictions/model-audit/audit.json")
MOST_BY_STORING = 0.05  # of an output's root mean square, by half precision: our choice


class PackConfig(Config):
    """What `vemo checkpoints pack` is told, beside what the run says."""

    run: Path = Field(description="a run's folder, or the release or model in it")
    out: Path = Field(
        description="folder of the release; its last part is the name unless `name` says another"
    )
    name: str | None = Field(default=None, pattern=NAME)
    dtype: Literal["fp32", "fp16"] = Field(
        default="fp32", description="fp16: half the bytes; fp32 once loaded"
    )
    onnx: bool = Field(
        default=False, description="the model as ONNX, too, which prediction on a CPU then uses; of `dtype`"
    )
    licence: str | None = Field(default=None, description="of the weights; null: as the run says")
    data: str | None = Field(default=None, description="training data, for people; null: as the run says")
    intended_use: str | None = Field(default=None, description="null: a sentence for the kind of model")
    limits: tuple[str, ...] = Field(default=(), description="what not to use it for; joins those of its kind")
    audit: Path | None = Field(
        default=None, description="audit.json of `vemo audit`; null: the one in the run's folder, if any"
    )
    date: datetime.date | None = Field(
        default=None, description="when the numbers were measured; null: when the run wrote them"
    )
    mirrors: tuple[str, ...] = Field(default=(), description="URLs where the files are going to lie")


@dataclass(frozen=True)
class Packed:
    """A release that was written."""

    folder: Path
    document: ReleaseDocument

    @property
    def entry(self) -> str:
        """The registry's entry, to paste."""
        return entry_text(entry_of(self.document, self.folder))

    @property
    def summary(self) -> str:
        """Where it is, how large, and what half precision did."""
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        lines = [f"{self.folder}: {self.document.kind}, {size / 2**20:.1f} MiB"]
        if self.document.storage_change is not None:
            change = f"{self.document.storage_change:.1e}"
            lines.append(
                f"stored in {self.document.dtype}: outputs change by {change} of their root mean square"
            )
        return "\n".join(lines)


def pack(config: PackConfig, kinds: Sequence[ModelKind], export: Export | None = None) -> Packed:
    """Write the release in `config.out`, which must be new or empty: whole or not at all.

    export: what writes the ONNX file, for onnx=true. Raises UserError: no model in the run, no licence or
    data known, damaged weights, half precision that changes what the model says, or no ONNX of this kind.
    """
    kind, source = _found(config.run, kinds)
    if config.onnx and (export is None or kind.name == "art"):
        raise UserError(f"onnx=true: models of the kind {kind.name} are not exported")
    name = config.name or config.out.absolute().name
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise UserError(f"{config.out}: is there already; give a new folder, or remove that one")
    facts = kind.facts(source, config.data)
    licence = _required(config.licence or facts.licence, "licence", "under which its data lets it be used")
    data = _required(config.data or facts.data, "data", "what it was trained on")
    before = kind.load(source)
    fairness = _fairness(config, source)
    staging = config.out.absolute().with_name(config.out.absolute().name + PART_SUFFIX)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        kind.write(source, staging, stored(config.dtype), name, licence)
        after = kind.load(staging)
        outputs = save_reference(staging, after, versions())
        if config.onnx and export is not None:
            export(staging, config.dtype == "fp16")
        document = _document(config, kind, facts, after, name, licence, data, fairness, staging)
        if config.dtype != "fp32":
            change = _change(before, outputs, config.dtype)
            document = document.model_copy(update={"storage_change": change})
        write_json(staging / RELEASE, document.model_dump(mode="json"))
        write_card(staging, document)
        if config.out.exists():
            config.out.rmdir()
        staging.rename(config.out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Packed(config.out, document)


def write_card(folder: Path, document: ReleaseDocument) -> Path:
    """Write README.md from what release.json says."""
    with write_atomically(folder / CARD) as stream:
        stream.write(card(document).encode())
    return folder / CARD


def stored(dtype: str):
    """Weights → the same as they are to be stored: fp16 halves what is float32 or float64."""

    def store(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if dtype == "fp32":
            return weights
        halves = {
            name: value.half() if value.dtype in (torch.float32, torch.float64) else value
            for name, value in weights.items()
        }
        for name, value in halves.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise UserError(f"dtype={dtype}: {name} has values beyond its range; use dtype=fp32")
        return halves

    return store


def _found(run: Path, kinds: Sequence[ModelKind]) -> tuple[ModelKind, Path]:
    run = run.expanduser()
    if not run.is_dir():
        raise UserError(f"{run}: no such folder")
    for kind in kinds:
        if source := kind.find(run):
            return kind, source
    raise UserError(
        f"{run}: no release and no model here; give the folder of a finished run, its release/ or model/"
    )


def _required(value: str | None, key: str, what: str) -> str:
    if value is None or not value.strip():
        raise UserError(f"{key}: the run does not say {what}; say {key}='…'")
    return value


def _document(
    config: PackConfig,
    kind: ModelKind,
    facts: Facts,
    model: Runnable,
    name: str,
    licence: str,
    data: str,
    fairness: Fairness | None,
    staging: Path,
) -> ReleaseDocument:
    dates = {} if config.date is None else {"date": config.date}
    try:
        return ReleaseDocument(
            name=name,
            kind=kind.name,
            files=files_of(staging, RELEASE, CARD),
            mirrors=config.mirrors,
            architecture=facts.architecture,
            parameters=facts.parameters,
            dtype=config.dtype,
            heads=model.heads,
            preprocessing=facts.preprocessing,
            metrics=tuple(metric.model_copy(update=dates) for metric in facts.metrics),
            training_data=data,
            licence=licence,
            intended_use=config.intended_use or INTENDED_USE[kind.name],
            limits=(*config.limits, *LIMITS[kind.name]),
            calibration=facts.calibration,
            fairness=fairness,
            training=facts.training,
            faces=facts.faces,
            made={"date": datetime.date.today().isoformat(), "versions": versions()},
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _change(before: Runnable, outputs: dict[str, Tensor], dtype: str) -> float:
    """The largest change of an output by storing; refused where it is one that people would notice."""
    exact = before.outputs(reference_images(before.image_size, COUNT))
    worst = max(differences(exact, outputs, dtype), key=lambda found: found.value)
    if worst.value > MOST_BY_STORING:
        raise UserError(f"dtype={dtype}: {worst}, more than {MOST_BY_STORING:g}; use dtype=fp32")
    return worst.value


def _fairness(config: PackConfig, source: Path) -> Fairness | None:
    path = config.audit
    if path is None:
        there = [place / name for place in (source, source.parent) for name in AUDITS]
        path = next((place for place in there if place.is_file()), None)
    if path is None:
        return None
    path = path / "audit.json" if path.is_dir() else path
    try:
        report = json.loads(path.read_bytes())
        return Fairness(
            date=report["date"],
            samples=report["samples"],
            attributes=report["attributes"],
            annotated_by=report["annotated_by"],
            findings=tuple(each["text"] for each in report["findings"]),
        )
    except FileNotFoundError:
        raise UserError(f"audit={path}: no such file") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"audit={path}: not an audit.json of `vemo audit` ({error})") from None
