"""Where an encoder looks: the weights of its attention, their rollout, Grad-CAM, and maps over pictures.

A map is a place to look, not an explanation: rollout does not know what is asked, Grad-CAM is of one layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from timm.models.vision_transformer import Attention as TimmAttention
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...datasets.stream.transforms import resize_center_crop
from ...foundation.errors import UserError
from ...zoo import Encoder
from .colours import SEQUENTIAL, colour
from .evaluating import evaluating

Score = Callable[[Tensor], Tensor]  # features [B, width] → one number a sample, [B]


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
    return _even(weights[..., 0, prefix:], grid)


def rollout_maps(encoder: Encoder, images: Tensor) -> Tensor:
    """Attention rollout of a timm VisionTransformer, uint8 [B, 3, S, S] → float32 [B, rows, columns].

    What reaches the feature from each patch, as multiples of an even share: through the class token, or,
    where features are means of patches, through the mean of them. Raises UserError for another architecture.
    """
    model = encoder.model
    if not attends(encoder):
        raise UserError(
            f"attention rollout needs a timm VisionTransformer, not {type(model).__name__}; use Grad-CAM"
        )
    flow, prefix = rollout(attention(model, encoder.normalise(images)).means), model.num_prefix_tokens
    pooling = model.global_pool if encoder.pooling == "model" else encoder.pooling
    if pooling == "token":
        return class_maps(flow, prefix, model.patch_embed.grid_size)
    return _even(flow[:, prefix:, prefix:].mean(dim=1), model.patch_embed.grid_size)


def attends(encoder: Encoder) -> bool:
    """Whether the attention of all its blocks is of the kind that `rollout_maps` knows."""
    blocks = getattr(encoder.model, "blocks", ())
    return hasattr(encoder.model, "num_prefix_tokens") and all(
        isinstance(getattr(block, "attn", None), TimmAttention) for block in blocks
    )


def grad_cam(encoder: Encoder, images: Tensor, score: Score) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) of `score`, uint8 [B, 3, S, S] → float32 [B, rows, columns], ≥ 0.

    relu(Σ_c w_c A_c), w_c the mean over places of ∂score/∂A_c. A: of a transformer the patch tokens that
    enter its last block (our choice: a class token takes nothing from those that leave it), else the last
    feature map. No gradient is left on the encoder. Raises UserError where there is no map of places.
    """
    with torch.inference_mode(False), torch.enable_grad(), evaluating(encoder):
        if hasattr(encoder.model, "num_prefix_tokens"):
            places, value = _last_tokens(encoder, images, score)
        else:
            places, value = _last_map(encoder, images, score)
        (gradient,) = torch.autograd.grad(value, places)
    weights = gradient.float().mean(dim=(1, 2), keepdim=True)
    return (weights * places.detach().float()).sum(dim=3).relu()


def _last_tokens(encoder: Encoder, images: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """The patch tokens that enter the last block, [B, rows, columns, C], and the sum of their scores."""
    model, found = encoder.model, []
    rows, columns = model.patch_embed.grid_size

    def part(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        tokens, prefix = arguments[0].detach(), model.num_prefix_tokens
        if tokens.shape[1] != prefix + rows * columns:
            raise UserError(f"{type(model).__name__}: the tokens of its last block are not a grid of patches")
        places = tokens[:, prefix:].unflatten(1, (rows, columns)).requires_grad_()
        found.append(places)
        return torch.cat([tokens[:, :prefix], places.flatten(1, 2)], dim=1), *arguments[1:]

    handle = model.blocks[-1].register_forward_pre_hook(part)
    try:
        value = score(encoder(images)).sum()
    finally:
        handle.remove()
    return found[0], value


def _last_map(encoder: Encoder, images: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """The last feature map as [B, rows, columns, C], and the sum of its scores."""
    model = encoder.model
    with torch.no_grad():
        found = model.forward_features(encoder.normalise(images))
    if found.dim() != 4:
        raise UserError(f"{type(model).__name__} ends in no feature map, so there is nothing for Grad-CAM")
    last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")  # Swin's channels come last
    places = (found if last else found.permute(0, 2, 3, 1)).requires_grad_()
    features = model.forward_head(places if last else places.permute(0, 3, 1, 2), pre_logits=True)
    return places, score(features).sum()


def overlay(images: Tensor, maps: Tensor, high: float | None = None) -> Tensor:
    """uint8 [..., 3, H, W] under upsampled maps [..., rows, columns], coloured from 0 to `high` → uint8.

    `high`: the greatest value of `maps` by default. Pictures are grey below, so that colours are the map's.
    """
    top = max(float(maps.max()) if high is None else high, 1e-12)
    pixels, maps = images.cpu().float() / 255, maps.detach().cpu().float()
    places = maps.reshape(-1, 1, *maps.shape[-2:])
    fine = interpolate(places, images.shape[-2:], mode="bilinear", align_corners=False)
    fine = fine.reshape(*maps.shape[:-2], *images.shape[-2:])
    painted = colour(fine, SEQUENTIAL, 0, top).movedim(-1, -3) / 255
    amount = 0.25 + 0.6 * (fine.unsqueeze(-3) / top).clamp(0, 1)  # of the colour: more where there is more
    mixed = torch.lerp(pixels.mean(dim=-3, keepdim=True), painted, amount)
    return (mixed.nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8)


def looking(
    encoder: Encoder, score: Score | None = None, crop_fraction: float = 1.0
) -> Callable[[Tensor], Tensor]:
    """A function that shows where `encoder` looks: a picture, uint8 [3, H, W], → uint8 [3, size, size].

    Grad-CAM of `score`; without one rollout where `attends`, else Grad-CAM of half the feature's squared
    length (our choice: what there is much of, whatever it is). The picture is seen as features are extracted.
    """

    def look(picture: Tensor) -> Tensor:
        seen = resize_center_crop(picture, encoder.image_size, crop_fraction)
        images = seen[None].to(encoder.mean.device)
        if score is None and attends(encoder):
            found = rollout_maps(encoder, images)[0]
            return overlay(seen, found, max(2.0, float(found.max())))  # an even share is half the scale
        return overlay(seen, grad_cam(encoder, images, score or _energy)[0])

    return look


def _energy(features: Tensor) -> Tensor:
    return features.float().square().sum(dim=1) / 2


def _even(row: Tensor, grid: tuple[int, int]) -> Tensor:
    return (row / row.mean(dim=-1, keepdim=True)).unflatten(-1, grid)
