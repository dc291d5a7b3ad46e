"""What a head of a fine-tuning run may be: one entry of `heads: {NAME: {kind: …}}` in the YAML."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ...datasets.taxonomy import label_space
from ...evaluation.metrics import wheel_distances
from ...foundation.config import Config
from ...foundation.errors import UserError

Axis = Literal["valence", "arousal", "dominance"]
Imbalance = Literal["none", "weights", "logit_adjustment"]


def _of_classes(name: str) -> str:
    try:
        space = label_space(name)
    except UserError as error:
        raise ValueError(str(error)) from None
    if space.continuous:
        raise ValueError(f"must be a space of classes ({name} is continuous: use kind vad)")
    return name


Space = Annotated[
    str,
    AfterValidator(_of_classes),
    Field(description="Label space; labels of others count if the stream derives this one (data.spaces)"),
]


class _HeadConfig(Config):
    weight: float = Field(default=1.0, gt=0, description="Factor of this head's loss in the sum of all heads")


class _ClassConfig(_HeadConfig):
    space: Space
    labels: Literal["hard", "soft"] = Field(
        default="hard",
        description="Votes and distributions as their largest class (ties count as unlabelled), or as shares",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of a label that is spread over all classes; recipe: 0.1"
    )
    wheel_temperature: float | None = Field(
        default=None,
        gt=0,
        description="Spread a label by softmax(−distance/τ) on Mikels' wheel instead (mikels8 only); "
        "at 1 a label keeps about 0.6",
    )
    imbalance: Imbalance = Field(
        default="none",
        description="Against unequal class counts, at most one of: weights, inverse to them; "
        "logit_adjustment, of Menon et al. 2021; neither with balanced sampling (data.select.balanced)",
    )
    adjustment: float = Field(default=1.0, gt=0, description="logit_adjustment: τ, the factor of log π")

    @model_validator(mode="after")
    def _spreads_once(self) -> "_ClassConfig":
        if self.wheel_temperature is None:
            return self
        if self.label_smoothing > 0:
            raise ValueError("label_smoothing and wheel_temperature both spread a label: keep one of the two")
        try:
            wheel_distances(label_space(self.space))
        except ValueError as error:
            raise ValueError(f"wheel_temperature: {error}") from None
        return self


class SingleConfig(_ClassConfig):
    """One class of several: cross-entropy."""

    kind: Literal["single"] = "single"


class HierarchicalConfig(_ClassConfig):
    """Polarity, then the emotion within it, which the label map to polarity2 ties together."""

    kind: Literal["hierarchical"] = "hierarchical"
    polarity_weight: float = Field(
        default=1.0, ge=0, description="Factor of the loss on polarity beside that on the emotion"
    )


class DistributionConfig(_HeadConfig):
    """How the answers are spread over the classes: KL divergence; only distributions and votes count."""

    kind: Literal["distribution"] = "distribution"
    space: Space


class MultilabelConfig(_HeadConfig):
    """Any number of classes at once; only labels of the kind `classes` count."""

    kind: Literal["multilabel"] = "multilabel"
    space: Space
    loss: Literal["bce", "emotic"] = Field(
        default="bce", description="bce: binary cross-entropy; emotic: its weighted squared error"
    )
    class_weights: Literal["dynamic", "static"] = Field(
        default="dynamic",
        description="emotic: dynamic = by the counts in each micro-batch, as released, so how a batch is cut "
        "matters; static = by the shares in the train split, as in the paper",
    )


class VadConfig(_HeadConfig):
    """Valence, arousal, dominance in [−1, 1]: ccc · (1 − concordance) + mse · squared error."""

    kind: Literal["vad"] = "vad"
    axes: tuple[Axis, ...] = Field(default=("valence", "arousal", "dominance"), min_length=1)
    ccc: float = Field(
        default=1.0,
        ge=0,
        description="Over the micro-batch of a process, so how a batch is cut matters (by mse it does not)",
    )
    mse: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _learns_something_once(self) -> "VadConfig":
        if self.ccc == self.mse == 0:
            raise ValueError("ccc and mse are both 0, so nothing would be learnt")
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes names one twice: {', '.join(self.axes)}")
        return self


HeadConfig = Annotated[
    SingleConfig | DistributionConfig | MultilabelConfig | VadConfig | HierarchicalConfig,
    Field(discriminator="kind"),
]
