"""Outputs that a release keeps, of pictures that anyone can make again: does it still say what it said?

The pictures are squares of 2, 5, 11 and S cells a side in random colours. Their bytes are SHAKE-256 of the
seed, which is a standard, not a library's generator: they are the same for ever and need not be stored.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..foundation.errors import UserError
from ..foundation.files import write_atomically
from .models import Runnable
from .release import read_tensors

REFERENCE = "reference.safetensors"
COUNT, SEED = 8, 0
TOLERANCE = 1e-4  # of the outputs' root mean square: our choice, see docs/adr/0024-checkpoints.md


@dataclass(frozen=True)
class Difference:
    """The largest one between two outputs of a name, in units of their root mean square, and where."""

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} differ by {self.value:.1e} of their root mean square"


def reference_images(size: int, count: int = COUNT, seed: int = SEED) -> Tensor:
    """uint8 [count, 3, size, size]."""
    pictures = []
    for number in range(count):
        cells = min((2, 5, 11, size)[number % 4], size)
        stream = hashlib.shake_256(f"vemo reference {seed} {number}".encode()).digest(3 * cells * cells)
        colours = np.frombuffer(stream, np.uint8).reshape(3, cells, cells)
        places = np.arange(size) * cells // size
        pictures.append(colours[:, places[:, None], places[None]])
    return torch.from_numpy(np.stack(pictures))


def digest_of(images: Tensor) -> str:
    """sha256 of the pictures' bytes."""
    return hashlib.sha256(images.numpy().tobytes()).hexdigest()


def save_reference(folder: Path, model: Runnable, versions: dict[str, Any]) -> dict[str, Tensor]:
    """Write what a model says of the reference pictures; returns it."""
    images = reference_images(model.image_size)
    outputs = model.outputs(images)
    facts = {"seed": SEED, "count": COUNT, "image_size": model.image_size, "images_sha256": digest_of(images)}
    metadata = {"reference": json.dumps({**facts, "tolerance": TOLERANCE, "versions": versions})}
    with write_atomically(folder / REFERENCE) as stream:
        stream.write(save({name: value.contiguous() for name, value in outputs.items()}, metadata))
    return outputs


def check_reference(folder: Path, model: Runnable) -> tuple[list[Difference], float]:
    """(differences of what a model says now from what its release keeps, the tolerance it states).

    Raises UserError: the file is damaged, or the pictures, or the names or shapes of the outputs, are others.
    """
    path = folder / REFERENCE
    kept = read_tensors(path)
    try:
        with safe_open(path, framework="pt") as opened:
            facts = json.loads(opened.metadata()["reference"])
        images = reference_images(facts["image_size"], facts["count"], facts["seed"])
        expected, tolerance = facts["images_sha256"], float(facts["tolerance"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged: it does not say of which pictures it is ({error})") from None
    if facts["image_size"] != model.image_size or digest_of(images) != expected:
        raise UserError(f"{path}: of other pictures than this version of vemo makes")
    return differences(kept, model.outputs(images), str(path)), tolerance


def differences(kept: Mapping[str, Tensor], now: Mapping[str, Tensor], what: str) -> list[Difference]:
    """By name; UserError where names or shapes differ."""
    shapes = [{name: tuple(value.shape) for name, value in each.items()} for each in (kept, now)]
    if shapes[0] != shapes[1]:
        raise UserError(f"{what}: outputs are {shapes[1]}, it has {shapes[0]}")
    found = []
    for name, before in kept.items():
        scale = max(float(before.double().square().mean().sqrt()), 1e-12)
        gap = float((now[name].double() - before.double()).abs().max()) / scale
        found.append(Difference(name, gap if gap == gap else float("inf")))
    return found
