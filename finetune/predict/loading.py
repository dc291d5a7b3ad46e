"""A folder with `model.json` and `model.safetensors`, as `vemo finetune` leaves it, made usable again.

Nothing of the training data is needed. What model.json says and this version does not know is refused: a
model that is built a little differently from how it was trained would give numbers all the same.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError

from ...datasets.stream.transforms import Interpolation
from ...foundation.errors import UserError
from ...zoo import Encoder, ReleaseDescription, build_trunk, load_encoder
from ...zoo.download import download
from ...zoo.registry import find, read_registry
from ...zoo.release import read_tensors
from ..emotion import ContextConfig, ContextFusion, Head, HeadConfig, build_head
from ..fer import SqueezeConfig
from ..outcome import ABOUT, WEIGHTS
from ..task import FinetuneTask
from .networks import OnnxNetwork, TorchNetwork
from .predictor import Predictor

Backend = Literal["auto", "torch", "onnx"]
FORMAT = 1
ONNX = "model.onnx"  # beside model.json, where `vemo checkpoints export` puts it
USED = {"encoder", "image_size", "person", "context", "squeeze", "heads", "view", "crop_fraction", "scores"}
OF_TIMM = {"name", "source", "file", "licence", "random", "arguments"}  # what describes an encoder of timm's
# How it was trained and what that gave: of no influence on what the weights say.
OF_TRAINING = {"data", "train", "lora", "drop_path", "mixing", "evaluation", "chosen", "seed", "environment"}
OF_TRAINING |= {"without_person", "licence", "format", "weights_sha256"}


def load_model(
    folder: Path | str,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int = 32,
    backend: Backend = "torch",
) -> Predictor:
    """The model in `folder` (of a fine-tuning run, or its `model/`), or in a `.onnx` file, ready to predict.

    A head's temperature is applied where its calibration found one. backend: onnx runs the `model.onnx` in
    the folder by onnxruntime; auto does so where it can (it is there, the device is the CPU, fp32) and else
    uses torch. Raises UserError for a folder that is no model, is damaged (sha256), or was made by a version
    that says what this one does not know; for an ONNX file of other weights, of which auto makes a note.
    """
    path = Path(folder).expanduser()
    if path.suffix == ".onnx":
        if backend == "torch":
            raise UserError(f"{path}: runs in onnxruntime; for torch give the model's folder")
        return _of_onnx(OnnxNetwork(path), batch_size)
    folder, note = model_folder(path), ""
    about = _read(folder / ABOUT)
    chosen = chosen_device(device)
    if backend == "auto" and (chosen.type != "cpu" or precision != "fp32" or not _runs_onnx(folder)):
        backend = "torch"
    if backend != "torch":
        if chosen.type != "cpu" or precision != "fp32":
            raise UserError("backend=onnx: runs on the CPU in fp32 only; use backend=torch")
        network = OnnxNetwork(folder / ONNX)
        if network.facts["weights_sha256"] == about["weights_sha256"]:
            return _of_onnx(network, batch_size)
        note = f"{folder / ONNX}: is of other weights than {WEIGHTS}; export it again"
        if backend == "onnx":
            raise UserError(note)
    task, crop_fraction, interpolation = load_task(folder, about)
    return Predictor(
        TorchNetwork(task.to(chosen), temperatures_of(about), precision),
        task.encoder.image_size,
        crop_fraction,
        interpolation,
        batch_size,
        about,
        note,
    )


def resolved(checkpoint: Path | str) -> Path:
    """A folder or file as it is; a name of the registry as its release's folder, fetched if need be.

    Raises UserError: neither, or it cannot be fetched.
    """
    path = Path(checkpoint).expanduser()
    if path.exists() or path.name != str(checkpoint) or path.suffix == ".onnx":
        return path
    if path.name not in read_registry():
        raise UserError(f"{checkpoint}: no such folder, and no such checkpoint (see `vemo checkpoints list`)")
    return download(find(path.name))


def _of_onnx(network: OnnxNetwork, batch_size: int) -> Predictor:
    facts = network.facts
    try:
        shown = facts["image_size"], facts["crop_fraction"], facts["interpolation"]
    except KeyError as error:
        raise UserError(f"an ONNX file that says nothing of {error}; export it again") from None
    return Predictor(network, *shown, batch_size, facts, "run by onnxruntime")


def _runs_onnx(folder: Path) -> bool:
    return (folder / ONNX).is_file() and find_spec("onnxruntime") is not None


def load_task(folder: Path, about: dict[str, Any]) -> tuple[FinetuneTask, float, Interpolation]:
    """The modules of a model folder on the CPU, frozen, in eval mode, its crop fraction and interpolation.

    Raises UserError: what `about` (its model.json) says cannot be built here, or the weights do not fit it.
    """
    try:
        task = _built(about)
        crop_fraction, interpolation = about["crop_fraction"], about["view"]["interpolation"]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{folder / ABOUT}: {where}: {first['msg']}; is it of a newer version?") from None
    except KeyError as error:
        raise UserError(f"{folder / ABOUT}: damaged: it says nothing of {error}") from None
    weights = read_tensors(folder / WEIGHTS, about["weights_sha256"])
    try:
        task.load_state_dict(weights)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise UserError(f"{folder}: the weights do not fit what {ABOUT} describes: {lines[:300]}") from None
    _check_classes(folder / ABOUT, about, task)
    return task.eval().requires_grad_(False), crop_fraction, interpolation


def load_encoder_predictor(
    folder: Path | str, device: str = "auto", precision: str = "fp32", batch_size: int = 32
) -> Predictor:
    """A released encoder as a model without heads, whose features can be asked for. Raises UserError."""
    encoder = load_encoder(folder)
    release = ReleaseDescription.model_validate(
        {key: value for key, value in encoder.description.items() if key != "random"}
    )
    task = FinetuneTask(encoder, {}).eval().requires_grad_(False).to(chosen_device(device))
    about = {**encoder.description, "person": "none"}
    interpolation: Any = release.preprocessing.interpolation
    network = TorchNetwork(task, {}, precision)
    return Predictor(network, encoder.image_size, 1.0, interpolation, batch_size, about)


def model_folder(folder: Path) -> Path:
    """Where the model.json of a run, or of its `model/`, lies. Raises UserError."""
    for place in (folder, folder / "model"):
        if (place / ABOUT).is_file():
            return place
    if (folder / "encoder.json").is_file():
        raise UserError(f"{folder}: an encoder without heads; fine-tune it first (vemo finetune)")
    raise UserError(
        f"{folder}: no {ABOUT} here; give the folder of a finished fine-tuning run, or its model/"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: damaged: not JSON ({error})") from None
    if not isinstance(about, dict) or "weights_sha256" not in about or "heads" not in about:
        raise UserError(f"{path}: not the description of a fine-tuned model")
    if about.get("format") != FORMAT:
        raise UserError(f"{path}: format {about.get('format')} is not the one this version reads ({FORMAT})")
    unknown = [key for key, value in about.items() if key not in USED | OF_TRAINING and value is not None]
    if unknown:
        raise UserError(f"{path}: says {', '.join(unknown)}, which this version of vemo does not know")
    return about


def _built(about: dict[str, Any]) -> FinetuneTask:
    encoder = _encoder(about["encoder"], about["image_size"])
    fusion = None
    if about["person"] == "crop_and_scene":
        fusion = ContextFusion(encoder.width, ContextConfig.model_validate(about["context"]))
    squeeze = SqueezeConfig.model_validate(about["squeeze"]) if about.get("squeeze") else None
    width = encoder.width if fusion is None else fusion.width
    read: TypeAdapter[HeadConfig] = TypeAdapter(HeadConfig)
    heads: dict[str, Head] = {
        name: build_head(name, read.validate_python(each), width) for name, each in about["heads"].items()
    }
    return FinetuneTask(encoder, heads, fusion=fusion, squeeze=squeeze)


def _encoder(description: dict[str, Any], image_size: int) -> Encoder:
    """The architecture that a release's or a timm encoder's description names, its weights still random."""
    if "architecture" not in description:
        if unknown := sorted(description.keys() - OF_TIMM):
            raise UserError(f"{ABOUT}: encoder: says {', '.join(unknown)}, which this version does not know")
        spec = f"timm:{description['name']}:{image_size}"
        return load_encoder(spec, random=True, arguments=description.get("arguments"))
    stated = {key: value for key, value in description.items() if key != "random"}
    release = ReleaseDescription.model_validate(stated)
    architecture, preprocessing = release.architecture, release.preprocessing
    try:
        trunk = build_trunk(architecture.arguments, architecture.positions)
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{ABOUT}: timm cannot build this architecture ({error})") from None
    return Encoder(
        trunk, image_size, preprocessing.mean, preprocessing.std, architecture.pooling, description
    )


def temperatures_of(about: dict[str, Any]) -> dict[str, float]:
    """Head → T, of those whose validation split identified one (see `evaluation.metrics.temperature`)."""
    found = {}
    for name, scores in about.get("scores", {}).items():
        temperature = (scores.get("calibration") or {}).get("temperature")
        if temperature and temperature["identified"]:
            found[name] = temperature["value"]
    return found


def _check_classes(path: Path, about: dict[str, Any], task: FinetuneTask) -> None:
    """The classes that were measured (those that occur) stand in the same order in this version's space."""
    for name, scores in about.get("scores", {}).items():
        measured, classes = list(scores.get("by_class", {})), list(task.heads[name].classes)
        if measured != [each for each in classes if each in measured]:
            raise UserError(
                f"{path}: heads.{name} was measured on {', '.join(measured)}; in this version its classes "
                f"are {', '.join(classes)}"
            )


def chosen_device(name: str) -> torch.device:
    """auto: the GPU where there is one. Raises UserError for a device that is none or not here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise UserError(f"device={name}: cannot be used here ({first}); try auto or cpu") from None
    return device
