"""What an encoder has to beat without looking at shapes: the colours of an image, and luck."""

import torch
from torch import Tensor, nn


class ColourStatistics(nn.Module):
    """What can be known of an image without looking where anything is.

    Mean and standard deviation of each channel, and a joint RGB histogram of `bins`³ cells (square roots of
    shares, so that rare colours are not drowned): 6 + bins³ numbers. No spatial layout enters: shuffling the
    pixels changes nothing. Our choice of statistics.
    """

    def __init__(self, bins: int = 4) -> None:
        super().__init__()
        self.bins = bins
        self.width = 6 + bins**3

    def extra_repr(self) -> str:
        return f"bins={self.bins}"

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] → float32 [B, 6 + bins³], each number in [0, 1]."""
        pixels = images.flatten(2)
        values = pixels.float() / 255
        level = pixels.long() * self.bins // 256
        cell = (level[:, 0] * self.bins + level[:, 1]) * self.bins + level[:, 2]
        counts = torch.zeros(len(images), self.bins**3, device=images.device)
        counts.scatter_add_(1, cell, torch.ones_like(cell, dtype=counts.dtype))
        histogram = (counts / max(cell.shape[1], 1)).sqrt()
        return torch.cat([values.mean(2), values.std(2, correction=0), histogram], dim=1)


def majority(labels: Tensor, count: int) -> Tensor:
    """`count` times the class that is most frequent in `labels` (the first of equals)."""
    return torch.bincount(labels).argmax().expand(count).clone()
