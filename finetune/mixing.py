"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) on a batch, for heads whose targets may be absent.

λ, its correction and the box are timm's (`timm.data.mixup`, mode "batch": one of each a batch). Its class is
not used: it takes one head's class numbers, draws from numpy's global generator and changes its input;
torchvision's takes one label tensor. Pairs are our choice. timm pairs sample i with B − 1 − i; in a batch in
which two datasets alternate, every sample of one would get one of the other. Here partners are a random
permutation of the samples that have targets for the same heads: else a head would lose the pairs of which
one has none, or be told that a half unknown mixture is wholly what is known of it.

Label smoothing is the heads' (`finetune.emotion`): before mixing or after it, the result is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import Beta

from ..foundation.config import Config

Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels


class MixingConfig(Config):
    """Which batches are mixed and how. The defaults are the released recipe (spec §2.11)."""

    mixup: float = Field(default=0.8, ge=0, description="α of mixup's λ ~ Beta(α, α); 0: no mixup")
    cutmix: float = Field(default=1.0, ge=0, description="α of cutmix's λ ~ Beta(α, α); 0: no cutmix")
    probability: float = Field(default=1.0, ge=0, le=1, description="Of a batch to be mixed at all")
    switch: float = Field(default=0.5, ge=0, le=1, description="Probability of cutmix, where both are on")


SoftTarget = tuple[Tensor, Tensor]
"""What one head should say of a batch, `Head.soft_targets`: float [B, C], and bool [B] or [B, C]: where it is
known."""


@dataclass(frozen=True)
class Mixing:
    """One way to mix a batch; apply it to all that belongs together.

    share: λ, how much of itself a sample keeps; the rest is its partner's. box: what cutmix takes from the
    partner; None for mixup. partners: int64 [B], a permutation.
    """

    share: float
    box: Box | None
    partners: Tensor

    def images(self, images: Tensor) -> Tensor:
        """[B, C, H, W], mixed: a new tensor of the same dtype; uint8 is rounded."""
        if self.box is not None:
            top, left, bottom, right = self.box
            mixed = images.clone()
            mixed[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right][self.partners]
            return mixed
        if images.is_floating_point():
            return images.lerp(images[self.partners], 1 - self.share)
        values = images.float()
        return values.lerp(values[self.partners], 1 - self.share).round().to(images.dtype)

    def target(self, target: SoftTarget) -> SoftTarget:
        """λ of a sample's own values and 1 − λ of its partner's; absent, and NaN, where either is absent."""
        values, known = target
        known = known & known[self.partners]
        mixed = values.lerp(values[self.partners], 1 - self.share)
        there = known if known.dim() == values.dim() else known[:, None]
        return mixed.masked_fill(~there, torch.nan), known


def mix(
    images: Tensor,
    targets: Sequence[SoftTarget],
    config: MixingConfig,
    training: bool,
    alike: Sequence[Tensor] = (),
) -> tuple[Tensor, list[SoftTarget]]:
    """A batch mixed by one `Mixing`: images [B, C, H, W], uint8 or float, and the targets of every head.

    Several views of a sample are more channels, so that all are mixed alike. `alike`: bool [B] each, in which
    partners agree beside the targets, such as `has_person`. Nothing is changed in place. Where `training` is
    false or chance will have it, all comes back as it is.
    """
    known = [known for _, known in targets]
    mixing = draw_mixing(config, images, [*known, *alike]) if training else None
    if mixing is None:
        return images, list(targets)
    return mixing.images(images), [mixing.target(target) for target in targets]


def draw_mixing(config: MixingConfig, images: Tensor, known: Sequence[Tensor]) -> Mixing | None:
    """How to mix this batch, from torch's global CPU generator; None: not at all.

    Args:
        images: [B, C, H, W]; only its shape and device matter.
        known: bool [B] or [B, C] each: partners agree in which of these have anything that is true. Where a
            person's crop is mixed too, `has_person` belongs here. A sample that is alone of its kind is its
            own partner.
    """
    chance, kind, down, across = torch.rand(4, dtype=torch.float64, device="cpu").tolist()
    if chance >= config.probability or config.mixup == config.cutmix == 0:
        return None
    partners = draw_partners(len(images), known, images.device)
    if config.cutmix == 0 or (config.mixup > 0 and kind >= config.switch):
        return Mixing(_beta(config.mixup), None, partners)
    height, width = images.shape[-2:]
    box = cutmix_box(height, width, _beta(config.cutmix), int(down * height), int(across * width))
    top, left, bottom, right = box
    return Mixing(1 - (bottom - top) * (right - left) / (height * width), box, partners)


def _beta(alpha: float) -> float:
    both = torch.tensor(alpha, dtype=torch.float64, device="cpu")
    return float(Beta(both, both).sample())


def cutmix_box(height: int, width: int, share: float, row: int, column: int) -> Box:
    """The box about (row, column) whose sides are √(1 − λ) of the image's, clipped to it."""
    ratio = (1 - share) ** 0.5
    tall, wide = int(height * ratio), int(width * ratio)
    return (
        max(row - tall // 2, 0),
        max(column - wide // 2, 0),
        min(row + (tall + 1) // 2, height),
        min(column + (wide + 1) // 2, width),
    )


def draw_partners(count: int, known: Sequence[Tensor], device: torch.device) -> Tensor:
    """A random permutation, int64 [B], whose cycles are the samples that `known` does not tell apart, so that
    only a sample without its like is its own partner.

    Nothing waits for the device.
    """
    kind = torch.zeros(count, dtype=torch.int64, device=device)
    for each in known:
        kind = 2 * kind + each.reshape(count, -1).any(dim=1)
    order = torch.randperm(count, device="cpu").to(device)
    order = order[kind[order].argsort(stable=True)]
    kind = kind[order]
    following = torch.arange(1, count + 1, device=device)
    first, end = torch.searchsorted(kind, kind), torch.searchsorted(kind, kind, right=True)
    following = torch.where(following < end, following, first)
    return torch.empty_like(order).scatter_(0, order, order[following])
