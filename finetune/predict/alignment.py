"""Faces brought upright: five points moved onto a template by a similarity (rotation, one scale, shift)."""

import numpy as np
from torch import Tensor

from ...datasets.stream.transforms import Interpolation
from ..augmentation import warp_region

# The five points of a frontal face in a square of 112 pixels to which ArcFace (Deng et al. 2019) aligned its
# crops: the eyes, the nose, the corners of the mouth, each from left to right in the picture.
TEMPLATE_SIDE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
COINCIDE = 1e-3  # pixels; points no further apart than this have no direction


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that bring points [N, 2] closest to others in the least-squares sense.

    Closed form of Umeyama 1991, mirroring excluded. Returns float64 [2, 3]: target ≈ source · M[:, :2]ᵀ +
    M[:, 2]. Raises ValueError where the points are not finite or coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if not np.isfinite([source, target]).all():
        raise ValueError("a point is not finite")
    centre, aim = source.mean(0), target.mean(0)
    from_centre, from_aim = source - centre, target - aim
    spread = (from_centre**2).sum() / len(source)
    if spread < COINCIDE**2:
        raise ValueError("the points coincide")
    left, lengths, right = np.linalg.svd(from_aim.T @ from_centre / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = left @ np.diag(signs) @ right
    linear = turn * (lengths @ signs) / spread
    return np.column_stack([linear, aim - linear @ centre])


def align(
    image: Tensor, landmarks: np.ndarray, size: int, margin: float, interpolation: Interpolation
) -> Tensor:
    """The face with `landmarks` [5, 2] in uint8 [3, H, W], upright, as [3, size, size].

    margin: room around ArcFace's square as a share of its side, on each side. Beyond the image is its mirror
    image. Raises ValueError where the points coincide or the face's middle lies outside.
    """
    shown = TEMPLATE_SIDE * (1 + 2 * margin)
    target = (TEMPLATE - TEMPLATE_SIDE / 2) / shown  # (0, 0) is the centre of the crop and ±½ its edges
    to_image = np.linalg.inv(np.vstack([similarity(landmarks, target), [0, 0, 1]]))
    side = max(1, round(np.hypot(*to_image[:2, 0])))
    left, top = (round(value - side / 2) for value in to_image[:2, 2])
    if not (0 <= to_image[0, 2] <= image.shape[2] and 0 <= to_image[1, 2] <= image.shape[1]):
        raise ValueError("the middle of the face lies outside the image")
    in_region = np.array([[1, 0, -left - side / 2], [0, 1, -top - side / 2], [0, 0, side]]) / side
    return warp_region(image, (top, left, side, side), in_region @ to_image, size, interpolation, fast=False)


def turned(landmarks: np.ndarray) -> float:
    """How far a face [5, 2] is turned to a side: the nose's distance from the middle of the eyes, along the
    line of the eyes, over the eyes' distance. 0 is frontal; infinite where the eyes coincide. No angle."""
    right, left, nose = np.asarray(landmarks, np.float64)[:3]
    across = left - right
    distance = np.linalg.norm(across)
    return float(abs((nose - (left + right) / 2) @ across) / distance**2) if distance > COINCIDE else np.inf
