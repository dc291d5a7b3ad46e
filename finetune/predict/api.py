"""`vemo.load`: a model by its name or folder, for pictures that are files, PIL images, arrays or tensors."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ...foundation.errors import UserError
from ...zoo.release import DESCRIPTION_NAME
from ..art.predictor import art_predictor
from .config import FaceConfig, PredictConfig
from .loading import Backend, load_encoder_predictor, load_model, model_folder, resolved
from .networks import FEATURES
from .pictures import Picture, as_frame, is_path, listed
from .rows import Row, Status
from .run import look_of, results
from .sources import Frame, frames_of

CARD = "README.md"  # of a release


@dataclass(frozen=True, slots=True)
class Answer:
    """What one head says of a picture.

    values: one for each of `labels`, in order: probabilities, which sum to 1 but for a multilabel head, or
    (kind vad) values in [−1, 1]. label, confidence: the likeliest and its probability; None of vad.
    abstain: whether that is below the limit asked for; None where the head is not calibrated, whose
    confidence means little.
    """

    kind: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    label: str | None = None
    confidence: float | None = None
    abstain: bool | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """Label → probability (of vad: axis → value), in order."""
        return dict(zip(self.labels, self.values))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one picture, one frame of a video, or one face in it; or why it says nothing.

    image: the place of what was given, from 0. status: `ok`, or as in `rows.Status`, with a reason. path,
    frame, time, track, box, score, landmarks: as in `vemo predict`'s rows. heads: head → answer; empty unless
    `ok`. features: float32 [W], what the heads were given, where they were asked for.
    """

    image: int
    status: Status
    reason: str | None = None
    path: str | None = None
    frame: int | None = None
    time: float | None = None
    track: int | None = None
    box: tuple[float, ...] | None = None
    score: float | None = None
    landmarks: tuple[tuple[float, ...], ...] | None = None
    heads: dict[str, Answer] = field(default_factory=dict)
    features: Tensor | None = field(default=None, compare=False)

    @property
    def first(self) -> Answer | None:
        """The answer of the first head; None unless the status is `ok`."""
        return next(iter(self.heads.values()), None)

    @property
    def label(self) -> str | None:
        """The likeliest label of the first head."""
        return self.first.label if self.first else None

    @property
    def probabilities(self) -> dict[str, float]:
        """Label → probability of the first head, in order; empty unless the status is `ok`."""
        return self.first.probabilities if self.first else {}


class Model:
    """A loaded model. Threads may share one.

    Attributes:
        labels: head → its labels, in the order of `Answer.values`; empty: an encoder.
        card: the release's model card, as Markdown; of a model without one, what its JSON says, as YAML.
        about: that JSON.
        image_size: side in pixels of what the network sees.
    """

    def __init__(self, predictor: Any, card: str) -> None:
        self.predictor, self.card = predictor, card
        self.about: dict[str, Any] = predictor.about
        self.image_size: int = predictor.image_size
        self.labels = {name: tuple(head["classes"]) for name, head in predictor.heads.items()}

    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        faces: bool | None = None,
        abstain: float = 0.0,
        features: bool = False,
        every: float | None = 0.5,
        face: FaceConfig | None = None,
    ) -> list[Prediction]:
        """Predictions in the order of `images`: one a picture, or one for each face or each frame looked at.

        Args:
            images: one or any number, of any kinds mixed (see `Picture`).
            faces: look for faces and show the model each (`face` says where YuNet lies and which count);
                False: the middle square of the picture; None: as the model's labels say.
            abstain: below this confidence an answer of a calibrated head is marked.
            every: seconds between the frames of a video; None: all of them.

        What cannot be read is a prediction that says so. Raises UserError: an encoder, no face detector, or
        something that is no picture (the wrong type, shape or dtype).
        """
        if not self.labels:
            raise UserError("this model is an encoder without heads: it has .features(images) only")
        if features:
            self._check_features()
        look, _ = look_of(self.predictor, faces, face or FaceConfig())
        places: deque[int] = deque()
        found: list[Prediction] = []
        frames = _frames(listed(images), every, places)
        for _, rows in results(frames, look, self.predictor, abstain, features=features):
            place = places.popleft()
            found += [self._named(place, row) for row in rows]
        return found

    def features(self, images: Picture | Iterable[Picture]) -> Tensor:
        """float32 [N, W] of the middle square of each of N pictures, on the CPU: what the heads are given.

        Raises UserError for what cannot be read.
        """
        self._check_features()
        shown = []
        for place, each in enumerate(listed(images)):
            frame = as_frame(each, place)
            if frame.image is None:
                raise UserError(f"images[{place}]: {frame.reason}")
            shown.append(self.predictor.view(frame.image))
        return self.predictor(shown)[FEATURES]

    def _check_features(self) -> None:
        if FEATURES in self.labels or not hasattr(self.predictor, "network"):
            raise UserError("this model gives no features")

    def _named(self, place: int, row: Row) -> Prediction:
        calibrated = getattr(self.predictor, "temperatures", {})
        return Prediction(
            place,
            row.status,
            row.reason,
            row.path or None,
            row.frame,
            row.time,
            row.track,
            tuple(row.box) if row.box else None,
            row.score,
            tuple(map(tuple, row.landmarks)) if row.landmarks else None,
            {
                name: _answer(said, self.predictor.heads[name], name in calibrated)
                for name, said in row.said.items()
            },
            row.features,
        )


def load(
    name_or_folder: str | Path,
    device: str = "cpu",
    dtype: torch.dtype | str | None = None,
    *,
    batch_size: int = 32,
    backend: Backend = "auto",
) -> Model:
    """A model, ready to predict: `vemo.load("runs/fer").predict(["a.jpg", "b.jpg"])`.

    Args:
        name_or_folder: a name of `vemo checkpoints list` (downloaded if need be), the folder of a fine-tuning
            run or its `model/`, a released encoder, or a `.onnx` file of `vemo checkpoints export`.
        device: cpu, cuda, cuda:1, or auto: the GPU where there is one.
        dtype: torch.bfloat16 computes in bfloat16 where that is safe; None: float32.
        backend: onnx runs the folder's model.onnx by onnxruntime; auto does where it can, else torch.

    Raises UserError: nothing of this name, damaged, or not usable here.
    """
    path, precision = resolved(name_or_folder), _precision(dtype)
    released = next((each for each in (path, path / "release") if (each / DESCRIPTION_NAME).is_file()), None)
    if path.suffix == ".onnx":
        predictor: Any = load_model(path, device, precision, batch_size, "onnx")
        return Model(predictor, _card(path.parent, predictor.about))
    if released is not None:
        predictor = load_encoder_predictor(released, device, precision, batch_size)
        return Model(predictor, _card(released, predictor.about))
    asked = PredictConfig(
        paths=("-",), checkpoint=path, device=device, precision=precision, batch_size=batch_size
    )
    predictor = art_predictor(asked) or load_model(path, device, precision, batch_size, backend)
    release = path if (path / CARD).is_file() else model_folder(path)  # of art, model.json lies in model/
    return Model(predictor, _card(release, predictor.about))


def _frames(images: Iterable[Picture], every: float | None, places: deque[int]) -> Iterator[Frame]:
    """Each picture's frames; which picture each is of goes into `places`."""
    for place, each in enumerate(images):
        for frame in frames_of((str(each),), every) if is_path(each) else (as_frame(each, place),):
            places.append(place)
            yield frame


def _answer(said: dict[str, Any], head: dict[str, Any], calibrated: bool) -> Answer:
    if head["kind"] == "vad":
        return Answer("vad", tuple(said), tuple(said.values()))
    values = said["probabilities"]
    abstain = said["abstain"] if calibrated else None
    return Answer(
        head["kind"], tuple(values), tuple(values.values()), said["class"], said["confidence"], abstain
    )


def _precision(dtype: torch.dtype | str | None) -> Any:
    known = {None: "fp32", "float32": "fp32", "fp32": "fp32", "bfloat16": "bf16", "bf16": "bf16"}
    name = str(dtype).removeprefix("torch.") if dtype is not None else None
    if name not in known:
        raise UserError(f"dtype={dtype}: give torch.float32 or torch.bfloat16")
    return known[name]


def _card(folder: Path, about: dict[str, Any]) -> str:
    if (folder / CARD).is_file():
        return (folder / CARD).read_text(encoding="utf-8")
    return yaml.safe_dump(_plain(about), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
