"""What the suite is told: tasks, encoders, protocols, seeds. A task is a YAML of its own."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ...datasets.taxonomy import label_space
from ...foundation.config import Config
from ...foundation.errors import UserError
from ..linear import LinearConfig
from ..neighbours import NeighboursConfig
from ..predictions import Kind
from ..scoring import SCORES_OF

NAME = r"^[a-z0-9][a-z0-9_.-]*$"  # of tasks, encoders and protocols: they name folders
Name = Annotated[str, Field(pattern=NAME)]


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"one stands twice: {', '.join(map(str, values))}")
    return values


Once = AfterValidator(_once)


class TaskConfig(Config):
    """One benchmark: what is asked of which shard set, and the score it is judged by."""

    title: str
    build: str = Field(description="The YAML that builds its shards; its reader says how to get the data")
    shards: Path
    kind: Kind
    space: str | None = Field(default=None, description="Label space of the answers; of vad: null")
    axes: tuple[Literal["valence", "arousal", "dominance"], ...] = Field(
        default=(), description="Of vad only, in order"
    )
    spaces: dict[str, str | tuple[str, ...]] = Field(
        default={},
        description="Labels to derive through label maps: {mikels8: polarity2}",
    )
    main: str = Field(default="", description="The score of the table; by default the kind's first")
    train_split: str = "train"
    validation_split: str | None = Field(
        default="val", description="null: `hold_out` of the training split's groups choose"
    )
    test_split: str = "test"
    hold_out: float = Field(default=0.1, gt=0, lt=1, description="Where there is no validation split")
    person: Literal["none", "crop", "crop_and_scene"] = Field(
        default="none", description="What fine-tuning looks at where a sample is a person of an image"
    )
    note: str = Field(default="", description="What a reader of the table has to know")

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "TaskConfig":
        if (self.kind == "vad") != bool(self.axes) or (self.kind == "vad") == bool(self.space):
            raise ValueError("name axes for the kind vad and a label space for the others, not both")
        if self.main and self.main not in SCORES_OF[self.kind]:
            raise ValueError(f"main: {self.kind} has {', '.join(SCORES_OF[self.kind])}, not {self.main!r}")
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes names one twice: {', '.join(self.axes)}")
        if self.space is not None:
            try:
                classes = len(label_space(self.space))
            except UserError as error:
                raise ValueError(str(error)) from None
            if self.main == "top3_accuracy" and classes <= 3:
                raise ValueError(f"main: of {classes} classes the top three are no score")
        return self

    @property
    def score(self) -> str:
        """The score of the table."""
        return self.main or SCORES_OF[self.kind][0]


class EncoderConfig(Config):
    """A column's encoder. `{seed}` and `{task}` in `weights` stand for a cell's own."""

    weights: str = Field(description="A release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]")
    random: bool = Field(default=False, description="The same architecture untrained")
    image_size: int | None = Field(default=None, ge=8, description="null: the encoder's own")
    title: str = Field(default="", description="In tables; by default its name")


class LinearProtocol(Config):
    """A linear map on frozen features; rate and penalty chosen on the validation split."""

    kind: Literal["linear"] = "linear"
    linear: LinearConfig = LinearConfig()


class NeighboursProtocol(Config):
    """The mean target of the nearest neighbours in frozen features."""

    kind: Literal["neighbours"] = "neighbours"
    neighbours: NeighboursConfig = NeighboursConfig()


class FewShotProtocol(Config):
    """A linear map that learns from a part of the training split, drawn anew with every seed, by class."""

    kind: Literal["few_shot"] = "few_shot"
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1), Once] = (
        *(0.01, 0.05, 0.1),
        *(0.25, 0.5),
    )
    linear: LinearConfig = LinearConfig()


class TransferProtocol(Config):
    """A linear map that learns from another task's training split, its labels mapped; tested on this one."""

    kind: Literal["transfer"] = "transfer"
    sources: tuple[Name, ...] = Field(default=(), description="Tasks to learn from; (): all of the suite")
    linear: LinearConfig = LinearConfig()


class ZeroShotProtocol(Config):
    """The class whose sentences lie nearest in a teacher's space; nothing is trained, one seed is enough."""

    kind: Literal["zero_shot"] = "zero_shot"
    teacher: dict[str, Any] = Field(description="As the `teacher` section of a pretraining run")
    templates: tuple[str, ...] = Field(default=(), description="(): those of prompts.yaml")


class FinetuneProtocol(Config):
    """`vemo finetune` with a config of the user's, in which the suite sets encoder, data, head and seed."""

    kind: Literal["finetune"] = "finetune"
    config: Path = Field(description="A YAML of configs/finetune")
    settings: tuple[str, ...] = Field(
        default=(), description="key=value on top of it; data.select.fraction=0.1 learns from a tenth"
    )
    for_task: dict[Name, tuple[str, ...]] = Field(default={}, description="key=value of one task alone")


ProtocolConfig = Annotated[
    LinearProtocol
    | NeighboursProtocol
    | FewShotProtocol
    | TransferProtocol
    | ZeroShotProtocol
    | FinetuneProtocol,
    Field(discriminator="kind"),
]


class SuiteConfig(Config):
    """Tasks × encoders × protocols × seeds: `vemo evaluate CONFIG`."""

    out: Path = Field(description="Cells, features and reports; rerunning with the same folder goes on")
    title: str = "Visual emotion benchmark"
    note: str = Field(
        default="", description="What a reader of the tables has to know, such as what was seen"
    )
    tasks: dict[Name, Path] = Field(min_length=1, description="Name → the task's YAML")
    shards: dict[Name, Path] = Field(default={}, description="Where a task's shards are, if elsewhere")
    encoders: dict[Name, EncoderConfig] = Field(min_length=1)
    protocols: dict[Name, ProtocolConfig] = Field(min_length=1)
    seeds: Annotated[tuple[int, ...], Field(min_length=1), Once] = (1, 2, 3)
    reference: Name | None = Field(default=None, description="Encoder to compare the others with; the first")
    published: Path | None = Field(
        default=Path("configs/evaluation/published.yaml"),
        description="Figures of papers",
    )
    resamples: int = Field(default=1000, ge=200, description="Of the bootstrap")
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    trackers: tuple[Literal["wandb"], ...] = Field(
        default=(), description="The table as a wandb run, offline where there is no account"
    )
    thumbnails: bool = Field(default=True, description="Best and worst examples as pictures in the pages")

    @model_validator(mode="after")
    def _names_what_there_is(self) -> "SuiteConfig":
        if self.reference is not None and self.reference not in self.encoders:
            raise ValueError(f"reference: no encoder {self.reference!r}, only {', '.join(self.encoders)}")
        told = [each.for_task for each in self.protocols.values() if isinstance(each, FinetuneProtocol)]
        sources = [each.sources for each in self.protocols.values() if isinstance(each, TransferProtocol)]
        named = [name for given in (self.shards, *told, *sources) for name in given]
        if unknown := [name for name in named if name not in self.tasks]:
            raise ValueError(
                f"shards, for_task, sources: no task {unknown[0]!r}, only {', '.join(self.tasks)}"
            )
        if "published" in self.model_fields_set and self.published and not self.published.exists():
            raise ValueError(f"published: no such file: {self.published}")
        return self
