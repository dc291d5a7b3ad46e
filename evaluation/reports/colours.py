"""Two colour maps as data, for values without and with a sign.

Our own choice of colours: anchors at even steps of OKLab lightness (Ottosson 2020), so that equal differences
look about equal and the maps still read in greyscale (the signed one as a distance from zero).
"""

import torch
from torch import Tensor

Anchors = tuple[tuple[int, int, int], ...]

# ink, blue, teal, green, straw: lightness 0.20 to 0.95
SEQUENTIAL: Anchors = (
    (20, 16, 48),
    (32, 36, 93),
    (9, 67, 130),
    (0, 104, 132),
    (13, 139, 133),
    (56, 173, 121),
    (148, 195, 95),
    (222, 213, 94),
    (254, 241, 161),
)
# blue below zero, paper at zero, red above: lightness 0.36, 0.965, 0.36
DIVERGING: Anchors = (
    (29, 55, 123),
    (25, 93, 170),
    (56, 135, 195),
    (118, 173, 211),
    (180, 209, 227),
    (245, 243, 240),
    (229, 197, 172),
    (216, 147, 108),
    (201, 91, 51),
    (165, 44, 31),
    (114, 16, 31),
)
NOT_A_NUMBER = (128, 128, 128)  # in neither map


def colour(values: Tensor, anchors: Anchors, low: float, high: float) -> Tensor:
    """Values of any shape → uint8 [..., 3]: `low` and below are the first anchor, `high` and above the last.

    Between anchors linear in sRGB. What is not a number (a run that diverged) is grey.
    """
    values = values.detach().float().cpu()
    table = torch.tensor(anchors, dtype=torch.float32)
    place = ((values - low) / max(high - low, 1e-12)).clamp(0, 1).nan_to_num(0) * (len(table) - 1)
    before = place.floor().long().clamp(max=len(table) - 2)
    found = torch.lerp(table[before], table[before + 1], (place - before)[..., None])
    found[values.isnan()] = torch.tensor(NOT_A_NUMBER, dtype=torch.float32)
    return found.round().to(torch.uint8)


def extent(*values: Tensor) -> tuple[float, float]:
    """Lowest and highest number among `values`; (0, 1) where there is none."""
    numbers = torch.cat([each.detach().float().flatten().cpu() for each in values])
    numbers = numbers[numbers.isfinite()]
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
