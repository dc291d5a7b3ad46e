"""Zero-shot classification: the class whose sentences lie nearest to the image in a teacher's space."""

from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..datasets.taxonomy import LabelSpace
from ..foundation.errors import UserError

PROMPTS = Path(__file__).with_name("prompts.yaml")


class Teacher(Protocol):
    """Two towers with one space."""

    def encode_image(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] → unit rows [B, D]."""
        ...

    def encode_text(self, sentences: list[str]) -> Tensor:
        """Sentences → unit rows [len, D]."""
        ...


class TeacherImages(nn.Module):
    """A teacher's image tower as an encoder, so that it can be probed beside the others."""

    teacher: Teacher

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.__dict__["teacher"] = teacher  # past nn.Module: moving this encoder must not move the caller's

    @property
    def fingerprint(self) -> str | None:
        return getattr(self.teacher, "fingerprint", None)

    def forward(self, images: Tensor) -> Tensor:
        return self.teacher.encode_image(images)


@cache
def _prompts() -> dict[str, Any]:
    return yaml.safe_load(PROMPTS.read_text(encoding="utf-8"))


def sentences(space: LabelSpace, templates: tuple[str, ...] = ()) -> list[list[str]]:
    """For each class of `space` its sentences; `templates` (each with one `{}`) replace those of
    prompts.yaml.

    Raises:
        UserError: a template without `{}`.
    """
    entry = _prompts().get(space.name, _prompts()["default"])
    words = entry.get("words", {})
    chosen = templates or tuple(entry["templates"])
    for template in chosen:
        if template.count("{}") != 1:
            raise UserError(f"zero-shot template {template!r}: write {{}} once, where the class goes")
    spoken = [words.get(name, name.replace("_", " ").replace("/", ", ")) for name in space.names]
    return [[template.replace("{}", word) for template in chosen] for word in spoken]


@torch.no_grad()
def zero_shot(images: Tensor, teacher: Teacher, space: LabelSpace, templates: tuple[str, ...] = ()) -> Tensor:
    """Cosines with the classes, float32 [N, C], of image embeddings [N, D] from `teacher.encode_image`.

    A class is the normalised mean of its sentences' embeddings (as CLIP's prompt ensembles). The class of an
    image is the highest; for probabilities cosines want a temperature.
    """
    prompts = sentences(space, templates)
    rows = teacher.encode_text([sentence for group in prompts for sentence in group]).float().cpu()
    centres = torch.stack([part.mean(0) for part in rows.split([len(group) for group in prompts])])
    return normalize(images.float(), dim=1) @ normalize(centres, dim=1).T
