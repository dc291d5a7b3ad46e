"""Frozen features of a split: every sample exactly once, ids kept, images in the evaluation view."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..datasets.stream import EvaluationView, ShardSet, evaluation_batches
from ..foundation.errors import UserError
from ..foundation.files import write_atomically
from ..foundation.progress import Progress
from .targets import Targets

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Features:
    """Of N samples that have a target: ids, groups, targets float32 [N, C] as `Targets.row` gives them, and
    features float32 [N, D]."""

    ids: list[str]
    groups: list[str]
    targets: Tensor
    features: Tensor

    @property
    def labels(self) -> Tensor:
        """The classes of the highest targets, int64 [N]."""
        return self.targets.argmax(1)

    def at(self, rows: Tensor) -> "Features":
        """Those at places int64 [M]."""
        places = rows.tolist()
        ids, groups = [self.ids[place] for place in places], [self.groups[place] for place in places]
        return Features(ids, groups, self.targets[rows], self.features[rows])


class ProbeView:
    """The evaluation view of a sample with its id, its group and its target's row, NaN where it has none.

    A sample without a group is its own. Images without a target are not decoded (they come as zeros): a probe
    has no use for them. Picklable, so that workers can decode.
    """

    def __init__(self, size: int, target: Targets, crop_fraction: float = 1.0) -> None:
        self.size = size
        self.target = target
        self.view = EvaluationView(size, crop_fraction)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        row = self.target.row(record)
        if row is None:
            image = torch.zeros(3, self.size, self.size, dtype=torch.uint8)
            row = np.full(len(self.target.classes), np.nan, np.float32)
        else:
            image = self.view(image_loader, record, seed)["image"]
        return {"image": image, "id": record["id"], "group": group_of(record), "target": row}


def group_of(record: Mapping[str, Any]) -> str:
    """What a sample must not be parted from; without one, itself."""
    return record["source"].get("group") or record["id"]


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
    target: Targets,
    image_size: int,
    crop_fraction: float = 1.0,
    batch_size: int = 64,
    workers: int = 0,
    precision: Precision = "fp32",
    device: torch.device | str = "cpu",
    cache: Path | None = None,
) -> dict[str, Features]:
    """Features of every sample of a split *that has a target* from each encoder, images decoded once for all.

    Encoders take uint8 [B, 3, image_size, image_size] and return [B, D]; they are put in eval mode on
    `device`. The results lie on the CPU in the order of the split, whatever the batch size. With `cache`, a
    folder, they are kept there under the fingerprints of encoder and shards, and found again.

    Raises:
        UserError: no sample with a target in the split, or a feature that is not finite (encoder and sample
        named). RuntimeError: the stream did not yield every sample exactly once.
    """
    paths: dict[str, Path] = {}
    if cache is not None:
        for name, encoder in encoders.items():
            key = [fingerprint(encoder), shards.fingerprint, split, repr(target), target.vocabulary]
            key += [image_size, crop_fraction, precision]
            paths[name] = cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.safetensors"
    found = {name: _load(path) for name, path in paths.items() if path.exists()}
    missing = {name: encoder for name, encoder in encoders.items() if name not in found}
    if missing:
        view = ProbeView(image_size, target, crop_fraction)
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
    targets: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {name: [] for name in models}
    description = f"{', '.join(models)}: features of {split} at {view.size} px"
    batches = evaluation_batches(shards, split, view, batch_size, workers=workers)
    with Progress(description, shards.count(split)) as progress:
        for batch in batches:
            seen.update(batch["id"])
            count += len(batch["id"])
            kept = torch.nonzero(~batch["target"].isnan().all(1)).flatten()
            names = [batch["id"][index] for index in kept.tolist()]
            ids += names
            groups += [batch["group"][index] for index in kept.tolist()]
            targets.append(batch["target"][kept])
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
            f"split {split} has no sample with a label of {view.target.vocabulary}; name a space that it has"
        )
    return {
        name: Features(ids, groups, torch.cat(targets), torch.cat(features))
        for name, features in parts.items()
    }


def _save(path: Path, found: Features) -> None:
    names = {"ids": json.dumps(found.ids), "groups": json.dumps(found.groups)}
    with write_atomically(path) as stream:
        stream.write(save({"targets": found.targets, "features": found.features}, metadata=names))


def _load(path: Path) -> Features:
    with safe_open(path, framework="pt") as stream:
        names = stream.metadata()
        targets, features = stream.get_tensor("targets"), stream.get_tensor("features")
    return Features(json.loads(names["ids"]), json.loads(names["groups"]), targets, features)
