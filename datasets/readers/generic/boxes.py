"""Boxes as datasets give them, made to fit the images they were drawn on."""

from collections.abc import Sequence

from ..base import SampleError
from .mapped import stored_size


def boxes_inside(boxes: Sequence[Sequence[float]], image: bytes, where: str) -> list[list[float]]:
    """The part of every box [x1, y1, x2, y2], in pixels, that lies in the image whose file this is.

    Raises SampleError where nothing of one does, its sides are not four or in the wrong order, or the image
    has no header.
    """
    size = stored_size(image)
    if size is None:
        raise SampleError("undecodable_image", f"{where}: its header cannot be read")
    width, height = size
    found = []
    for box in boxes:
        if len(box) != 4:
            raise SampleError("bad_annotation", f"{where}: a box has four sides, got {list(box)}")
        x1, y1, x2, y2 = box
        inside = [max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))]
        if not (inside[0] < inside[2] and inside[1] < inside[3]):
            detail = f"{where}: nothing of the box {[x1, y1, x2, y2]} lies in {width} × {height} pixels"
            raise SampleError("bad_annotation", detail)
        found.append(inside)
    return found
