"""Paths to rows: frames are looked at one by one, what they show goes through the model in batches."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...datasets.sidecars.detectors import find_yunet, load_detector
from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ..art.predictor import art_predictor, attention_writer
from .annotate import check_annotation, open_annotation
from .config import FaceConfig, PredictConfig
from .loading import load_model, resolved
from .looks import Faces, Look, Pictures, check_person, shows_faces
from .networks import FEATURES
from .predictor import Predictor
from .rows import Row, answer
from .sources import Frame, check, frames_of
from .writers import check_places, open_writer

HELD = 64 * 2**20  # bytes of pixels that may wait for a batch to be full


@dataclass(frozen=True)
class Report:
    """How many frames were looked at, and how many rows have which status."""

    frames: int
    counts: Counter[str]
    note: str

    @property
    def ok(self) -> bool:
        """Every input could be read to its end, and the model had an answer to all of it."""
        return not (self.counts["failed"] or self.counts["unreadable"] or self.counts["incomplete"])

    @property
    def summary(self) -> str:
        """A line for people."""
        rows = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self.counts.items())
        return f"{self.frames:,} pictures or frames: {rows or 'nothing to predict'}\n{self.note}"


def predict(config: PredictConfig) -> Report:
    """Predict every path and write the rows as they come; nothing is held, so there may be any number.

    What cannot be read is a row, and the run goes on. Raises UserError, before anything is written, for what
    is wrong with the model, the detector, the options or a path that does not exist.
    """
    check(config.paths)
    check_places(config)
    check_annotation(config)
    config = config.model_copy(update={"checkpoint": resolved(config.checkpoint)})
    predictor: Any = art_predictor(config) or load_model(
        config.checkpoint, config.device, config.precision, config.batch_size, config.backend
    )
    if not predictor.heads:
        raise UserError(f"{config.checkpoint}: an encoder without heads; fine-tune it first (vemo finetune)")
    look, note = look_of(predictor, config.faces, config.face)
    counts: Counter[str] = Counter()
    frames = 0
    with ExitStack() as stack:
        write, shown = stack.enter_context(open_writer(config, predictor.heads))
        draw = stack.enter_context(open_annotation(config)) if config.annotate else None
        overlay = attention_writer(predictor, config.attention) if config.attention else None
        keep = draw is not None or overlay is not None
        progress = stack.enter_context(Progress("predict", unit="frames", enabled=not shown))
        found = results(frames_of(config.paths, config.every), look, predictor, config.abstain, keep=keep)
        for frame, rows in found:
            for row in rows:
                write(row)
                counts[row.status] += 1
            if draw is not None and frame.image is not None:
                draw(frame, rows)
            if overlay is not None and frame.image is not None:
                overlay(frame, rows)
            frames += frame.reason is None
            progress.update(frame.reason is None)
    return Report(frames, counts, "; ".join(filter(None, (note, getattr(predictor, "note", "")))))


def results(
    frames: Iterable[Frame],
    look: Look,
    predictor: Predictor,
    abstain: float = 0.0,
    keep: bool = False,
    features: bool = False,
) -> Iterator[tuple[Frame, list[Row]]]:
    """Each frame with its rows, in order; with `keep` the frame still has its image, with `features` a row
    has what the heads were given.

    What is shown to the model is collected over frames until a batch is full, or about 64 MB of pixels wait.
    """
    waiting: list[tuple[Frame, list[Row], list[Tensor]]] = []
    held = crops_waiting = 0
    for frame in frames:
        if frame.image is None:
            status = "incomplete" if frame.rest else "unreadable"
            rows, crops = [Row(frame.path, frame.number, frame.time, status, frame.reason)], []
        else:
            rows, crops = look(frame)
            held += frame.image.numel() if keep else 0
        waiting.append((frame if keep else replace(frame, image=None), rows, crops))
        crops_waiting += len(crops)
        full = max(crops_waiting, len(waiting)) >= predictor.batch_size or held >= HELD
        if full or frame.live:
            yield from _answered(waiting, predictor, abstain, features)
            waiting, held, crops_waiting = [], 0, 0
    yield from _answered(waiting, predictor, abstain, features)


def _answered(
    waiting: list[tuple[Frame, list[Row], list[Tensor]]], predictor: Predictor, abstain: float, features: bool
) -> Iterator[tuple[Frame, list[Row]]]:
    said = predictor([crop for _, _, crops in waiting for crop in crops])
    place = 0
    for frame, rows, _ in waiting:
        for row in rows:
            if row.status == "ok":
                found = {name: said[name][place] for name in predictor.heads}
                if silent := [name for name, each in found.items() if not _is_number(each)]:
                    row.status, row.reason = "failed", f"heads.{', '.join(silent)}: the model gives no number"
                else:
                    row.said = {
                        name: answer(found[name], head, abstain) for name, head in predictor.heads.items()
                    }
                row.features = said[FEATURES][place] if features else None
                place += 1
        yield frame, rows


def _is_number(said: Any) -> bool:
    return not isinstance(said, Tensor) or bool(said.isfinite().all())


def look_of(predictor: Predictor, asked: bool | None, config: FaceConfig) -> tuple[Look, str]:
    """What the model is shown (asked: faces or not; None: as its labels say), and a line that says so.

    Raises UserError: faces, and no detector or a model that has no use for them.
    """
    faces, known = shows_faces(predictor)
    if asked is not None:
        faces, known = asked, "as asked"
    if not faces:
        person: Any = predictor.about["person"]
        note = f"whole pictures were shown to the model ({known})"
        if person != "none":
            note += f"; it was trained with person={person}, and no persons were looked for"
        return Pictures(predictor), note
    check_person(predictor)
    if (yunet := config.yunet or find_yunet()) is None:
        raise UserError(
            f"faces ({known}): give YuNet's ONNX file (--yunet FILE or VEMO_YUNET, see docs/predicting.md), "
            "or --no-faces where the pictures are faces already"
        )
    detector = load_detector(f"yunet:{yunet}")
    return Faces(predictor, detector, config), f"faces were shown to the model ({known})"
