"""The choices a user has about the teacher."""

from typing import Literal

from pydantic import Field

from ...foundation.config import Config


class StandInOptions(Config):
    """How the stand-in is built and trained (our choice throughout; it has no counterpart in the paper)."""

    image_size: int = Field(default=64, ge=32, description="Side of its input in pixels")
    epochs: int = Field(default=24, ge=1)
    batch_size: int = Field(default=32, ge=2)
    lr: float = Field(default=5e-4, gt=0)
    seed: int = 0
    max_images: int = Field(
        default=20_000, ge=2, description="At most this many images are held in memory to train on"
    )


class PairOptions(Config):
    """How two frozen towers are joined (our choice throughout)."""

    width: int = Field(default=256, ge=1, description="Width of the common space")
    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=1024, ge=2)
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    seed: int = 0
    held_out: float = Field(
        default=0.1, gt=0, lt=1, description="Part of the images kept aside to measure retrieval"
    )


class TeacherOptions(Config):
    """What does not depend on which teacher it is, and one section for each of the stand-ins."""

    normalisation: Literal["clip", "imagenet"] = Field(
        default="clip",
        description="clip: the mean and std the teacher's weights were trained with; "
        "imagenet: ImageNet's, as the released UniEmoX code feeds its CLIP",
    )
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="dtype of the teacher's weights")
    compile: bool = Field(
        default=False, description="torch.compile for the image tower: pays on a GPU and on long runs"
    )
    image_size: int | None = Field(
        default=None, ge=14, description="Side of a pair's input; null: the encoder's own"
    )
    quick_gelu: bool | None = Field(
        default=None, description="Activation of a local CLIP file; null: what its tag or model name says"
    )
    remembered_sentences: int = Field(default=32_768, ge=0, description="Sentence embeddings kept in memory")
    stand_in: StandInOptions = StandInOptions()
    pair: PairOptions = PairOptions()
