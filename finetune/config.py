"""Everything that defines a fine-tuning run."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ..datasets.stream import DataConfig, StreamConfig, sets_of
from ..foundation.config import Config
from ..training import TrainerConfig
from .augmentation import AugmentationConfig
from .emotion import ContextConfig, HeadConfig
from .fer import SqueezeConfig
from .lora import LoraConfig
from .mixing import MixingConfig
from .views import Look


class EvaluationConfig(Config):
    """What the checkpoint is chosen on, and what it is measured on once it is."""

    shards: Path | None = Field(default=None, description="null: the run's own shard set, if it is one")
    validation_split: str | None = Field(
        default="val", description="null: the groups that data.select.hold_out leaves out of training"
    )
    test_split: str | None = Field(default="test", description="null: nothing is measured at the end")
    batch_size: int = Field(default=64, ge=1)
    crop_fraction: float = Field(default=1.0, gt=0, le=1, description="Of the shorter side; 1: all of it")
    flip: bool = Field(
        default=False,
        description="Measure also the mean of what is said of an image and of its mirror image; the "
        "checkpoint is chosen without",
    )

    @property
    def validation_name(self) -> str:
        """What the metrics of the validation samples begin with."""
        return self.validation_split or "hold_out"


class FinetuneConfig(Config):
    """A fine-tuning run, encoder to release: `vemo finetune CONFIG`."""

    out: Path = Field(description="Run folder; rerunning with the same folder resumes")
    encoder: str = Field(description="A release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]")
    encoder_arguments: dict[str, Any] = Field(
        default={},
        description="Of timm's model, such as {patch_size: 2, window_size: 6}; {small_stem: true} is ours: a "
        "ResNet whose stem keeps the resolution",
    )
    random: bool = Field(default=False, description="The same architecture untrained, to compare with")
    image_size: int | None = Field(default=None, ge=8, description="null: the encoder's own")
    train: str = Field(
        default="all",
        pattern=r"^(all|heads|lora|last-[1-9][0-9]*)$",
        description="all; heads: the encoder is frozen; last-N: of its blocks only the last N are trained; "
        "lora: small adapters beside its layers, which are released as part of the weights",
    )
    lora: LoraConfig | None = Field(default=None, description="Of train=lora; null with any other")
    person: Look = Field(
        default="none",
        description="crop: the person's box instead of the image; crop_and_scene: both, by one encoder",
    )
    context: ContextConfig = Field(
        default=ContextConfig(), description="crop_and_scene: how the two features are joined"
    )
    squeeze: SqueezeConfig | None = Field(
        default=None, description="Squeeze-and-excitation between encoder and heads; null: none"
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

    @model_validator(mode="before")
    @classmethod
    def _lora_has_a_section(cls, given: Any) -> Any:
        asked = isinstance(given, dict) and given.get("train") == "lora" and given.get("lora") is None
        return {**given, "lora": {}} if asked else given

    @model_validator(mode="after")
    def _sections_have_a_use(self) -> "FinetuneConfig":
        if self.lora is not None and self.train != "lora":
            raise ValueError(f"lora does nothing where train={self.train}; use train=lora or leave it out")
        if self.context != ContextConfig() and self.person != "crop_and_scene":
            raise ValueError(f"context does nothing where person={self.person}: there is one feature to use")
        if self.squeeze is not None and self.squeeze.position == "stages" and self.train != "all":
            raise ValueError(f"squeeze.position=stages needs train=all (train={self.train} would freeze it)")
        return self

    @model_validator(mode="after")
    def _names_can_be_columns(self) -> "FinetuneConfig":
        if wrong := [name for name in self.heads if not name.isidentifier()]:
            raise ValueError(f"heads: {wrong[0]!r} is no name; use letters, digits and _")
        if self.train == "heads" and self.drop_path > 0:
            raise ValueError("drop_path does nothing where train=heads: the encoder is frozen")
        return self

    @model_validator(mode="after")
    def _chooses_on_something(self) -> "FinetuneConfig":
        data = self.data
        select = data.select if isinstance(data, StreamConfig) and isinstance(data.shards, Path) else None
        if self.evaluation.validation_split is None and (select is None or select.hold_out == 0):
            raise ValueError(
                "without evaluation.validation_split the checkpoint is chosen on what is held out of the "
                "training split: set data.select.hold_out above 0 (of one local shard set)"
            )
        return self

    @model_validator(mode="after")
    def _balances_once(self) -> "FinetuneConfig":
        if any(each.select is not None and each.select.balanced for each in sets_of(self.data)):
            for name, head in self.heads.items():
                if (imbalance := getattr(head, "imbalance", "none")) != "none":
                    raise ValueError(
                        f"data.select.balanced and heads.{name}.imbalance={imbalance} both act against "
                        "unequal class counts: keep one of balanced sampling, weights and logit_adjustment"
                    )
        return self
