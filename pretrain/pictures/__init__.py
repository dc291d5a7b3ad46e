"""What a model makes of a training batch, as pictures for people: reconstructions, similarities, attention.

Here: what is shown and how it is drawn. Not here: when (`training`), and the model and losses themselves.
Looking changes nothing: no random number is drawn, no module left in another mode, no hook left behind.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...evaluation.reports.evaluating import evaluating
from .attention import save_attention
from .reconstructions import save_reconstructions
from .similarities import COUNT, save_similarities

__all__ = ["observe", "save_attention", "save_reconstructions", "save_similarities"]


@torch.no_grad()
def observe(task: Any, batch: dict[str, Any], folder: Path) -> list[Path]:
    """Write into `folder` what `task`, a UniEmoX, makes of a training batch; returns the files.

    attention.png always; reconstructions.png and similarities.png where a loss is about them (else the
    decoder or the student's embedding is untrained). Masks are those of the batch's seeds, which differ in
    each epoch; the same batch gives the same pictures.
    """
    device = next(task.model.parameters()).device
    few = {name: _first(column, device) for name, column in batch.items()}
    objective, note = task.objective, folder.name
    written = [save_attention(task.model, few, folder / "attention.png", note=note)]
    if "reconstruction" in objective.losses:
        person = objective.uses_fusion and "person" in few
        path = folder / "reconstructions.png"
        written.append(save_reconstructions(task.model, few, path, person=person, note=note))
    if objective.uses_teacher:
        with evaluating(task):
            student = task.student(few)
            images = task.teacher_images(few) if objective.uses_images else None
            texts = task.teacher_texts(few) if objective.uses_texts else None
        path, center_rows = folder / "similarities.png", objective.center_rows
        token = "fused token" if objective.uses_fusion else "class token"
        sentences, scenes = few["sentence"], few["scene"]
        written.append(
            save_similarities(path, student, images, texts, sentences, scenes, center_rows, token, note)
        )
    return written


def _first(column: Any, device: torch.device) -> Any:
    """The first samples of a batch's column: a tensor (moved to `device`), a list, or columns by name."""
    if isinstance(column, dict):
        return {name: _first(each, device) for name, each in column.items()}
    return column[:COUNT].to(device) if isinstance(column, Tensor) else column[:COUNT]
