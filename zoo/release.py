"""A released encoder on disk: `encoder.safetensors` and `encoder.json`, nothing pickled.

The JSON alone says how to build the model, how to feed it, what it was trained on and under which licence;
it is written last, with the sha256 of the weights, so a folder with an `encoder.json` is a whole release.
Beside it lies timm's own `config.json`: `timm.create_model("local-dir:FOLDER", pretrained=True)` needs
nothing of ours.
"""

import shutil
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm import is_model

from ..foundation.config import Config
from ..foundation.errors import UserError
from ..foundation.files import fsync_folder, sha256_of, write_json
from .trunk import size_of

WEIGHTS_NAME = "encoder.safetensors"
DESCRIPTION_NAME = "encoder.json"
TIMM_NAME = "config.json"  # as timm and the Hugging Face hub call it
FORMAT = 1


class Architecture(Config):
    """A timm `VisionTransformer`: its keyword arguments, and whether its positions are fixed or learned."""

    arguments: dict[str, Any]
    positions: Literal["learned", "sincos2d"] = "learned"
    # what `Encoder` returns: the class token, the mean of the patch tokens, or both side by side
    pooling: Literal["token", "mean", "token+mean"] = "token"


class Preprocessing(Config):
    """RGB in [0, 1] minus `mean`, over `std`, at `image_size` pixels a side (resize, then centre crop)."""

    image_size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"


class ReleaseDescription(Config):
    """What `encoder.json` holds. `weights_sha256` and `parameters` are filled by `save_release`."""

    format: int = FORMAT
    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    training: dict[str, Any] = {}  # how it was made: method, epochs, teacher, objective, versions
    data: dict[str, Any] = {}  # what it was trained on: dataset, split, samples, fingerprint
    licence: str | None = None  # of the weights, as bound by their data
    label_space: str | None = None  # of a head in the same file; a bare encoder has none
    metrics: dict[str, Any] = {}
    parameters: int | None = None
    weights_sha256: str | None = None


def save_release(
    folder: Path, state_dict: dict[str, torch.Tensor], description: ReleaseDescription
) -> ReleaseDescription:
    """Write weights, timm's config, then the description; returns the last with size and hash filled."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION_NAME).unlink(missing_ok=True)  # while the weights change there is no release
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    part = folder / (WEIGHTS_NAME + ".part")
    save_file(tensors, part, metadata={"format": "pt"})
    part.replace(folder / WEIGHTS_NAME)
    fsync_folder(folder)
    filled = description.model_copy(
        update={
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
            "weights_sha256": sha256_of(folder / WEIGHTS_NAME),
        }
    )
    write_json(folder / TIMM_NAME, timm_config(filled))
    shutil.copymode(folder / TIMM_NAME, folder / WEIGHTS_NAME)  # safetensors would let nobody else read it
    write_json(folder / DESCRIPTION_NAME, filled.model_dump(mode="json"))
    return filled


def timm_config(description: ReleaseDescription) -> dict[str, Any]:
    """What timm needs to build, load and feed this encoder: its `config.json`.

    `token` and `mean` are timm's `token` and `avg`, after the norm in both (`fc_norm` off). timm has nothing
    like `token+mean`: such an encoder returns its tokens [B, 1 + N, width] there, to be pooled by hand.
    """
    arguments, preprocessing = description.architecture.arguments, description.preprocessing
    width, patch = arguments.get("embed_dim", 768), arguments.get("patch_size", 16)
    size = size_of(width, arguments.get("depth", 12), arguments.get("num_heads", 12))
    names = [f"vit_{size}_patch{pixels}_224" for pixels in (patch, 16, 14)]
    pool = {"token": "token", "mean": "avg", "token+mean": ""}[description.architecture.pooling]
    side = preprocessing.image_size
    return {
        # no more than a constructor where no registered model has these sizes: model_args override all of it
        "architecture": next((name for name in names if is_model(name)), "vit_base_patch16_224"),
        "num_classes": 0,
        "num_features": width,
        "global_pool": pool,
        "model_args": {
            "img_size": side,
            "patch_size": patch,
            **arguments,
            "global_pool": pool,
            "fc_norm": False,
        },
        "pretrained_cfg": {
            "tag": description.name,
            "input_size": [3, side, side],
            "fixed_input_size": True,
            "interpolation": preprocessing.interpolation,
            "crop_pct": 1.0,
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": 0,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
            "license": description.licence,
            "hf_hub_filename": WEIGHTS_NAME,
        },
    }


def read_description(folder: Path) -> ReleaseDescription:
    """The description of the release in `folder`; UserError where there is none or it cannot be read."""
    path = Path(folder) / DESCRIPTION_NAME
    if not path.is_file():
        raise UserError(f"{folder}: no {DESCRIPTION_NAME} here, so this is not a released encoder")
    try:
        description = ReleaseDescription.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: not a valid release description ({where}: {first['msg']})") from None
    if description.format != FORMAT:
        raise UserError(f"{path}: format {description.format} is not the one this version reads ({FORMAT})")
    return description


def read_release(folder: Path) -> tuple[ReleaseDescription, dict[str, torch.Tensor]]:
    """Description and weights of a release, its sha256 checked.

    Raises UserError for a missing file, a damaged file or a hash that differs.
    """
    description = read_description(folder)
    return description, read_tensors(Path(folder) / WEIGHTS_NAME, description.weights_sha256)


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, its hash checked where one is given; UserError if unreadable."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: weights must be a .safetensors file (pickled weights can run code)")
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise UserError(f"{path}: damaged: sha256 is {found}, its description says {sha256}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from None
