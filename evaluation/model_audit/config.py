"""What `vemo audit` is told."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ...foundation.config import Config
from .corruptions import CORRUPTIONS, SEVERITIES, Corruption


class ModelAuditConfig(Config):
    """What to audit: predictions, a model, or both; by which attributes, if any: `vemo audit`."""

    predictions: Path | None = Field(
        default=None, description="of the test split, as `vemo finetune` and `vemo evaluate` leave them"
    )
    validation: Path | None = Field(
        default=None, description="predictions of the validation split: they choose a temperature"
    )
    out: Path | None = Field(default=None, description="null: model-audit, beside predictions or checkpoint")

    attributes: tuple[str, ...] = Field(
        default=(), description="which attributes to compare groups by; none unless you name them"
    )
    table: Path | None = Field(
        default=None, description="a CSV with a column `id` and the attributes; null: the shards' records"
    )
    annotated_by: str | None = Field(
        default=None, description="who gave the attributes, and how: printed in the report"
    )
    bins: dict[str, tuple[float, ...]] = Field(
        default={}, description="of numbers, where a new group begins: bins.age=[20,40,70]"
    )
    intersections: bool = Field(default=True, description="also every two attributes together")
    minimum: int = Field(
        default=30, ge=10, description="smallest number of samples of a group that is compared"
    )

    shards: Path | None = Field(default=None, description="the shard set, for attributes and for robustness")
    split: str = "test"
    sidecars: tuple[str, ...] = Field(default=(), description="sidecars that hold attributes")
    spaces: dict[str, str | tuple[str, ...]] = Field(
        default={}, description="labels to derive, as the run did"
    )

    threshold: float = Field(
        default=0.5, ge=0, lt=1, description="confidence from which on a model that may abstain answers"
    )
    level: float = Field(
        default=0.05, gt=0, lt=0.5, description="chance of one false finding or more, over the whole report"
    )
    resamples: int = Field(default=2000, ge=200, description="of the bootstrap")
    permutations: int = Field(
        default=2000, ge=200, description="of each test; more are drawn where the number of tests needs it"
    )
    seed: int = 0

    robustness: bool = Field(default=False, description="corrupt the images; needs checkpoint and shards")
    checkpoint: Path | None = Field(default=None, description="a folder `model` that `vemo finetune` left")
    head: str | None = Field(default=None, description="which head; null: the only one")
    corruptions: tuple[Corruption, ...] = Field(default=CORRUPTIONS, min_length=1)
    severities: tuple[int, ...] = Field(default=SEVERITIES, min_length=1)
    samples: int | None = Field(
        default=None, ge=30, description="robustness on that many images, drawn by the seed; null: all"
    )
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    self_test: bool = Field(
        default=False,
        description="audit drawn models with known faults instead; how often is the audit right?",
    )

    @model_validator(mode="after")
    def _has_something_to_audit(self) -> "ModelAuditConfig":
        if self.self_test:
            return self
        if self.predictions is None and not self.robustness:
            raise ValueError("give predictions=FILE, or robustness=true with checkpoint and shards")
        if self.robustness and (self.checkpoint is None or self.shards is None):
            raise ValueError("robustness=true needs checkpoint=MODEL_FOLDER and shards=DIR")
        if self.attributes and self.table is None and self.shards is None:
            raise ValueError("attributes: say where they are, table=CSV or shards=DIR")
        if stray := [name for name in self.bins if name not in self.attributes]:
            raise ValueError(f"bins: {stray[0]!r} is not among attributes")
        if len(set(self.attributes)) < len(self.attributes):
            raise ValueError("attributes: the same one twice")
        if wrong := [each for each in self.severities if each not in SEVERITIES]:
            raise ValueError(f"severities: {wrong[0]} is not one of 1 to 5")
        return self

    @property
    def folder(self) -> Path:
        """Where the findings go."""
        beside = self.predictions or self.checkpoint
        return self.out or (beside.parent / "model-audit" if beside else Path("model-audit"))
