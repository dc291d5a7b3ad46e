"""Encoders: uint8 images in, one feature vector each out; a release of ours or any timm model."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from timm.data import resolve_model_data_config
from torch import nn

from ..foundation.errors import UserError
from .release import DESCRIPTION_NAME, read_description, read_release, read_tensors
from .small_inputs import small_stem
from .trunk import build_trunk

SMALL_STEM = "small_stem"  # the one argument that is ours
SAID_ELSEWHERE = {"img_size": "image_size", "drop_path_rate": "drop_path", "pretrained": "random"}
TIMM_SPEC = re.compile(r"timm:(?P<name>[^@:]+)(?::(?P<size>\d+))?(?:@(?P<file>.+))?")


class Encoder(nn.Module):
    """A timm model, its preprocessing and its pooling, as one callable.

    `width` is the length of a feature, `image_size` the side in pixels it wants, `mean`/`std` its
    normalisation (RGB in [0, 1]), `description` a JSON-able record of what it is.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        model: nn.Module,
        image_size: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        pooling: Literal["token", "mean", "token+mean", "model"] = "model",
        description: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model: Any = model  # timm's interface: forward_features, forward_head, …
        self.image_size = image_size
        self.pooling = pooling
        self.description = description or {}
        features = int(self.model.num_features)
        self.width = features * 2 if pooling == "token+mean" else features
        if pooling == "model":  # some timm models end in a wider layer than their feature map
            self.width = int(getattr(model, "head_hidden_size", None) or features)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [B, 3, H, W] → float of the same shape, as the model wants it."""
        return (images.to(self.mean.dtype) / 255 - self.mean) / self.std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [B, 3, image_size, image_size] → features [B, width]. ValueError for another type or size."""
        expected = (3, self.image_size, self.image_size)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"expected uint8 images [B, 3, {self.image_size}, {self.image_size}], "
                f"got {images.dtype} {list(images.shape)}"
            )
        tokens = self.model.forward_features(self.normalise(images))
        if self.pooling == "model":
            return self.model.forward_head(tokens, pre_logits=True)
        prefix = self.model.num_prefix_tokens
        parts = {"token": tokens[:, 0], "mean": tokens[:, prefix:].mean(dim=1)}
        return torch.cat([parts[name] for name in self.pooling.split("+")], dim=1)


def load_encoder(
    spec: str | Path,
    random: bool = False,
    image_size: int | None = None,
    seed: int = 0,
    drop_path: float = 0.0,
    arguments: Mapping[str, Any] | None = None,
) -> Encoder:
    """The encoder that `spec` names, in eval mode on the CPU.

    `spec` is a release folder (or the `encoder.json` in it), or `timm:NAME[:IMAGE_SIZE][@FILE.safetensors]`:
    with FILE its weights are loaded strictly (position embeddings resampled to the image size), without FILE
    timm downloads its own. `random=True` gives the same architecture untrained, drawn from `seed`; no weights
    are then read. `image_size` overrides that of a timm model. `drop_path` is timm's `drop_path_rate`, for
    training. `arguments` are more of a timm model's own, such as {"patch_size": 2, "window_size": 6}, and
    {"small_stem": True} (see `small_inputs`); the description keeps them. Raises UserError for anything
    missing, and for arguments that the model does not take.
    """
    if match := TIMM_SPEC.fullmatch(str(spec)):
        size = image_size or (int(match["size"]) if match["size"] else None)
        file = Path(match["file"]).expanduser() if match["file"] else None
        return _timm_encoder(match["name"], size, file, random, seed, drop_path, dict(arguments or {})).eval()
    if arguments:
        raise UserError(f"{spec}: encoder_arguments are of timm: encoders; a release has its own")
    folder = Path(spec).expanduser()
    if folder.name == DESCRIPTION_NAME:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(
            f"{spec}: no such encoder; give a release folder or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]"
        )
    if random:
        description, state_dict = read_description(folder), None
    else:
        description, state_dict = read_release(folder)
    with _seeded(seed):
        try:
            arguments = {**description.architecture.arguments, "drop_path_rate": drop_path}
            trunk = build_trunk(arguments, description.architecture.positions)
        except (TypeError, ValueError, AssertionError) as error:
            raise UserError(
                f"{folder / DESCRIPTION_NAME}: timm cannot build this architecture ({error})"
            ) from None
    if state_dict is not None:
        _load_strictly(trunk, state_dict, folder)
    preprocessing = description.preprocessing
    return Encoder(
        trunk,
        preprocessing.image_size,
        preprocessing.mean,
        preprocessing.std,
        description.architecture.pooling,
        {**description.model_dump(mode="json"), "random": random},
    ).eval()


def _timm_encoder(
    name: str,
    size: int | None,
    file: Path | None,
    random: bool,
    seed: int,
    drop_path: float,
    arguments: dict[str, Any],
) -> Encoder:
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('.')[0][:12]}*")[:3]
        hint = f"; near: {', '.join(near)}" if near else ""
        raise UserError(f"timm:{name}: timm {timm.__version__} has no such model{hint}")
    for key in arguments:
        if key in SAID_ELSEWHERE or key == "num_classes":
            raise UserError(f"encoder_arguments.{key}: say {SAID_ELSEWHERE.get(key, 'heads')} instead")
    download = file is None and not random
    given = {key: value for key, value in arguments.items() if key != SMALL_STEM}
    options: dict[str, Any] = {"num_classes": 0, "pretrained": download, **given}
    if drop_path:
        options["drop_path_rate"] = drop_path
    with _seeded(seed):
        try:
            sized: dict[str, Any] = {"img_size": size} if size else {}
            model: Any = _created(name, options, sized, given)
            if arguments.get(SMALL_STEM):
                small_stem(model)
        except (OSError, RuntimeError, ValueError) as error:
            if not download:
                raise
            first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"timm:{name}: its weights could not be downloaded ({first_line}); "
                f"give a file: timm:{name}@FILE.safetensors"
            ) from None
    config = resolve_model_data_config(model)
    if file is not None and not random:
        state_dict = read_tensors(file)
        for head in _classifier_names(model):
            state_dict = {key: value for key, value in state_dict.items() if not key.startswith(f"{head}.")}
        adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        _load_strictly(model, adapt(state_dict, model) if adapt else state_dict, file)
    description = {
        "name": name,
        "source": f"timm {timm.__version__}",
        "file": file.name if file else None,
        "licence": (model.pretrained_cfg or {}).get("license"),
        "random": random,
        **({"arguments": arguments} if arguments else {}),
    }
    image_size = size or config["input_size"][-1]
    return Encoder(model, image_size, config["mean"], config["std"], "model", description)


def _created(name: str, options: dict[str, Any], sized: dict[str, Any], given: dict[str, Any]) -> Any:
    try:
        try:
            return timm.create_model(name, **options, **sized)
        except TypeError:  # a convolutional net takes any size and no such argument
            return timm.create_model(name, **options)
    except (TypeError, AssertionError, ValueError, KeyError, ArithmeticError) as error:
        if not given:
            raise
        said = ", ".join(f"{key}={value}" for key, value in given.items())
        raise UserError(f"timm:{name} cannot be built with {said}: {error}") from None


def _classifier_names(model: nn.Module) -> list[str]:
    names = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or []
    return [names] if isinstance(names, str) else list(names)


def _load_strictly(model: nn.Module, state_dict: dict[str, torch.Tensor], where: Path) -> None:
    try:
        model.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise UserError(
            f"{where}: the weights do not fit the architecture: {' '.join(lines)[:300]}"
        ) from None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from `seed` without disturbing the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
