"""A masked autoencoder whose encoder is a plain timm VisionTransformer (He et al. 2022; spec of UniEmoX).

Only visible patches are projected and encoded: masked pixels are gathered away before the first
multiplication. The decoder sees a mask token at every hidden place and predicts every patch.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import linear

from ..foundation.config import Config
from ..zoo.trunk import SIZES, Size, build_trunk, sincos_positions
from .masking import SCENE_SALT, random_masks


class ModelConfig(Config):
    """The encoder, the decoder, and how much is masked. Defaults: ViT-B/16, MAE's decoder."""

    image_size: int = Field(default=224, ge=16, description="Side of both views in pixels")
    patch_size: int = Field(default=16, ge=2)
    size: Size | None = Field(
        default=None,
        description="Width, depth and heads in a word (huge also has patches of 14, where none are given): "
        "ViT-T, -S, -B, -L or -H",
    )
    width: int = Field(default=768, ge=4)
    depth: int = Field(default=12, ge=1)
    heads: int = Field(default=12, ge=1)
    mlp_ratio: float = Field(default=4.0, gt=0)
    variant: Literal["vit", "clip"] = Field(
        default="vit",
        description="clip: a norm before the first block and QuickGELU, as OpenAI's CLIP has; for init=clip",
    )
    decoder_width: int = Field(default=512, ge=4)
    decoder_depth: int = Field(default=8, ge=1)
    decoder_heads: int = Field(default=16, ge=1)
    mask_ratio: float = Field(default=0.75, ge=0, lt=1, description="Share of the patches that is hidden")
    normalise_pixels: bool = Field(default=False, description="Standardise each patch of the target")
    predicts: Literal["patches", "token"] = Field(
        default="patches",
        description="token: the decoder's class token stands for every patch, a defect of the released code",
    )
    pooling: Literal["token", "mean", "token+mean"] = Field(
        default="mean",
        description="Feature of the released encoder: class token, mean of the patches (what the paper "
        "fine-tunes), or both",
    )
    init: str | None = Field(
        default=None,
        description="Where the encoder starts: none (or null), mae, clip, timm:NAME or dbot, each with @FILE "
        "where the weights are on disk; a release folder; a weights file",
    )

    @model_validator(mode="before")
    @classmethod
    def _size_says_numbers(cls, given: Any) -> Any:
        """What `size` implies is filled in; a number that says otherwise is a mistake, not a wish."""
        size = given.get("size") if isinstance(given, dict) else None
        if not isinstance(size, str) or size not in SIZES:
            return given
        implied = dict(zip(("width", "depth", "heads"), SIZES[size], strict=True))
        for name, number in implied.items():
            if name in given and str(given[name]) != str(number):
                raise ValueError(
                    f"{name} {given[name]} contradicts size {size}, whose {name} is {number}: leave one out"
                )
        return {**({"patch_size": 14} if size == "huge" else {}), **given, **implied}

    @model_validator(mode="after")
    def _sizes_fit(self) -> "ModelConfig":
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        for name in ("", "decoder_"):
            width, heads = getattr(self, f"{name}width"), getattr(self, f"{name}heads")
            if width % 4 or width % heads:
                raise ValueError(f"{name}width {width} must be divisible by 4 and by {name}heads {heads}")
        if self.kept < 1:
            raise ValueError(f"mask_ratio {self.mask_ratio} leaves none of {self.patches} patches visible")
        return self

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2

    @property
    def kept(self) -> int:
        """How many patches stay visible: ⌊N·(1−r)⌋ (the epsilon mends 0.1·10 = 0.999…)."""
        return int(self.patches * (1 - self.mask_ratio) + 1e-9)

    def architecture(self) -> dict[str, Any]:
        """Keyword arguments of timm's VisionTransformer for the encoder."""
        return {
            "img_size": self.image_size,
            "patch_size": self.patch_size,
            "embed_dim": self.width,
            "depth": self.depth,
            "num_heads": self.heads,
            "mlp_ratio": self.mlp_ratio,
            **({"pre_norm": True, "act_layer": "quick_gelu"} if self.variant == "clip" else {}),
        }


@dataclass(frozen=True)
class Encoded:
    """Tokens [B, 1 + K, width] after the final norm (class token first) and the mask they were made under."""

    tokens: Tensor
    kept: Tensor
    masked: Tensor


class MaskedAutoencoder(nn.Module):
    """Encoder, decoder and the patches between them. All images are normalised floats [B, 3, S, S]."""

    decoder_positions: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk: Any = build_trunk(config.architecture(), positions="sincos2d")
        width, rows = config.decoder_width, config.image_size // config.patch_size
        self.decoder_embed = nn.Linear(config.width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("decoder_positions", sincos_positions(width, rows, rows), persistent=False)
        self.decoder_blocks = nn.ModuleList(
            # eps as in timm's VisionTransformer and MAE
            Block(
                width,
                config.decoder_heads,
                config.mlp_ratio,
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),  # pyright: ignore[reportArgumentType]
            )
            for _ in range(config.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_head = nn.Linear(width, 3 * config.patch_size**2)
        self._initialise()

    def _initialise(self) -> None:
        """As in MAE: Xavier for linear layers and the patch projection, normal(0.02) for tokens."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        projection = self.trunk.patch_embed.proj.weight
        nn.init.xavier_uniform_(projection.view(projection.shape[0], -1))
        nn.init.normal_(self.trunk.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def patchify(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] → [B, N, 3·p·p]; patches row by row, channels first within a patch."""
        batch, side, size = len(images), self.config.image_size, self.config.patch_size
        count = side // size
        grid = images.reshape(batch, 3, count, size, count, size)
        return grid.permute(0, 2, 4, 1, 3, 5).reshape(batch, count * count, 3 * size * size)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """The inverse of `patchify`: [B, N, 3·p·p] → [B, 3, S, S]."""
        side, size = self.config.image_size, self.config.patch_size
        count = side // size
        grid = patches.reshape(len(patches), count, count, 3, size, size)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(len(patches), 3, side, side)

    def encode(self, images: Tensor, seeds: Tensor, salt: int = SCENE_SALT) -> Encoded:
        """Mask by `seeds` (int64 [B]) and encode what stays visible."""
        kept, masked = random_masks(seeds, self.config.patches, self.config.kept, salt)
        patches = take(self.patchify(images), kept)
        projection = self.trunk.patch_embed.proj
        # the strided convolution of a patch is this product, and only on the patches that are left
        tokens = linear(patches, projection.weight.flatten(1), projection.bias)
        positions = self.trunk.pos_embed
        tokens = tokens + positions[0, 1:][kept]
        first = (self.trunk.cls_token + positions[:, :1]).expand(len(images), -1, -1)
        tokens = self.trunk.norm_pre(torch.cat([first.to(tokens.dtype), tokens], dim=1))
        for block in self.trunk.blocks:
            tokens = block(tokens)
        return Encoded(self.trunk.norm(tokens), kept, masked)

    def class_features(self, encoded: Encoded) -> Tensor:
        """The class token as the decoder is given it, [B, decoder_width] (α and β in the paper)."""
        return self.decoder_embed(encoded.tokens[:, 0])

    def decode(self, encoded: Encoded) -> Tensor:
        """Predictions for every patch, hidden or not, [B, N, 3·p·p]."""
        visible = self.decoder_embed(encoded.tokens)
        batch, _, width = visible.shape
        places = self.mask_token.to(visible.dtype).expand(batch, self.config.patches, width)
        places = places.scatter(1, encoded.kept[..., None].expand(-1, -1, width), visible[:, 1:])
        tokens = torch.cat([visible[:, :1], places], dim=1) + self.decoder_positions
        for block in self.decoder_blocks:
            tokens = block(tokens)
        predicted = self.decoder_head(self.decoder_norm(tokens))
        if self.config.predicts == "token":
            return predicted[:, :1].expand(-1, self.config.patches, -1)
        return predicted[:, 1:]  # without the class token

    @property
    def pooled_width(self) -> int:
        return self.config.width * (1 + (self.config.pooling == "token+mean"))

    def pool(self, encoded: Encoded) -> Tensor:
        """The feature that a release gives, here of the visible patches: [B, pooled_width]."""
        token, mean = encoded.tokens[:, 0], encoded.tokens[:, 1:].mean(dim=1)
        parts = {"token": [token], "mean": [mean], "token+mean": [token, mean]}[self.config.pooling]
        return torch.cat(parts, dim=-1)

    def target(self, images: Tensor) -> Tensor:
        """What `decode` ought to predict, [B, N, 3·p·p]: the pixels, per-patch normalised where asked."""
        patches = self.patchify(images)
        if not self.config.normalise_pixels:
            return patches
        variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        return (patches - mean) / (variance + 1e-6).sqrt()

    def no_weight_decay(self) -> set[str]:
        return {"mask_token", "trunk.cls_token", "trunk.pos_embed"}


def take(patches: Tensor, indices: Tensor) -> Tensor:
    """Rows `indices` [B, K] of `patches` [B, N, D] → [B, K, D]."""
    return patches.gather(1, indices[..., None].expand(-1, -1, patches.shape[-1]))
