"""`vemo shards patches`: an encoder's patches of every image as a sidecar: a frozen encoder then runs once.

float16 [N, P, width]: of ViT-B/16 at 224 pixels some 300 kB an image. A run reads them with `patches=NAME`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ...datasets.sidecars import Description, Maker, Part, SidecarReport, write_sidecar
from ...datasets.sidecars.writing import command_line
from ...datasets.stream import ShardSet
from ...datasets.stream.stream import Preparation, SetSamples, Work, prepared
from ...foundation.config import Config
from ...foundation.errors import UserError
from ...training import join_world
from ...zoo import load_encoder
from .config import ArtConfig
from .task import PATCHES
from .vision import Look, Pixels, Vision


class PatchesConfig(Config):
    """Which shard set, and which encoder looks at it; `vemo shards patches DIR encoder=…`."""

    shards: Path
    name: str = Field(default="patches", description="the sidecar's folder, DIR/sidecars/NAME")
    encoder: str = Field(description="A release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]")
    random: bool = Field(default=False, description="the same encoder untrained")
    image_size: int | None = Field(default=None, ge=8, description="null: the encoder's own")
    pixels: Pixels = Field(default="encoder", description="as in the run that reads them")
    batch_size: int = Field(default=64, ge=1, description="images at a time")
    workers: int = Field(default=0, ge=0, description="loader processes; 0 decodes in this one")
    device: Literal["auto", "cpu", "cuda"] = "auto"


@torch.no_grad()
def write_patches(config: PatchesConfig) -> SidecarReport:
    """Write the sidecar (or finish it, or find it finished).

    Raises UserError: no shard set, no encoder, other settings than it was begun with.
    """
    world = join_world(config.device)
    if world.size > 1:
        raise UserError("vemo shards patches runs in one process; start it without torchrun")
    ShardSet(config.shards)
    encoder = load_encoder(config.encoder, random=config.random, image_size=config.image_size)
    vision = Vision(encoder, False, config.pixels).eval().to(world.device)
    look = Look(encoder.image_size, config.pixels)
    blank = torch.zeros(1, 3, look.size, look.size, dtype=torch.uint8, device=world.device)
    description = Description(
        name=config.name,
        kind="array",
        columns=(config.name,),
        dtype="float16",
        shape=tuple(vision(blank).shape[1:]),
        made_by=Maker(name=config.encoder, licence=encoder.description.get("licence")),
        settings={"encoder": encoder.description, "image_size": look.size, "pixels": config.pixels},
        command=command_line("patches", config, leave_out=("batch_size", "device")),
    )
    rows = PatchRows(vision, look, config.batch_size, config.workers, world.device)
    return write_sidecar(config.shards, description, rows, workers=0)


@dataclass(frozen=True)
class PatchRows:
    """Rows float16 [P, width] of a shard's images."""

    vision: Vision
    look: Look
    batch_size: int
    workers: int
    device: torch.device

    def __call__(self, part: Part) -> Iterator[np.ndarray]:
        places = np.array(part.places, np.int64)
        chunks = (places[first : first + self.batch_size] for first in range(0, len(places), self.batch_size))
        work = [Work(int(chunk[0]), chunk, chunk) for chunk in chunks]
        preparation = Preparation(SetSamples(part.shards, part.split, self.look, fast=False))
        for batch in prepared(preparation, work, self.workers):
            with torch.no_grad():
                found = self.vision(batch["image"].to(self.device))
            yield from found.cpu().numpy().astype(np.float16)


@dataclass(frozen=True)
class PatchView:
    """A stream view: {"patches": float16 [P, width]} of the sidecar `name`; the image is not decoded."""

    name: str

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        return {PATCHES: record[self.name]}


def patch_view(config: ArtConfig, shards: ShardSet) -> tuple[PatchView, int, dict[str, Any]]:
    """(view, width of a patch, description of the encoder) of the sidecar that a run reads.

    Raises UserError: it holds no patches, or those of another encoder or other pixels than the run names.
    """
    assert config.patches is not None
    sidecar = next(each for each in shards.sidecars.all if each.name == config.patches)
    shape, settings = sidecar.shape or (), sidecar.settings
    if len(shape) != 2 or not {"encoder", "pixels"} <= settings.keys():
        raise sidecar.error(str(shards.folder), "holds no patches of an encoder", "choose another one")
    said, wanted = (sidecar.made_by.name, settings["pixels"]), (config.encoder, config.pixels)
    if said != wanted:
        raise UserError(
            f"patches={config.patches}: made by encoder={said[0]} with pixels={said[1]}, but the run says "
            f"encoder={wanted[0]} and pixels={wanted[1]}"
        )
    return PatchView(sidecar.name), shape[1], dict(settings["encoder"])
