"""Everything that may be asked of `vemo predict`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ...foundation.config import Config
from ...foundation.config_errors import explain, report


class FaceConfig(Config):
    """Which of YuNet's detections are looked at. What is left out gets a row that says why."""

    yunet: Path | None = Field(default=None, description="YuNet's ONNX file, yours to bring")
    score: float = Field(default=0.6, ge=0, le=1, description="Below it a detection is no face")
    smallest: float = Field(default=24, ge=1, description="Pixels of a box's shorter side; our choice")
    most: int = Field(default=50, ge=1, description="Of one frame, the surest first")
    turn: float | None = Field(
        default=None,
        gt=0,
        description="Faces turned further away are left out: the nose's distance from the middle of the eyes "
        "along their line, over the eyes' distance; 0: frontal, 0.5: the nose below one eye; null: all",
    )
    margin: float = Field(
        default=0.0, ge=0, le=2, description="Room around the aligned face, as a share of its side, each side"
    )


class PredictConfig(Config):
    """A run of `vemo predict`."""

    paths: tuple[str, ...] = Field(min_length=1, description="Pictures, videos, folders, webcam:NUMBER")
    checkpoint: Path = Field(
        description="A fine-tuning run's folder, its model/, a .onnx file, or a name of the registry"
    )
    format: Literal["table", "json", "csv", "parquet"] | None = Field(
        default=None, description="null: by the suffix of `out`; without one a table for people"
    )
    out: Path | None = Field(default=None, description="null: standard output")
    annotate: Path | None = Field(default=None, description="A picture or a video with boxes and labels")
    every: float | None = Field(
        default=0.5, gt=0, description="Seconds between the frames of a video that are looked at; null: all"
    )
    abstain: float = Field(
        default=0.0, ge=0, le=1, description="Below this confidence a prediction is marked as abstained"
    )
    explain: bool = Field(default=False, description="A sentence why, of a model of kind: art")
    emotion: str | None = Field(default=None, description="explain: this one instead of the likeliest")
    attention: Path | None = Field(
        default=None, description="explain: folder for pictures of where each word looked"
    )
    lexicon: Path | None = Field(
        default=None, description="The list of words that a model of kind: art was trained with, if it moved"
    )
    faces: bool | None = Field(default=None, description="null: as the model's label spaces say")
    face: FaceConfig = FaceConfig()
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:NUMBER")
    precision: Literal["fp32", "bf16"] = "fp32"
    backend: Literal["auto", "torch", "onnx"] = Field(
        default="auto",
        description="onnx: the folder's model.onnx, run by onnxruntime; auto: that, where it can be used",
    )
    batch_size: int = Field(default=32, ge=1)


def options(given: dict[str, Any]) -> PredictConfig:
    """The config that `given` (nested, as keyword arguments) comes to. Raises UserError."""
    try:
        return PredictConfig.model_validate(given)
    except ValidationError as error:
        raise report("vemo predict", explain(PredictConfig, given, [], error)) from None
