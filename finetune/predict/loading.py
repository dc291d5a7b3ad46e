"""A folder with `model.json` and `model.safetensors`, as `vemo finetune` leaves it, made usable again.

Nothing of the training data is needed. What model.json says and this version does not know is refused: a
model that is built a little differently from how it was trained would give numbers all the same.
"""

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from ...foundation.errors import UserError
from ...zoo import Encoder, ReleaseDescription, build_trunk, load_encoder
from ...zoo.release import read_tensors
from ..emotion import ContextConfig, ContextFusion, Head, HeadConfig, build_head
from ..fer import SqueezeConfig
from ..outcome import ABOUT, WEIGHTS
from ..task import FinetuneTask
from .predictor import Predictor

FORMAT = 1
USED = {"encoder", "image_size", "person", "context", "squeeze", "heads", "view", "crop_fraction", "scores"}
OF_TIMM = {"name", "source", "file", "licence", "random", "arguments"}  # what describes an encoder of timm's
# How it was trained and what that gave: of no influence on what the weights say.
OF_TRAINING = {"data", "train", "lora", "drop_path", "mixing", "evaluation", "chosen", "seed", "environment"}
OF_TRAINING |= {"without_person", "licence", "format", "weights_sha256"}


def load_model(
    folder: Path | str, device: str = "auto", precision: str = "fp32", batch_size: int = 32
) -> Predictor:
    """The model in `folder` (of a fine-tuning run, or its `model/`), ready to predict.

    A head's temperature is applied where its calibration found one. Raises UserError for a folder that is no
    model, is damaged (sha256), or was made by a version that says what this one does not know.
    """
    folder = _model_folder(Path(folder).expanduser())
    about = _read(folder / ABOUT)
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
    return Predictor(
        task.eval().requires_grad_(False).to(chosen_device(device)),
        temperatures=temperatures_of(about),
        crop_fraction=crop_fraction,
        interpolation=interpolation,
        precision=precision,
        batch_size=batch_size,
        about=about,
    )


def _model_folder(folder: Path) -> Path:
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
