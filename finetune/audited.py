"""A fine-tuned model as `vemo audit` takes one: what it sees of a sample, what it says of a batch."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..evaluation.model_audit.robustness import Subject
from ..foundation.errors import UserError
from .augmentation import AugmentationConfig
from .predict import load_model
from .scores import as_outputs, kind_of
from .views import FinetuneEvaluationView


def audited_model(folder: Path, head: str | None, device: str) -> Subject:
    """One head of the model in `folder`, seeing samples as it was measured on them; without a temperature.

    Raises UserError as `load_model` does, and where it is open which head is meant.
    """
    predictor = load_model(folder, device)
    task, about = predictor.task, predictor.about
    there = list(task.heads)
    if head not in there and (head is not None or len(there) > 1):
        wrong = f"no head {head!r}, only" if head is not None else "say which head:"
        raise UserError(f"{folder}: {wrong} {', '.join(there)}")
    name = head or there[0]
    chosen = task.heads[name]

    @torch.inference_mode()
    def predict(batch: dict[str, Any]) -> Tensor:
        moved = {
            key: value.to(predictor.device) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        return as_outputs(chosen, task.outputs(moved)[name].float()).cpu()

    return Subject(
        name=f"{folder} · {name}",
        kind=kind_of(chosen.config),
        space=getattr(chosen.config, "space", None),
        target=chosen.targets,
        view=FinetuneEvaluationView(
            AugmentationConfig.model_validate(about["view"]),
            predictor.image_size,
            crop_fraction=about["crop_fraction"],
            look=about["person"],
        ),
        predict=predict,
    )
