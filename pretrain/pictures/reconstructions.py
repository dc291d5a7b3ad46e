"""reconstructions.png: the scene, what the encoder saw of it, and what the decoder made of the rest."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...evaluation.reports.evaluating import evaluating
from ...zoo.release import Preprocessing
from ..masked_autoencoder import MaskedAutoencoder
from ..masking import PERSON_SALT, SCENE_SALT, random_masks
from .sheet import ACROSS, tiles, write_sheet

HIDDEN = 0.62  # grey of a hidden patch: seldom a picture's own


def normalised(model: MaskedAutoencoder, images: Tensor) -> Tensor:
    """uint8 [B, 3, S, S] → what `model` takes: ImageNet's mean and deviation, the dtype of its weights."""
    weight = model.trunk.patch_embed.proj.weight
    mean, std = _statistics(weight.device)
    return ((images.to(weight.device) / 255 - mean) / std).to(weight.dtype)


def seen(model: MaskedAutoencoder, images: Tensor, masked: Tensor) -> Tensor:
    """uint8 [B, 3, S, S] and bool [B, N] → float in [0, 1]: the images with their hidden patches grey."""
    patches = model.patchify(images.to(masked.device) / 255)
    return model.unpatchify(patches.masked_fill(masked[..., None], HIDDEN))


@torch.no_grad()
def reconstruct(model: MaskedAutoencoder, scenes: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(bool [B, N], which patches were hidden; the scenes with their gaps filled; the whole prediction).

    Images are float32 [B, 3, S, S], about 0 to 1. Where targets are normalised patch by patch, the prediction
    is brought back with each patch's own mean and deviation.
    """
    images = normalised(model, scenes)
    with evaluating(model):
        encoded = model.encode(images, seeds.to(images.device), SCENE_SALT)
        predicted = model.decode(encoded).float()
    patches = model.patchify(images.float())
    if model.config.normalise_pixels:
        variance, centre = torch.var_mean(patches, dim=-1, keepdim=True)
        predicted = predicted * (variance + 1e-6).sqrt() + centre
    mean, std = _statistics(images.device)
    filled = torch.where(encoded.masked[..., None], predicted, patches)
    filled, whole = (model.unpatchify(each) * std + mean for each in (filled, predicted))
    return encoded.masked, filled, whole


def save_reconstructions(
    model: MaskedAutoencoder,
    batch: dict[str, Any],
    path: Path,
    count: int = ACROSS,
    person: bool = False,
    note: str = "",
) -> Path:
    """Write the picture: a column for each of the first `count` samples, masked as in their training step.

    person: add what the encoder saw of the person; samples without one are marked.
    """
    scenes, seeds = batch["scene"][:count], batch["seed"][:count]
    masked, filled, whole = reconstruct(model, scenes, seeds)
    config = model.config
    kept = f"{config.kept} of {config.patches} patches"
    back = ", brought back with each patch's true mean and deviation" if config.normalise_pixels else ""
    parts = [
        ([tiles(scenes)], "Scene, as the view cut it."),
        ([tiles(seen(model, scenes, masked))], f"What the encoder saw: {kept}; the hidden ones are grey."),
        ([tiles(filled)], f"The hidden patches predicted{back}, the visible ones as they are."),
        (
            [tiles(whole)],
            "The whole prediction. Only hidden patches are trained; visible ones may be anything.",
        ),
    ]
    if person:
        persons = batch["person"][:count]
        _, masked = random_masks(seeds.to(masked.device), config.patches, config.kept, PERSON_SALT)
        marks = ["" if there else "no person" for there in batch["has_person"][:count].tolist()]
        text = f"Person, what the encoder saw: {kept}. It is not reconstructed."
        if any(marks):
            text += " Dimmed: no person was found; all of the image, or another part, stands in."
        parts.append(([tiles(seen(model, persons, masked), marks)], text))
    return write_sheet(path, "Reconstructions", note, parts)


def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the released encoder's input, float32 [1, 3, 1, 1] each."""
    about = Preprocessing(image_size=1)
    mean, std = (torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (about.mean, about.std))
    return mean, std
