"""Errors weighed by how far apart two emotions lie on Mikels' wheel.

The order round the wheel is the one in the published code of two papers: Yang et al., CVPR 2021 ("A
circular-structured representation") and Zhao et al., NeurIPS 2024 ("To err like human").
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...datasets.taxonomy import LabelSpace, label_space
from .valence import polarities

WHEEL = ("amusement", "contentment", "awe", "excitement", "fear", "sadness", "disgust", "anger")
# Makes every error across polarity (5 to 8) farther than any within it (2 to 4).
POLARITY_STEPS = 3


@dataclass(frozen=True, slots=True)
class WheelScores:
    """How grave the errors are, with D the hierarchical distance of `wheel_distances`.

    ECC is an accuracy that forgives near misses: the mean of 1/D over all samples, in [1/8, 1]. EMC looks at
    the errors alone: the mean of 1/(D - 1), in [1/7, 1]. Higher is better (Zhao et al., NeurIPS 2024).
    `error_distance` is the mean of D over the errors, in [2, 8], lower is better (our choice).
    """

    ecc: float
    emc: float | None  # None: no errors
    error_distance: float | None


def wheel_distances(space: LabelSpace) -> Tensor:
    """Hierarchical distance of any two classes, int64 [C, C]: 1 + steps + 3 if the polarity differs.

    Steps are counted the shorter way round the wheel (0 to 4), so the diagonal is 1, errors within a polarity
    are 2 to 4 and errors across it 5 to 8 (Zhao et al., NeurIPS 2024, by their code; polarity: EmoSet's, as
    in the label map). Raises ValueError for a space with a class that is not on the wheel.
    """
    strangers = [name for name in space.names if name not in WHEEL]
    if strangers:
        raise ValueError(f"label space {space.name}: {strangers[0]} is not on Mikels' wheel")
    place = torch.tensor([WHEEL.index(name) for name in space.names])
    apart = (place[:, None] - place).abs()
    steps = torch.minimum(apart, len(WHEEL) - apart)
    mikels = label_space("mikels8")
    polarity = polarities(mikels)[[mikels.index(name) for name in space.names]]
    return 1 + steps + POLARITY_STEPS * (polarity[:, None] != polarity)


def wheel_scores(confusion: Tensor, distances: Tensor) -> WheelScores:
    """Scores of a confusion matrix [C, C] (rows: reference) under distances [C, C] with ones on the diagonal.

    Raises ValueError where the matrix is empty or the shapes differ.
    """
    if confusion.shape != distances.shape:
        raise ValueError(f"confusion: shape {list(confusion.shape)}, distances {list(distances.shape)}")
    counts, distances = confusion.double(), distances.double().to(confusion.device)
    if not counts.sum() > 0:
        raise ValueError("confusion: no samples")
    off = ~torch.eye(len(counts), dtype=torch.bool, device=counts.device)
    wrong, far = counts[off], distances[off]
    errors = wrong.sum()
    return WheelScores(
        ecc=float((counts / distances).sum() / counts.sum()),
        emc=float((wrong / (far - 1)).sum() / errors) if errors else None,
        error_distance=float((wrong * far).sum() / errors) if errors else None,
    )
