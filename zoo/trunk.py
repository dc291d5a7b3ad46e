"""The vision transformer that pretraining trains and releases describe: timm's own, with fixed positions."""

from typing import Any, Literal

import torch
from timm.models import VisionTransformer

Positions = Literal["learned", "sincos2d"]
Size = Literal["tiny", "small", "base", "large", "huge"]

# (width, depth, heads): ViT-T, S (DeiT), B, L, H (Dosovitskiy et al. 2021), as timm names them
SIZES: dict[str, tuple[int, int, int]] = {
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
    "huge": (1280, 32, 16),
}


def size_of(width: int, depth: int, heads: int) -> str | None:
    """The name of the standard size with these numbers; None where there is none."""
    return next((name for name, numbers in SIZES.items() if numbers == (width, depth, heads)), None)


def sincos_positions(width: int, rows: int, columns: int, prefix: int = 1) -> torch.Tensor:
    """Fixed 2-D sin-cos position embedding, [1, prefix + rows·columns, width] (MAE; Vaswani et al. per axis).

    The first half of the channels encodes the column, the second half the row, each as the sines followed by
    the cosines of position / 10000^(k / (width/4)). Prefix tokens (CLS) get zeros. `width` must be divisible
    by 4.
    """
    if width % 4:
        raise ValueError(f"2-D sin-cos positions need a width divisible by 4, got {width}")
    frequencies = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))

    def encode(positions: torch.Tensor) -> torch.Tensor:
        angles = positions[:, None] * frequencies[None]
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    row = torch.arange(rows, dtype=torch.float64).repeat_interleave(columns)
    column = torch.arange(columns, dtype=torch.float64).repeat(rows)
    grid = torch.cat([encode(column), encode(row)], dim=1)
    return torch.cat([torch.zeros(prefix, width, dtype=torch.float64), grid])[None].float()


def build_trunk(arguments: dict[str, Any], positions: Positions = "learned") -> VisionTransformer:
    """A timm `VisionTransformer(**arguments)` without a head; `sincos2d` fills and freezes its `pos_embed`.

    The positions stay an ordinary entry of the state dict, so a trunk's weights load into plain timm models.
    """
    trunk = VisionTransformer(**{"num_classes": 0, **arguments})
    if positions == "sincos2d":
        assert trunk.pos_embed is not None  # timm's type allows for models without
        rows, columns = trunk.patch_embed.grid_size
        table = sincos_positions(trunk.embed_dim, rows, columns, trunk.num_prefix_tokens)
        with torch.no_grad():
            trunk.pos_embed.copy_(table)
        trunk.pos_embed.requires_grad_(False)
    return trunk
