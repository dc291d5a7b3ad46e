"""What a run minimises: any sum of five losses, and whether the person takes part.

UniEmoX is `[reconstruction, similarity, contrastive, fusion]`. The others are there to compare with, on the
same encoder, data, order and schedule:

| components | known as |
|---|---|
| `[reconstruction]` | MAE |
| `[similarity]` or `[similarity, contrastive]` | distillation alone |
| `[clip]` | CLIP's loss between image and sentence, the sentence tower frozen |
| `[attributes]` | supervised: emotion and attributes, a head each, a missing label masked |
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ..foundation.config import Config
from .attributes import AttributesConfig
from .fusions import FusionConfig
from .losses import Form

Component = Literal["reconstruction", "similarity", "contrastive", "clip", "attributes", "fusion"]
LOSSES = ("reconstruction", "similarity", "contrastive", "clip", "attributes")
DISTILLED = ("similarity", "contrastive", "clip")  # those that compare the student with a teacher
# The names of the same components on the released code's command line.
RELEASED_NAMES = {
    "mae_loss": "reconstruction",
    "similarity_loss": "similarity",
    "contrastive_similarity": "contrastive",
}


class Weights(Config):
    """Factors of the losses in the sum; the paper's are all 1."""

    reconstruction: float = Field(default=1.0, gt=0)
    similarity: float = Field(default=1.0, gt=0)
    contrastive: float = Field(default=1.0, gt=0)
    clip: float = Field(default=1.0, gt=0)
    attributes: float = Field(default=1.0, gt=0)


class ObjectiveConfig(Config):
    """Which losses are summed, and whether the person takes part."""

    components: tuple[Component, ...] = Field(
        default=("reconstruction", "similarity", "contrastive", "fusion"),
        description="Any losses, at least one; `fusion` adds the person branch (else the student is α alone)",
    )
    weights: Weights = Weights()
    fusion: FusionConfig = FusionConfig()
    attributes: AttributesConfig = AttributesConfig()
    projector: Literal["auto", "shared", "separate"] = Field(
        default="auto",
        description="α and β: shared = the decoder's input layer, as released (its width must be the "
        "teacher's); separate = a layer of their own; auto = shared where the widths agree",
    )
    contrastive_form: Form = Field(
        default="cosine", description="cosine of the rows, as released; kl: between their softmax"
    )
    center_rows: bool = Field(
        default=True, description="contrastive cosine: subtract each row's mean first (released: false)"
    )
    temperature: float = Field(default=0.1, gt=0, description="contrastive kl: τ of both softmaxes")
    texts_across_ranks: bool = Field(
        default=False,
        description="contrastive, clip: compare over the sentences of all ranks. Then more ranks are no "
        "longer the same as more accumulation",
    )
    without_person: Literal["whole_image", "scene_alone"] = Field(
        default="whole_image",
        description="An image without a person: whole_image = β of the whole image, as released; "
        "scene_alone = β is replaced by α",
    )
    person_normalised_twice: bool = Field(
        default=False, description="The person's pixels normalised a second time: a defect of the release"
    )

    @field_validator("components", mode="before")
    @classmethod
    def _released_names(cls, value: Any) -> Any:
        return (
            [RELEASED_NAMES.get(name, name) for name in value] if isinstance(value, list | tuple) else value
        )

    @model_validator(mode="after")
    def _some_loss(self) -> "ObjectiveConfig":
        if not self.losses:
            raise ValueError(f"components has no loss, so nothing would be learnt; add {', '.join(LOSSES)}")
        if self.uses_fusion and not self.uses_teacher:
            raise ValueError(f"fusion needs one of {', '.join(DISTILLED)}: nothing else sees the person")
        return self

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(name for name in LOSSES if name in self.components)

    @property
    def uses_fusion(self) -> bool:
        return "fusion" in self.components

    @property
    def uses_teacher(self) -> bool:
        return self.uses_images or self.uses_texts

    @property
    def uses_images(self) -> bool:
        """Whether the teacher looks at the scene."""
        return "similarity" in self.components or "contrastive" in self.components

    @property
    def uses_texts(self) -> bool:
        """Whether the teacher reads the sentence."""
        return "contrastive" in self.components or "clip" in self.components
