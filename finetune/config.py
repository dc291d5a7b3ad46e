"""Everything that defines a fine-tuning run."""

from pathlib import Path

from pydantic import Field, model_validator

from ..datasets.stream import DataConfig
from ..foundation.config import Config
from ..training import TrainerConfig
from .augmentation import AugmentationConfig
from .emotion import HeadConfig
from .mixing import MixingConfig


class EvaluationConfig(Config):
    """What the checkpoint is chosen on, and what it is measured on once it is."""

    shards: Path | None = Field(default=None, description="null: the run's own shard set, if it is one")
    validation_split: str = "val"
    test_split: str | None = Field(default="test", description="null: nothing is measured at the end")
    batch_size: int = Field(default=64, ge=1)
    crop_fraction: float = Field(default=1.0, gt=0, le=1, description="Of the shorter side; 1: all of it")


class FinetuneConfig(Config):
    """A fine-tuning run, encoder to release: `vemo finetune CONFIG`."""

    out: Path = Field(description="Run folder; rerunning with the same folder resumes")
    encoder: str = Field(description="A release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]")
    random: bool = Field(default=False, description="The same architecture untrained, to compare with")
    image_size: int | None = Field(default=None, ge=8, description="null: the encoder's own")
    train: str = Field(
        default="all",
        pattern=r"^(all|heads|last-[1-9][0-9]*)$",
        description="all; heads: the encoder is frozen; last-N: of its blocks only the last N are trained",
    )
    drop_path: float = Field(
        default=0.0, ge=0, lt=1, description="Stochastic depth of the last block; recipe: 0.2"
    )
    heads: dict[str, HeadConfig] = Field(min_length=1, description="Name → head; their losses are added")
    data: DataConfig
    view: AugmentationConfig = AugmentationConfig()
    mixing: MixingConfig | None = Field(default=None, description="Mixup and CutMix; null: neither")
    evaluation: EvaluationConfig = EvaluationConfig()
    training: TrainerConfig = TrainerConfig()
    licence: str | None = Field(
        default=None, description="Of the weights; null: the images' and the encoder's"
    )

    @model_validator(mode="after")
    def _names_can_be_columns(self) -> "FinetuneConfig":
        if wrong := [name for name in self.heads if not name.isidentifier()]:
            raise ValueError(f"heads: {wrong[0]!r} is no name; use letters, digits and _")
        if self.train == "heads" and self.drop_path > 0:
            raise ValueError("drop_path does nothing where train=heads: the encoder is frozen")
        return self
