"""UniEmoX as a task: reconstruct the scene, and follow a frozen teacher of images and sentences.

scene  ─ mask ─► encoder ─► decoder ─────────────► L3 reconstruction
                    └► α ─┐
person ─ mask ─► encoder ─► β ─► fusion ─► γ ────► L2 similarity to Ω
scene ─► teacher ─► Ω                      └─────► L1 profile of γ over the texts Λ, against that of Ω
sentence ─► teacher ─► Λ
"""

from typing import Any, Literal

import torch
import torch.distributed as dist
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from ..foundation.config import Config
from ..foundation.errors import UserError
from ..training.task import Task
from ..zoo.release import Preprocessing
from .fusions import FusionConfig, build_fusion
from .losses import contrastive_similarity_loss, reconstruction_loss, similarity_loss
from .masked_autoencoder import Encoded, MaskedAutoencoder, ModelConfig
from .masking import PERSON_SALT, SCENE_SALT
from .teachers.teacher import Teacher

Component = Literal["reconstruction", "similarity", "contrastive", "fusion"]
LOSSES = ("reconstruction", "similarity", "contrastive")
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


class ObjectiveConfig(Config):
    """Which losses are summed, and whether the person takes part."""

    components: tuple[Component, ...] = Field(
        default=("reconstruction", "similarity", "contrastive", "fusion"),
        description="Any losses, at least one; `fusion` adds the person branch (else the student is α alone)",
    )
    weights: Weights = Weights()
    fusion: FusionConfig = FusionConfig()
    projector: Literal["auto", "shared", "separate"] = Field(
        default="auto",
        description="α and β: shared = the decoder's input layer, as released (its width must be the "
        "teacher's); separate = a layer of their own; auto = shared where the widths agree",
    )
    center_rows: bool = Field(
        default=True, description="contrastive: subtract each row's mean first (released: false)"
    )
    texts_across_ranks: bool = Field(
        default=False,
        description="contrastive: compare over the sentences of all ranks. Then more ranks are no longer the "
        "same as more accumulation",
    )
    without_person: Literal["whole_image", "scene_alone"] = Field(
        default="whole_image",
        description="An image without a person: whole_image = β of the whole image, as released; "
        "scene_alone = β is replaced by α",
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
            raise ValueError("fusion needs similarity or contrastive: reconstruction does not use the person")
        return self

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(name for name in LOSSES if name in self.components)

    @property
    def uses_fusion(self) -> bool:
        return "fusion" in self.components

    @property
    def uses_teacher(self) -> bool:
        return "similarity" in self.components or "contrastive" in self.components


class UniEmoX(Task):
    """Model, fusion, frozen teacher and losses.

    The teacher keeps its own weights out of the module tree (see `Teacher`), so they are neither trained nor
    saved. Parameters that the chosen components do not reach are frozen, so that every trainable one takes
    part in every step.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: ModelConfig, objective: ObjectiveConfig, teacher: Teacher | None) -> None:
        super().__init__()
        if objective.uses_teacher and teacher is None:
            raise UserError("objective.components has similarity or contrastive, which need a teacher")
        self.objective = objective
        self.model = MaskedAutoencoder(model)
        # Any: torch's decorators hide the signatures of its methods
        self.teacher: Any = teacher if objective.uses_teacher else None
        self.projector: nn.Module | None = None
        self.fusion: nn.Module | None = None
        shared = False
        if self.teacher is not None:
            shared = _shares_projector(objective.projector, model.decoder_width, self.teacher.width)
            self.projector = None if shared else nn.Linear(model.width, self.teacher.width)
            if objective.uses_fusion:
                self.fusion = build_fusion(self.teacher.width, objective.fusion)
        if "reconstruction" not in objective.losses:
            for name, parameter in self.model.named_parameters():
                if not name.startswith("trunk.") and not (shared and name.startswith("decoder_embed.")):
                    parameter.requires_grad_(False)
        statistics = Preprocessing(image_size=model.image_size)
        self.register_buffer("mean", torch.tensor(statistics.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(statistics.std).view(1, 3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, S, S] → float, ImageNet's mean and deviation."""
        return (images.to(self.mean.dtype) / 255 - self.mean) / self.std

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """batch: scene, person uint8 [B, 3, S, S], has_person bool [B], seed int64 [B], sentence B strings.

        Returns the chosen parts and `loss`, their weighted sum.
        """
        scene, seeds = self.normalise(batch["scene"]), batch["seed"]
        encoded = self.model.encode(scene, seeds, SCENE_SALT)
        parts: dict[str, Tensor] = {}
        if "reconstruction" in self.objective.losses:
            predicted = self.model.decode(encoded)
            parts["reconstruction"] = reconstruction_loss(predicted, self.model.target(scene), encoded.masked)
        if self.teacher is not None:
            student = self.embed(batch, encoded)
            images = self.teacher.encode_image(batch["scene"])
            if "similarity" in self.objective.losses:
                parts["similarity"] = similarity_loss(student, images)
            if "contrastive" in self.objective.losses:
                parts["contrastive"] = self._contrastive(student, images, batch["sentence"])
        weights = self.objective.weights
        loss = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts}

    def embed(self, batch: dict[str, Any], encoded: Encoded) -> Tensor:
        """The student's embedding [B, teacher width]: γ, or α where there is no fusion."""
        alpha = self._project(encoded)
        if self.fusion is None:
            return alpha
        beta = self._project(self.model.encode(self.normalise(batch["person"]), batch["seed"], PERSON_SALT))
        if self.objective.without_person == "scene_alone":
            beta = torch.where(batch["has_person"].bool()[:, None], beta, alpha)
        return self.fusion(alpha, beta)

    def _project(self, encoded: Encoded) -> Tensor:
        if self.projector is None:
            return self.model.class_features(encoded)
        return self.projector(encoded.tokens[:, 0])

    def _contrastive(self, student: Tensor, images: Tensor, sentences: list[str]) -> Tensor:
        said = [sentence for sentence in sentences if sentence]  # "" says nothing of the image
        texts = self.teacher.encode_text(said).to(student.device)
        if self.objective.texts_across_ranks and dist.is_initialized():
            texts = _gather_rows(texts)
        if len(texts) == 0:
            return student.float().sum() * 0
        return contrastive_similarity_loss(student, images, texts, self.objective.center_rows)

    def no_weight_decay(self) -> set[str]:
        """timm's convention: tokens and positions are not decayed (biases and norms never are)."""
        return {f"model.{name}" for name in self.model.no_weight_decay()}


def _shares_projector(choice: str, decoder_width: int, teacher_width: int) -> bool:
    if choice == "shared" and decoder_width != teacher_width:
        raise UserError(
            f"objective.projector=shared needs model.decoder_width {decoder_width} to be the teacher's width "
            f"{teacher_width}; use auto or separate"
        )
    return choice != "separate" and decoder_width == teacher_width


def _gather_rows(rows: Tensor) -> Tensor:
    """All ranks' rows, one rank's after another; ranks may have different numbers of them. No gradient."""
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    longest = int(max(counts))
    padded = rows.new_zeros(longest, rows.shape[1])
    padded[: len(rows)] = rows
    gathered = [torch.zeros_like(padded) for _ in counts]
    dist.all_gather(gathered, padded)
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts)])
