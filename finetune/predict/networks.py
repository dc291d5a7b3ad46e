"""A model as a function of pixels, run by torch or by onnxruntime: the same numbers under the same names."""

import json
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...foundation.errors import UserError
from ..scores import as_outputs, kind_of
from ..task import FinetuneTask

FEATURES = "features"  # beside the heads: what they are given
IMAGE = "image"
FORMAT = 1


class Network(Protocol):
    """What runs a model.

    heads: head → {"kind", "space", "version", "classes"}, what its columns are. temperatures: head → T that
    its logits are divided by, of those that are calibrated. backend: torch, onnxruntime.

    A call takes uint8 [N, 3, S, S] and returns, on the CPU, head → float64 [N, C]: probabilities (of a
    multilabel head one for each class on its own) or values in [−1, 1] (vad), a row of NaN where the model
    gives no number; and `features`, float32 [N, W], unless a head is called so.
    """

    heads: dict[str, dict[str, Any]]
    temperatures: dict[str, float]
    backend: str
    device: torch.device

    def __call__(self, images: Tensor) -> dict[str, Tensor]: ...


class TorchNetwork:
    """A task in eval mode. Calls change nothing in it."""

    backend = "torch"

    def __init__(self, task: FinetuneTask, temperatures: dict[str, float], precision: str = "fp32") -> None:
        # Convolutions of so few channels are a fifth faster on a CPU with the channels last.
        self.task: FinetuneTask = task.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.temperatures, self.precision = temperatures, precision
        self.device = task.encoder.mean.device
        self.heads = {name: _columns(head) for name, head in task.heads.items()}

    @torch.no_grad()  # and not inference_mode: features may be trained on
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features, outputs = features_and_outputs(self.task, images)
        said = probabilities(self.task, outputs, self.temperatures)
        return {FEATURES: features.float().cpu()} | {name: each.cpu() for name, each in said.items()}


class OnnxNetwork:
    """A file that `export` wrote, run by onnxruntime on the CPU, on as many threads as torch would use.

    facts: what the file says of itself: `heads`, `image_size`, `crop_fraction`, `interpolation`, `person`,
    `weights_sha256` and what else `export` names. Raises UserError: no onnxruntime, no such file, or none
    that `export` wrote.
    """

    backend = "onnxruntime"
    device = torch.device("cpu")

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"{path} needs onnxruntime: pip install 'vemo[onnx]'") from None
        if not path.is_file():
            raise UserError(f"{path}: no such file; `vemo checkpoints export FOLDER` writes one")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.log_severity_level = 3
        try:
            self.session: Any = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no class of their own
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(f"{path}: onnxruntime cannot read it ({first})") from None
        self.facts = _facts(path, self.session.get_modelmeta().custom_metadata_map)
        self.heads: dict[str, dict[str, Any]] = self.facts["heads"]
        found = {name: head.pop("temperature", None) for name, head in self.heads.items()}
        self.temperatures: dict[str, float] = {name: each for name, each in found.items() if each}
        self.names = [FEATURES, *self.heads]
        if there := {*self.names} - {each.name for each in self.session.get_outputs()}:
            raise UserError(f"{path}: damaged: it gives no {', '.join(sorted(there))}")

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        found = self.session.run(self.names, {IMAGE: images.contiguous().numpy()})
        named = {name: torch.from_numpy(each) for name, each in zip(self.names, found)}
        return {name: each if name == FEATURES else each.double() for name, each in named.items()}


def features_and_outputs(task: FinetuneTask, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Of uint8 [N, 3, S, S] what the heads are given and what they give; without a person the scene counts
    alone."""
    features = task.encoder(images)
    if task.fusion is not None:
        # By the shape and not by len(), which an export would take for a constant.
        nobody = images.new_zeros(images.shape[0], dtype=torch.bool)
        features = task.fusion(features, features, nobody)
    features = task.squeezed(features)
    return features, {name: head(features) for name, head in task.heads.items()}


def probabilities(
    task: FinetuneTask, outputs: dict[str, Tensor], temperatures: dict[str, float]
) -> dict[str, Tensor]:
    """Head → float64 [N, C] of what the heads gave (see `Network`); NaN where that is not finite."""
    found = {}
    for name, raw in outputs.items():
        head = task.heads[name]
        said, kind = as_outputs(head, raw.float()).double(), kind_of(head.config)
        if kind in ("single", "distribution"):
            said = (said / temperatures.get(name, 1.0)).softmax(1)
        elif kind == "multilabel":
            said = said.sigmoid()
        found[name] = said.where(raw.isfinite().all(1, keepdim=True), torch.nan)
    return found


def _columns(head: Any) -> dict[str, Any]:
    space = getattr(head.config, "space", None)
    version = label_space(space).version if space else None
    return {"kind": kind_of(head.config), "space": space, "version": version, "classes": head.classes}


def _facts(path: Path, said: dict[str, str]) -> dict[str, Any]:
    try:
        facts = {name: json.loads(value) for name, value in said.items()}
        known = facts["format"] == FORMAT and {"heads", "image_size", "weights_sha256"} <= facts.keys()
        heads = {name: {**head, "classes": tuple(head["classes"])} for name, head in facts["heads"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        known, facts, heads = False, {}, {}
    if not known:
        raise UserError(f"{path}: not written by `vemo checkpoints export` of this version")
    return {**facts, "heads": heads}
