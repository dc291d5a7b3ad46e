"""Frozen features of a split: every sample exactly once, ids kept, images in the evaluation view."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..datasets.stream import EvaluationView, ShardSet, evaluation_batches
from ..datasets.taxonomy import LabelSpace, class_index
from ..foundation.errors import UserError
from ..foundation.files import write_atomically
from ..foundation.progress import Progress

UNLABELLED = -1
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Features:
    """Of N labelled samples: ids, groups, class numbers int64 [N], and features float32 [N, D]."""

    ids: list[str]
    groups: list[str]
    labels: Tensor
    features: Tensor


class ProbeView:
    """The evaluation view of a sample with its id, its group and its class number, -1 where unlabelled.

    A sample without a group is its own. Images without a label are not decoded (they come as zeros): a probe
    has no use for them. Picklable, so that workers can decode.
    """

    def __init__(self, size: int, space: LabelSpace, crop_fraction: float = 1.0) -> None:
        self.size = size
        self.space = space
        self.view = EvaluationView(size, crop_fraction)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        label = class_index(record, self.space)
        if label is None:
            image = torch.zeros(3, self.size, self.size, dtype=torch.uint8)
        else:
            image = self.view(image_loader, record, seed)["image"]
        return {
            "image": image,
            "id": record["id"],
            "group": record["source"].get("group") or record["id"],
            "label": UNLABELLED if label is None else label,
        }


def fingerprint(encoder: nn.Module) -> str:
    """sha256 over a module's kind, parameters and buffers, or its own `fingerprint` where it has one."""
    if isinstance(own := getattr(encoder, "fingerprint", None), str):
        return own
    kind = [type(encoder).__qualname__, str(getattr(encoder, "pooling", "")), encoder.extra_repr()]
    digest = hashlib.sha256(json.dumps(kind).encode())
    for name, tensor in sorted(
        [*encoder.named_parameters(), *encoder.named_buffers()], key=lambda row: row[0]
    ):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def extract(
    encoders: Mapping[str, nn.Module],
    shards: ShardSet,
    split: str,
    space: LabelSpace,
    image_size: int,
    crop_fraction: float = 1.0,
    batch_size: int = 64,
    workers: int = 0,
    precision: Precision = "fp32",
    device: torch.device | str = "cpu",
    cache: Path | None = None,
) -> dict[str, Features]:
    """Features of every *labelled* sample of a split from each encoder, images decoded once for all of them.

    Encoders take uint8 [B, 3, image_size, image_size] and return [B, D]; they are put in eval mode on
    `device`. The results lie on the CPU in the order of the split, whatever the batch size. With `cache`, a
    folder, they are kept there under the fingerprints of encoder and shards, and found again.

    Raises:
        UserError: no labelled sample in the split, or a feature that is not finite (encoder and sample
        named). RuntimeError: the stream did not yield every sample exactly once.
    """
    paths: dict[str, Path] = {}
    if cache is not None:
        for name, encoder in encoders.items():
            key = [fingerprint(encoder), shards.fingerprint, split, space.name, space.version]
            key += [image_size, crop_fraction, precision]
            paths[name] = cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.safetensors"
    found = {name: _load(path) for name, path in paths.items() if path.exists()}
    missing = {name: encoder for name, encoder in encoders.items() if name not in found}
    if missing:
        view = ProbeView(image_size, space, crop_fraction)
        fresh = _forward(missing, shards, split, view, batch_size, workers, precision, torch.device(device))
        for name, features in fresh.items():
            if name in paths:
                _save(paths[name], features)
        found |= fresh
    return {name: found[name] for name in encoders}


@torch.inference_mode()
def _forward(
    encoders: Mapping[str, nn.Module],
    shards: ShardSet,
    split: str,
    view: ProbeView,
    batch_size: int,
    workers: int,
    precision: Precision,
    device: torch.device,
) -> dict[str, Features]:
    models = {name: encoder.to(device).eval() for name, encoder in encoders.items()}
    seen: set[str] = set()
    count = 0
    ids: list[str] = []
    groups: list[str] = []
    labels: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {name: [] for name in models}
    description = f"{', '.join(models)}: features of {split} at {view.size} px"
    batches = evaluation_batches(shards, split, view, batch_size, workers=workers)
    with Progress(description, shards.count(split)) as progress:
        for batch in batches:
            seen.update(batch["id"])
            count += len(batch["id"])
            kept = torch.nonzero(batch["label"] != UNLABELLED).flatten()
            names = [batch["id"][index] for index in kept.tolist()]
            ids += names
            groups += [batch["group"][index] for index in kept.tolist()]
            labels.append(batch["label"][kept].long())
            images = batch["image"][kept].to(device)
            for name, model in models.items() if names else ():
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                    features = model(images).float().cpu()
                if not bool(features.isfinite().all()):
                    broken = names[int((~features.isfinite()).any(1).nonzero()[0])]
                    raise UserError(f"{name}: the feature of {broken} is not finite; are its weights sound?")
                parts[name].append(features)
            progress.update(len(batch["id"]))
    if not count == len(seen) == shards.count(split):
        raise RuntimeError(
            f"{split}: {len(seen)} different samples in {count}, expected {shards.count(split)}"
        )
    if not ids:
        raise UserError(
            f"split {split} has no sample labelled in {view.space.name}; name a label space that it has"
        )
    return {
        name: Features(ids, groups, torch.cat(labels), torch.cat(features))
        for name, features in parts.items()
    }


def _save(path: Path, found: Features) -> None:
    names = {"ids": json.dumps(found.ids), "groups": json.dumps(found.groups)}
    with write_atomically(path) as stream:
        stream.write(save({"labels": found.labels, "features": found.features}, metadata=names))


def _load(path: Path) -> Features:
    with safe_open(path, framework="pt") as stream:
        names = stream.metadata()
        labels, features = stream.get_tensor("labels"), stream.get_tensor("features")
    return Features(json.loads(names["ids"]), json.loads(names["groups"]), labels, features)
