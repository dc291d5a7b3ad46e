"""Which face of a frame is which face of the frame before, by where it is."""

from collections.abc import Sequence

Box = Sequence[float]
OVERLAP = 0.3  # intersection over union below which two boxes are two faces; our choice
PATIENCE = 1.0  # seconds for which a face may be unseen; at the least until the next frame


class Tracker:
    """Numbers faces of one video: the pairs of boxes that overlap most, in turn, are the same face.

    It looks at boxes only. It is no recognition: a face that was gone for longer, a cut, or two faces that
    change places give a new number or a wrong one; between frames far apart in time so does any movement.
    What it holds does not grow with the video.
    """

    def __init__(self) -> None:
        self.count = 0
        self.live: dict[int, tuple[Box, float, int]] = {}  # track → box, time and look at which it was seen
        self.look = 0

    def __call__(self, boxes: Sequence[Box], time: float) -> list[int]:
        """The numbers of the boxes (x1, y1, x2, y2) of the next frame, from 1."""
        self.look += 1
        self.live = {
            track: seen
            for track, seen in self.live.items()
            if seen[2] == self.look - 1 or time - seen[1] <= PATIENCE
        }
        pairs = sorted(
            (
                (overlap(box, seen[0]), -track, place)
                for place, box in enumerate(boxes)
                for track, seen in self.live.items()
            ),
            reverse=True,
        )
        found: dict[int, int] = {}
        for share, negative, place in pairs:
            if share >= OVERLAP and place not in found and -negative not in found.values():
                found[place] = -negative
        for place, box in enumerate(boxes):
            if place not in found:
                self.count += 1
                found[place] = self.count
            self.live[found[place]] = (box, time, self.look)
        return [found[place] for place in range(len(boxes))]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes with areas above 0."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    inner = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return inner / (sum(areas) - inner)
