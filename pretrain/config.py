"""Everything that defines a pretraining run."""

from pathlib import Path

from pydantic import Field, model_validator

from ..datasets.stream import DataConfig
from ..evaluation import ProbeConfig
from ..foundation.config import Config
from ..training import TrainerConfig
from .masked_autoencoder import ModelConfig
from .objective import ObjectiveConfig
from .sentences import SentenceConfig
from .teachers import TeacherOptions
from .views import ViewConfig


class TeacherConfig(TeacherOptions):
    """Which teacher, where fitted or downloaded ones are kept, and the teacher's own options."""

    name: str = Field(
        default="stand-in",
        description="open_clip:MODEL/TAG_OR_FILE, stand-in, or pair:IMAGE_ENCODER+TEXT_ENCODER. Not loaded "
        "where the objective is reconstruction alone",
    )
    cache: Path = Path("runs/teachers")
    shards: Path | None = Field(
        default=None,
        description="What a stand-in or a pair is fitted on; null: the run's own shard set, if it is one",
    )
    cached: str | None = Field(
        default=None,
        description="Read NAME_images and NAME_text, which `vemo shards embed DIR name=NAME` wrote, in place "
        "of asking the teacher: no step runs it",
    )

    def options(self) -> TeacherOptions:
        """The part that says what the teacher is (no paths: caches are named after it)."""
        return TeacherOptions(**{name: getattr(self, name) for name in TeacherOptions.model_fields})


class FinalProbe(ProbeConfig):
    """The probe that ends a run: the release, on the run's own shards unless `shards` says otherwise."""

    checkpoint: str = Field(default="", description="left empty: the release of this run")
    shards: Path | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


class PretrainConfig(Config):
    """A pretraining run, start to release: `vemo pretrain CONFIG`."""

    out: Path = Field(description="Run folder; rerunning with the same folder resumes")
    licence: str | None = Field(
        default=None,
        description="Licence of the released weights; null: that of the images, by the manifest",
    )
    data: DataConfig
    model: ModelConfig = ModelConfig()
    view: ViewConfig = ViewConfig()
    sentences: SentenceConfig = SentenceConfig()
    teacher: TeacherConfig = TeacherConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainerConfig = TrainerConfig()
    probe: FinalProbe | None = Field(default=None, description="Probe the release at the end; null: not")

    @model_validator(mode="after")
    def _person_branch_is_consistent(self) -> "PretrainConfig":
        if self.objective.uses_fusion and self.view.person_view == "none":
            raise ValueError(
                "objective.components has fusion but view.person_view is none: drop one of the two"
            )
        if self.view.person_view == "second_view" and self.objective.without_person == "scene_alone":
            raise ValueError(
                "view.person_view=second_view never shows a person, so objective.without_person=scene_alone "
                "would drop every second view"
            )
        return self
