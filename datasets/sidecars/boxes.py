"""`vemo shards persons` and `vemo shards faces`: what a detector finds, as a sidecar."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from ...foundation.config import Config
from ...foundation.errors import UserError
from ..stream.shardset import ShardSet
from .detectors import KINDS, load_detector
from .layout import Description
from .writing import Part, SidecarReport, command_line, write_sidecar

SMALLEST = 1.0  # pixels; what is thinner inside the image is no box


class _BoxesConfig(Config):
    """What both have in common. `shards` is the set whose images are looked at."""

    shards: Path
    most: int = Field(default=20, ge=1, description="at most so many a picture, the surest first")
    licence: str | None = Field(default=None, description="the detector's, where its file is not a known one")
    replace: bool = Field(default=False, description="win over what the records have already")
    workers: int = Field(default=-1, ge=-1, description="processes; -1: one a core, 0: none but this")


class PersonsConfig(_BoxesConfig):
    name: str = Field(default="persons", description="the sidecar's folder, DIR/sidecars/NAME")
    detector: str = Field(description="onnx:FILE, torchvision:NAME[@FILE], or dataset (the records' own)")
    score: float = Field(default=0.5, ge=0, le=1, description="a detection below this is left out")


class FacesConfig(_BoxesConfig):
    name: str = Field(default="faces", description="the sidecar's folder, DIR/sidecars/NAME")
    yunet: str = Field(description="YuNet's ONNX file")
    score: float = Field(default=0.6, ge=0, le=1, description="a detection below this is left out")


@dataclass(frozen=True)
class OwnPersons:
    """What detector=dataset comes to: a sentence, and no sidecar."""

    summary: str


def write_persons(config: PersonsConfig) -> SidecarReport | OwnPersons:
    """Write the sidecar; with detector=dataset only say how many records have persons of their own.

    Raises UserError: no shard set, no detector, or (detector=dataset) no persons.
    """
    if config.detector == "dataset":
        return _own_persons(config.shards)
    return _write(config, "persons", config.detector)


def write_faces(config: FacesConfig) -> SidecarReport:
    """Write the sidecar of faces. Raises UserError: no shard set, no OpenCV, no YuNet."""
    return _write(config, "faces", f"yunet:{config.yunet}")


@dataclass(frozen=True)
class FoundBoxes:
    """Rows of one record column: what a detector finds, the surest first, [] where nothing is."""

    column: str
    detector: str  # its spec: sessions do not travel to other processes
    score: float
    most: int

    def __call__(self, part: Part) -> Iterator[dict[str, Any]]:
        detector = load_detector(self.detector)
        for pixels in part.images():
            found = detector(pixels)
            yield {self.column: boxes_of(found, pixels.shape[:2], detector.maker.name, self.score, self.most)}


def boxes_of(
    found: np.ndarray, size: tuple[int, ...], by: str, score: float, most: int
) -> list[dict[str, Any]]:
    """A detector's float [n, 5] or [n, 15] as a record has it: `persons`, or `faces` with landmarks.

    Boxes are clipped to the image of `size` (height, width), landmarks are not: half a face has its other eye
    outside. Pixels are rounded to hundredths, scores to thousandths.
    """
    height, width = size
    found = found[np.isfinite(found).all(axis=1)].astype(np.float64)
    found = found[found[:, 4] >= score]
    found[:, :4] = np.clip(found[:, :4], 0, (width, height, width, height))
    found = found[(found[:, 2:4] - found[:, :2] >= SMALLEST).all(axis=1)]
    boxes = []
    for row in found[np.argsort(-found[:, 4], kind="stable")][:most]:
        known = {"box": _pixels(row[:4]), "score": round(min(float(row[4]), 1.0), 3), "by": by}
        if len(row) > 5:
            known["landmarks"] = [_pixels(point) for point in row[5:].reshape(5, 2)]
        boxes.append(known)
    return boxes


def _write(config: PersonsConfig | FacesConfig, column: str, spec: str) -> SidecarReport:
    detector = load_detector(spec)
    description = Description(
        name=config.name,
        kind="records",
        columns=(column,),
        replace=config.replace,
        made_by=detector.maker.model_copy(update={"licence": config.licence} if config.licence else {}),
        settings={"score": config.score, "most": config.most},
        command=command_line(column, config),
    )
    rows = FoundBoxes(column, spec, config.score, config.most)
    return write_sidecar(config.shards, description, rows, 0 if detector.here else config.workers)


def _own_persons(folder: Path) -> OwnPersons:
    shards = ShardSet(folder)
    known = sum("persons" in record for split in shards.splits for record in shards.records(split))
    samples = sum(shards.count(split) for split in shards.splits)
    if not known:
        raise UserError(f"{folder}: no record has persons; give one of the detectors: {KINDS}")
    return OwnPersons(f"{folder}: {known:,} of {samples:,} records have persons of their own; nothing to do")


def _pixels(values: np.ndarray) -> list[float]:
    return [round(float(value), 2) for value in values]
