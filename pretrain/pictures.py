"""What the model sees and what it makes of it, as one picture."""

from pathlib import Path
from typing import Any

import torch
from torchvision.utils import make_grid, save_image

from ..zoo.release import Preprocessing
from .masked_autoencoder import MaskedAutoencoder
from .masking import SCENE_SALT


@torch.no_grad()
def save_reconstructions(model: MaskedAutoencoder, batch: dict[str, Any], path: Path, count: int = 8) -> None:
    """Write a PNG of up to `count` columns: the scene, what is left of it, the prediction put into the gaps.

    With normalised targets the prediction is brought back with each patch's own mean and deviation.
    """
    statistics = Preprocessing(image_size=model.config.image_size)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (statistics.mean, statistics.std))
    scene = (batch["scene"][:count] / 255 - mean) / std
    encoded = model.eval().encode(scene, batch["seed"][:count], SCENE_SALT)
    patches, predicted = model.patchify(scene), model.decode(encoded)
    if model.config.normalise_pixels:
        variance, centre = torch.var_mean(patches, dim=-1, keepdim=True)
        predicted = predicted * (variance + 1e-6).sqrt() + centre
    hidden = encoded.masked[..., None]
    seen = model.unpatchify(patches.masked_fill(hidden, 0))
    filled = model.unpatchify(torch.where(hidden, predicted, patches))
    images = torch.cat([scene, seen, filled]) * std + mean
    save_image(make_grid(images.clamp(0, 1), nrow=len(scene), padding=2), path)
