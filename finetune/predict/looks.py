"""What of a frame the model is shown: the picture, or each face in it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ...datasets.sidecars.boxes import boxes_of
from ...datasets.stream.transforms import Interpolation
from ...foundation.errors import UserError
from .alignment import align, turned
from .config import FaceConfig
from .predictor import Predictor
from .rows import Row
from .sources import Frame
from .tracking import Tracker

Look = Callable[[Frame], tuple[list[Row], list[Tensor]]]
"""A frame with an image → its rows, and for each row with the status `ok`, in order, uint8 [3, S, S]."""
BLANK = 8  # grey levels between the darkest and the lightest value of a frame of one colour; our choice
BLANK_REASON = "the frame is of one colour"
_DETECTING = threading.Lock()  # OpenCV's detector is one object a process, and of one image at a time


class Pictures:
    """The whole picture."""

    def __init__(self, predictor: Predictor) -> None:
        self.view = predictor.view

    def __call__(self, frame: Frame) -> tuple[list[Row], list[Tensor]]:
        assert frame.image is not None
        if is_blank(frame.image):
            return [Row(frame.path, frame.number, frame.time, "blank", BLANK_REASON)], []
        return [Row(frame.path, frame.number, frame.time, "ok")], [self.view(frame.image)]


class Faces:
    """Each face that `detector` finds (as `datasets.sidecars.YuNet`), aligned; in videos tracked."""

    def __init__(self, predictor: Predictor, detector: Any, config: FaceConfig) -> None:
        self.detector, self.config = detector, config
        self.size = predictor.image_size
        self.interpolation: Interpolation = predictor.interpolation
        self.last, self.tracker = Frame(""), Tracker()

    def __call__(self, frame: Frame) -> tuple[list[Row], list[Tensor]]:
        assert frame.image is not None
        image, config = frame.image, self.config
        blank = is_blank(image)
        faces = [] if blank else self._found(image)
        seen, beyond = faces[: config.most], len(faces) - config.most
        tracks = self._tracks(frame, [face["box"] for face in seen])
        if not faces:
            reason = BLANK_REASON if blank else f"no detection of {config.score:g} or more"
            return [self._row(frame, "no_face", reason)], []
        rows, crops = [], []
        for face, track in zip(seen, tracks):
            crop, reason = self._aligned(image, face)
            row = self._row(frame, "ok" if crop is not None else "skipped", reason)
            row.track, row.box = track, face["box"]
            row.score, row.landmarks = face["score"], face["landmarks"]
            rows.append(row)
            crops += [] if crop is None else [crop]
        if beyond > 0:
            rows.append(self._row(frame, "skipped", f"{beyond} more faces, less sure; most={config.most}"))
        return rows, crops

    def _found(self, image: Tensor) -> list[dict[str, Any]]:
        with _DETECTING:
            found = self.detector(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        return boxes_of(found, tuple(image.shape[1:]), "", self.config.score, len(found))

    def _row(self, frame: Frame, status: Any, reason: str | None) -> Row:
        return Row(frame.path, frame.number, frame.time, status, reason)

    def _tracks(self, frame: Frame, boxes: list[list[float]]) -> list[int | None]:
        if frame.time is None or frame.number is None:
            return [None] * len(boxes)
        if frame.path != self.last.path or frame.number <= (self.last.number or 0):
            self.tracker = Tracker()
        self.last = replace(frame, image=None)
        return [*self.tracker(boxes, frame.time)]

    def _aligned(self, image: Tensor, face: dict[str, Any]) -> tuple[Tensor | None, str | None]:
        """The crop, or why there is none."""
        config, (x1, y1, x2, y2) = self.config, face["box"]
        landmarks = np.array(face["landmarks"])
        if (side := min(x2 - x1, y2 - y1)) < config.smallest:
            return None, f"{side:.0f} pixels; smallest={config.smallest:g}"
        if config.turn is not None and (turn := turned(landmarks)) > config.turn:
            return None, f"turned by {turn:.2f}; turn={config.turn:g}"
        try:
            return align(image, landmarks, self.size, config.margin, self.interpolation), None
        except ValueError as error:
            return None, str(error)


def is_blank(image: Tensor) -> bool:
    """Whether uint8 [3, H, W] is nearly of one colour: there is nothing to be seen on it."""
    return bool((image.amax((1, 2)).int() - image.amin((1, 2)).int()).max() <= BLANK)


def shows_faces(predictor: Predictor) -> tuple[bool, str]:
    """(whether the model was trained on faces, how that is known): by the label spaces of its heads, which
    model.json names; whether its pictures were faces it does not say."""
    spaces = [head["space"] for head in predictor.heads.values() if head["space"]]
    of_faces = [space for space in spaces if space.startswith("fer") or space in ("abaw8", "compound7")]
    return bool(of_faces), f"label space {(of_faces or spaces or ['vad'])[0]}"


def check_person(predictor: Predictor) -> None:
    """Raises UserError: a model of persons in scenes has no use for faces alone."""
    if (person := predictor.about["person"]) != "none":
        raise UserError(f"faces: this model was trained with person={person}; use --no-faces")
