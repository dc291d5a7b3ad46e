"""Random masks that depend on the sample and the epoch only.

A mask is a function of the sample's own 64-bit seed (itself a hash of run seed, epoch and sample index), so
the same sample gets the same mask on any rank, in any batch, after any restart.
"""

import torch
from torch import Tensor

SCENE_SALT = 0x5CE7E
PERSON_SALT = 0x9E450

_32_BITS = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # odd, so patch index -> index·_GOLDEN mod 2^32 hits no value twice


def mix(value: Tensor) -> Tensor:
    """A bijective hash of 32-bit integers held in int64 (multipliers below 2^31: no overflow anywhere)."""
    value = value ^ (value >> 16)
    value = (value * 0x21F0AAAD) & _32_BITS
    value = value ^ (value >> 15)
    value = (value * 0x735A2D97) & _32_BITS
    return value ^ (value >> 15)


def hashed_noise(seeds: Tensor, count: int, salt: int) -> Tensor:
    """int64 seeds [B] → int64 [B, count] in [0, 2^32), all different within a row."""
    state = mix((seeds & _32_BITS) ^ salt)
    state = mix(state ^ ((seeds >> 32) & _32_BITS))
    index = torch.arange(count, device=seeds.device) * _GOLDEN
    return mix((state[:, None] + index[None]) & _32_BITS)


def random_masks(seeds: Tensor, patches: int, keep: int, salt: int = SCENE_SALT) -> tuple[Tensor, Tensor]:
    """Which patches each sample keeps.

    int64 seeds [B] → (kept: int64 [B, keep], the indices of the visible patches in ascending order;
    masked: bool [B, patches], True where a patch is hidden). Every subset of size `keep` is equally likely.
    """
    order = hashed_noise(seeds, patches, salt).argsort(dim=1)
    kept = order[:, :keep].sort(dim=1).values
    masked = torch.ones(len(seeds), patches, dtype=torch.bool, device=seeds.device)
    return kept, masked.scatter(1, kept, False)
