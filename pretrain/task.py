"""UniEmoX as a task: reconstruct the scene, and follow a frozen teacher of images and sentences.

scene  ─ mask ─► encoder ─► decoder ─────────────► L3 reconstruction
                    └► α ─┐
person ─ mask ─► encoder ─► β ─► fusion ─► γ ────► L2 similarity to Ω
scene ─► teacher ─► Ω                      └─────► L1 profile of γ over the texts Λ, against that of Ω
sentence ─► teacher ─► Λ
"""

import math
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import Tensor, nn

from ..foundation.errors import UserError
from ..training.task import Task
from ..zoo.release import Preprocessing
from .attributes import AttributeHeads, Vocabulary
from .fusions import build_fusion
from .losses import contrastive_similarity_loss, image_text_loss, reconstruction_loss, similarity_loss
from .masked_autoencoder import Encoded, MaskedAutoencoder, ModelConfig
from .masking import PERSON_SALT, SCENE_SALT
from .objective import ObjectiveConfig
from .teachers import AnyTeacher


class UniEmoX(Task):
    """Model, fusion, frozen teacher and losses; with other components, what UniEmoX is compared with.

    The teacher keeps its own weights out of the module tree (see `Teacher`), so they are neither trained nor
    saved. Parameters that the chosen components do not reach are frozen, so that every trainable one takes
    part in every step.

    Args:
        teacher: live or cached; not needed where no component compares with one.
        vocabulary: what the component `attributes` is to learn.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: ModelConfig,
        objective: ObjectiveConfig,
        teacher: AnyTeacher | None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        super().__init__()
        if objective.uses_teacher and teacher is None:
            raise UserError("objective.components has similarity, contrastive or clip, which need a teacher")
        self.objective = objective
        self.model = MaskedAutoencoder(model)
        # Any: torch's decorators hide the signatures of its methods
        self.teacher: Any = teacher if objective.uses_teacher else None
        self.projector: Any = None
        self.fusion: Any = None
        self.heads: Any = None
        self.logit_scale: nn.Parameter | None = None
        shared = False
        if self.teacher is not None:
            shared = _shares_projector(objective.projector, model.decoder_width, self.teacher.width)
            self.projector = None if shared else nn.Linear(model.width, self.teacher.width)
            if objective.uses_fusion:
                self.fusion = build_fusion(self.teacher.width, objective.fusion)
        if "clip" in objective.losses:
            self.logit_scale = nn.Parameter(torch.full((1,), math.log(1 / 0.07)))  # CLIP's start
        if "attributes" in objective.losses:
            if vocabulary is None:
                raise UserError("objective.components has attributes, which need a vocabulary")
            self.heads = AttributeHeads(self.model.pooled_width, vocabulary)
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
        """batch: scene, person uint8 [B, 3, S, S], has_person bool [B], seed int64 [B], sentence B strings,
        and what a cached teacher and the attribute heads read.

        Returns the chosen parts and `loss`, their weighted sum.
        """
        scene, losses = self.normalise(batch["scene"]), self.objective.losses
        encoded = self.model.encode(scene, batch["seed"], SCENE_SALT)
        parts: dict[str, Tensor] = {}
        if "reconstruction" in losses:
            predicted = self.model.decode(encoded)
            parts["reconstruction"] = reconstruction_loss(predicted, self.model.target(scene), encoded.masked)
        if self.teacher is not None:
            parts |= self._distil(batch, self.embed(batch, encoded))
        if self.heads is not None:
            parts["attributes"] = self.heads(self.model.pool(encoded), batch)
        weights = self.objective.weights
        loss = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts}

    def embed(self, batch: dict[str, Any], encoded: Encoded) -> Tensor:
        """The student's embedding [B, teacher width]: γ, or α where there is no fusion."""
        alpha = self._project(encoded)
        if self.fusion is None:
            return alpha
        person = self.normalise(batch["person"])
        if self.objective.person_normalised_twice:
            person = (person - self.mean) / self.std
        beta = self._project(self.model.encode(person, batch["seed"], PERSON_SALT))
        if self.objective.without_person == "scene_alone":
            beta = torch.where(batch["has_person"].bool()[:, None], beta, alpha)
        return self.fusion(alpha, beta)

    def student(self, batch: dict[str, Any]) -> Tensor:
        """`embed` of a batch, masked as in training: [B, teacher width]."""
        return self.embed(batch, self.model.encode(self.normalise(batch["scene"]), batch["seed"], SCENE_SALT))

    def teacher_images(self, batch: dict[str, Any]) -> Tensor:
        """Ω of a batch, float32 [B, teacher width]."""
        return self.teacher.image_rows(batch)

    def teacher_texts(self, batch: dict[str, Any]) -> Tensor:
        """Λ of a batch, float32 [B, teacher width]; zeros where a sample says nothing."""
        rows, said = self.teacher.text_rows(batch)
        texts = rows.new_zeros(len(said), self.teacher.width)
        texts[said] = rows
        return texts

    def _project(self, encoded: Encoded) -> Tensor:
        if self.projector is None:
            return self.model.class_features(encoded)
        return self.projector(encoded.tokens[:, 0])

    def _distil(self, batch: dict[str, Any], student: Tensor) -> dict[str, Tensor]:
        objective, parts = self.objective, {}
        images = self.teacher.image_rows(batch) if objective.uses_images else student
        if "similarity" in objective.losses:
            parts["similarity"] = similarity_loss(student, images)
        if not objective.uses_texts:
            return parts
        texts, said = self.teacher.text_rows(batch)
        texts, said = texts.to(student.device), said.to(student.device)
        if "contrastive" in objective.losses:
            parts["contrastive"] = self._contrastive(student, images, texts)
        if self.logit_scale is not None:
            parts["clip"] = self._clip(student, texts, said)
        return parts

    def _contrastive(self, student: Tensor, images: Tensor, texts: Tensor) -> Tensor:
        objective = self.objective
        if objective.texts_across_ranks and dist.is_initialized():
            texts = _gather_rows(texts)
        if len(texts) == 0:
            return student.float().sum() * 0
        return contrastive_similarity_loss(
            student, images, texts, objective.center_rows, objective.contrastive_form, objective.temperature
        )

    def _clip(self, student: Tensor, texts: Tensor, said: Tensor) -> Tensor:
        """InfoNCE over the samples that say something; where none does there is nothing to tell apart."""
        assert self.logit_scale is not None
        scale = self.logit_scale.clamp(max=math.log(100)).exp()  # CLIP's bound
        if self.objective.texts_across_ranks and dist.is_initialized():
            if not said.all():
                raise UserError(
                    "clip over all ranks (objective.texts_across_ranks) needs a sentence for every image; "
                    f"{int((~said).sum())} of a batch of {len(said)} have none"
                )
            # Every rank compares all with all and its gradient is averaged: the mean stays that over samples.
            student, texts = torch.cat(differentiable.all_gather(student)), _gather_rows(texts)  # pyright: ignore
        else:
            student = student[said]
        if len(texts) == 0:
            return student.float().sum() * 0 + scale.sum() * 0
        return image_text_loss(student, texts, scale)

    def no_weight_decay(self) -> set[str]:
        """timm's convention: tokens, positions and CLIP's scale are not decayed (nor biases and norms)."""
        return {f"model.{name}" for name in self.model.no_weight_decay()} | {"logit_scale"}


def _shares_projector(choice: str, decoder_width: int, teacher_width: int) -> bool:
    if choice == "shared" and decoder_width != teacher_width:
        raise UserError(
            f"objective.projector=shared needs model.decoder_width {decoder_width} to be the teacher's width "
            f"{teacher_width}; use auto or separate"
        )
    return choice != "separate" and decoder_width == teacher_width


def _gathered(rows: Tensor) -> Tensor:
    """All ranks' rows, one rank's after another; ranks may have different numbers of them. No gradient."""
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    longest = int(max(counts))
    padded = rows.new_zeros(longest, rows.shape[1])
    padded[: len(rows)] = rows
    gathered = [torch.zeros_like(padded) for _ in counts]
    dist.all_gather(gathered, padded)
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts)])


# eager where the rest is compiled: how many rows there are is known on the way only
_gather_rows: Any = torch.compiler.disable(_gathered)
