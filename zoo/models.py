"""What packing and checking need of a model of any kind; encoders are here, others handed in from above."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .encoder import Encoder, load_encoder
from .registry import HeadColumns, Kind, Metric, ReleasePreprocessing
from .release import DESCRIPTION_NAME, read_release, save_release

Store = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""Weights as they are to be stored."""


@dataclass(frozen=True)
class Runnable:
    """A loaded model: `outputs` takes uint8 [N, 3, S, S] with S = image_size and returns name → float32
    [N, C] on the CPU; `heads` is empty for an encoder."""

    image_size: int
    outputs: Callable[[Tensor], dict[str, Tensor]]
    heads: dict[str, HeadColumns] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a run says of its model. None, and empty: it does not say."""

    architecture: dict[str, Any]
    preprocessing: ReleasePreprocessing
    parameters: int
    metrics: tuple[Metric, ...] = ()
    calibration: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    licence: str | None = None
    faces: bool = False


@dataclass(frozen=True)
class ModelKind:
    """How a kind of model is found in a run's folder, described, written and loaded.

    find: the model's folder in a run's (or None). facts: of that folder, its numbers measured on the data
    named (None: as the run says). write: to a release's folder (folder, release, store, name, licence), all
    that loading needs. load: from either.
    """

    name: Kind
    find: Callable[[Path], Path | None]
    facts: Callable[[Path, str | None], Facts]
    write: Callable[[Path, Path, Store, str, str], None]
    load: Callable[[Path], Runnable]


def _find(run: Path) -> Path | None:
    return next((place for place in (run, run / "release") if (place / DESCRIPTION_NAME).is_file()), None)


def _facts(folder: Path, data: str | None) -> Facts:
    description, weights = read_release(folder)
    trained = description.data.get("dataset")
    split, samples = description.data.get("split"), description.data.get("samples")
    if trained and split:
        trained += f", split {split}" + (f", {samples:,} images" if samples else "")
    date = measured_on(folder / DESCRIPTION_NAME)
    metrics = [
        Metric(
            metric=f"{protocol} probe, {found['label_space']}: {name}",
            value=values[0],
            low=values[1],
            high=values[2],
            data=found.get("dataset") or data or "unknown",
            seed=description.training.get("seed"),
            date=date,
        )
        for protocol, found in description.metrics.items()
        for name, values in found.items()
        if isinstance(values, list) and len(values) == 3
    ]
    architecture, preprocessing = description.architecture, description.preprocessing
    return Facts(
        architecture={"name": "VisionTransformer", **architecture.model_dump(mode="json")},
        preprocessing=ReleasePreprocessing.model_validate(preprocessing.model_dump()),
        parameters=sum(tensor.numel() for tensor in weights.values()),
        metrics=tuple(metrics),
        training=description.training,
        data=trained,
        licence=description.licence,
    )


def measured_on(path: Path) -> datetime.date:
    """When a run's numbers were written: its description's date of change."""
    return datetime.date.fromtimestamp(path.stat().st_mtime)


def _write(folder: Path, out: Path, store: Store, name: str, licence: str) -> None:
    description, weights = read_release(folder)
    save_release(out, store(weights), description.model_copy(update={"name": name, "licence": licence}))


def _load(folder: Path) -> Runnable:
    encoder = load_encoder(folder)
    return Runnable(encoder.image_size, lambda images: {"features": _features(encoder, images)})


@torch.inference_mode()
def _features(encoder: Encoder, images: Tensor) -> Tensor:
    return encoder(images).float()


ENCODER = ModelKind("encoder", _find, _facts, _write, _load)
