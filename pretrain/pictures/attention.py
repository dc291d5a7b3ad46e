"""attention.png: where the encoder looks, on whole images as the released encoder sees them."""

from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ...evaluation.reports.attention import attention, class_maps, overlay, rollout
from ...evaluation.reports.colours import SEQUENTIAL
from ..masked_autoencoder import MaskedAutoencoder
from .reconstructions import normalised
from .sheet import ACROSS, Part, legend, tiles, write_sheet


def save_attention(
    model: MaskedAutoencoder, batch: dict[str, Any], path: Path, count: int = ACROSS, note: str = ""
) -> Path:
    """Write the picture: a column for each of the first `count` scenes, and every head for the first."""
    scenes = batch["scene"][:count]
    found = attention(model.trunk, normalised(model, scenes))
    prefix, grid = model.trunk.num_prefix_tokens, model.trunk.patch_embed.grid_size
    mean, heads, flow = (
        class_maps(weights, prefix, grid).cpu()
        for weights in (found.last.mean(dim=1), found.last[0], rollout(found.means))
    )
    itself = float(found.last[..., 0, :prefix].sum(dim=-1).mean())
    parts: list[Part] = [
        ([tiles(scenes)], "Scene, nothing hidden."),
        (
            _overlaid(scenes, mean),
            "Last block: what the class token takes from each patch, the mean over the heads. "
            f"{itself:.0%} of the whole it takes from itself; that is left out.",
        ),
        (
            _overlaid(scenes[:1].expand(len(heads), -1, -1, -1), heads),
            f"Last block: the same for each of {len(heads)} heads, on the first scene.",
        ),
        (
            _overlaid(scenes, flow),
            f"Attention rollout over {len(found.means)} blocks (Abnar and Zuidema 2020): what reaches the "
            "class token if each block passes on half of its input and half of what it attends to.",
        ),
    ]
    return write_sheet(path, "Attention of the class token", note, parts)


def _overlaid(scenes: Tensor, maps: Tensor) -> list[Image.Image]:
    high = _highest(maps)
    says = "a patch's share, as a multiple of an even share (at most 1 patch in 100 exceeds the scale)"
    return [tiles(overlay(scenes, maps, high)), legend(SEQUENTIAL, 0, high, says)]


def _highest(maps: Tensor) -> float:
    """The top of the scale: what 1 patch in 100 exceeds, so that one outlier does not darken the rest."""
    numbers = maps.flatten()[maps.flatten().isfinite()]
    return max(2.0, float(numbers.quantile(0.99))) if len(numbers) else 2.0
