"""Other people's weight files: read without running code, and the vision transformer in them found.

Tensors keep the file's names; only what is wrapped around the encoder is taken off, whatever it is called:
containers such as `model`, `state_dict` or `teacher`, prefixes such as `module.`, `backbone.` or `encoder.`.
"""

import argparse
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..foundation.errors import UserError
from .release import read_tensors

# One tensor that every encoder under a naming has, and none other: by it the prefix is known.
PATCHES = "patch_embed.proj.weight"  # timm, MAE, DINO, dBOT
CLIP = "visual.class_embedding"  # OpenAI's CLIP and open_clip
TORCH_FILES = (".pth", ".pt", ".bin", ".tar", ".ckpt")
AVERAGED = re.compile(r"(^|[._])(ema|teacher)([._]|$)")


@dataclass(frozen=True)
class WeightFile:
    """An encoder's tensors under its own names, and the names of what else the file holds."""

    tensors: dict[str, Tensor]
    outside: tuple[str, ...]
    is_clip: bool  # CLIP's names, each below `visual.`


def read_weight_file(path: Path) -> WeightFile:
    """The encoder in a safetensors or torch file; of several, the one averaged over training (EMA, teacher).

    Raises UserError for a file that is missing, damaged, or holds anything but tensors and plain values, and
    where no encoder, or more than one, is found.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors = read_tensors(path)
    elif path.suffix in TORCH_FILES:
        tensors = dict(_tensors_below(read_torch(path)))
    else:
        raise UserError(
            f"{path}: not a weights file that is read here (.safetensors, {', '.join(TORCH_FILES)})"
        )
    anchors = [
        name for name in tensors if re.search(rf"(^|\.)({re.escape(PATCHES)}|{re.escape(CLIP)})$", name)
    ]
    if len(anchors) > 1:
        anchors = [name for name in anchors if AVERAGED.search(name)] or anchors
    if not anchors:
        held = ", ".join(list(tensors)[:3]) or "no tensor at all"
        raise UserError(
            f"{path}: no vision transformer under a name known here (…{PATCHES} as in timm, MAE, DINO and "
            f"dBOT; …{CLIP} as in CLIP); it holds {held}"
        )
    if len(anchors) > 1:
        raise UserError(f"{path}: holds more than one encoder: {', '.join(anchors)}; save one of them alone")
    is_clip = anchors[0].endswith(CLIP)
    prefix = anchors[0].removesuffix(CLIP if is_clip else PATCHES)
    wanted = prefix + ("visual." if is_clip else "")
    found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(wanted)}
    return WeightFile(found, tuple(name for name in tensors if not name.startswith(wanted)), is_clip)


def read_torch(path: Path) -> Any:
    """What a torch file holds, none of it run. UserError: missing, damaged, or more than plain values."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    try:
        # training scripts save their arguments beside the weights: a plain bag of values
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of TorchScript, which is then refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        more = f" ({named[1]})" if named else ""
        raise UserError(
            f"{path}: holds more than tensors{more} and is not opened, since that could run code; "
            "give safetensors, or save its state dict alone"
        ) from None
    except (RuntimeError, ValueError, KeyError, AttributeError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        if "TorchScript" in reason:
            reason = "a TorchScript archive, which holds code; give the same weights as safetensors"
        raise UserError(f"{path}: not a readable torch file ({reason})") from None


def _tensors_below(tree: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if isinstance(value, Tensor):
                yield f"{prefix}{key}", value.detach()
            else:
                yield from _tensors_below(value, f"{prefix}{key}.")
