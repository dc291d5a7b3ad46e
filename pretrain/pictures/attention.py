"""attention.png: where the encoder looks, on whole images as the released encoder sees them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..masked_autoencoder import MaskedAutoencoder
from .colours import SEQUENTIAL, colour
from .evaluating import evaluating
from .reconstructions import normalised
from .sheet import ACROSS, Part, legend, tiles, write_sheet


@dataclass(frozen=True)
class Attention:
    """Softmax weights of a vision transformer, float32; row i says what token i takes from each token.

    Attributes:
        last: of the last block, [B, heads, N, N].
        means: of each block, the mean over its heads, [B, N, N].
    """

    last: Tensor
    means: list[Tensor]


@torch.no_grad()
def attention(trunk: Any, images: Tensor) -> Attention:
    """The weights in a timm VisionTransformer for normalised `images` [B, 3, S, S], nothing masked.

    Fused attention never holds them, so they are computed from each block's input beside its own forward.
    No trace is left on the trunk.
    """
    last, means = None, []

    def look(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal last
        last = attention_weights(module, arguments[0])
        means.append(last.mean(dim=1))

    handles = [block.attn.register_forward_pre_hook(look) for block in trunk.blocks]
    try:
        with evaluating(trunk):
            trunk.forward_features(images)
    finally:
        for handle in handles:
            handle.remove()
    assert last is not None and len(means) == len(trunk.blocks)
    return Attention(last, means)


def attention_weights(layer: Any, tokens: Tensor) -> Tensor:
    """softmax(q·kᵀ · scale) of a timm `Attention` for its input [B, N, C]: float32 [B, heads, N, N]."""
    batch, count, _ = tokens.shape
    heads = layer.qkv(tokens).reshape(batch, count, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)
    queries, keys = layer.q_norm(heads[0]).float(), layer.k_norm(heads[1]).float()
    return (queries * layer.scale @ keys.transpose(-2, -1)).softmax(dim=-1)


def rollout(means: list[Tensor]) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020): Π (A + I)/2, the first block's rightmost, [B, N, N].

    Row i: how much of each input token ends in output token i if values were passed on as they are. Rows sum
    to 1.
    """
    identity = torch.eye(means[0].shape[-1], device=means[0].device)
    flow = identity.expand_as(means[0])
    for weights in means:
        flow = (weights + identity) / 2 @ flow
    return flow


def class_maps(weights: Tensor, prefix: int, grid: tuple[int, int]) -> Tensor:
    """What the class token takes from each patch, [..., N, N] → [..., rows, columns].

    As multiples of an even share: the mean over the patches is 1. What it takes from itself and other of the
    `prefix` tokens is left out.
    """
    row = weights[..., 0, prefix:]
    return (row / row.mean(dim=-1, keepdim=True)).unflatten(-1, grid)


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


def overlay(images: Tensor, maps: Tensor, high: float) -> Tensor:
    """uint8 [B, 3, S, S] under upsampled maps [B, rows, columns], coloured from 0 to `high` → float."""
    images = images.cpu().float() / 255
    grey = images.mean(dim=1, keepdim=True)
    fine = interpolate(maps[:, None], images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    painted = colour(fine, SEQUENTIAL, 0, high).permute(0, 3, 1, 2) / 255
    share = 0.25 + 0.6 * (fine[:, None] / high).clamp(0, 1)  # of the colour: more where there is more
    return torch.lerp(grey, painted, share)


def _highest(maps: Tensor) -> float:
    """The top of the scale: what 1 patch in 100 exceeds, so that one outlier does not darken the rest."""
    numbers = maps.flatten()[maps.flatten().isfinite()]
    return max(2.0, float(numbers.quantile(0.99))) if len(numbers) else 2.0
