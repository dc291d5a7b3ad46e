"""`vemo shards hashes`: of every image two 64-bit hashes that survive re-encoding, and one that does not.

dct: the signs of 8 x 8 low frequencies of the image's luma at 32 x 32, against their median; frequencies 1…8
in both directions, so that neither brightness nor a plain ramp along one axis counts (pHash: Zauner 2010).
difference: luma at 9 x 8, whether each pixel is brighter than its left neighbour (Krawetz 2013, "Kind of Like
That"). Both are 16 hex digits, row by row, the first bit highest; near duplicates differ in few of the 64
bits. pixels: the sha256 of the RGB thumbnail of 32 x 32: equal for equal pixels in any lossless format.
Thumbnails are Pillow's area averages. Flat images have no structure to tell them apart: all bits 0.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from ...foundation.config import Config
from ..shards.images import codec
from .layout import Description, Maker
from .writing import Part, SidecarReport, command_line, write_sidecar

SIDE = 32
COSINES = np.cos(np.pi * np.outer(np.arange(1, 9), 2 * np.arange(SIDE) + 1) / (2 * SIDE))  # DCT-II, 1…8


class HashesConfig(Config):
    shards: Path
    name: str = Field(default="hashes", description="the sidecar's folder, DIR/sidecars/NAME")
    workers: int = Field(default=-1, ge=-1, description="processes; -1: one a core, 0: none but this")


def write_hashes(config: HashesConfig) -> SidecarReport:
    """Write the sidecar: records gain "hashes": {"dct", "difference", "pixels"}."""
    description = Description(
        name=config.name,
        kind="records",
        columns=("hashes",),
        made_by=Maker(name="vemo image hashes 1"),
        settings={"codec": codec(True)},
        command=command_line("hashes", config),
    )
    return write_sidecar(config.shards, description, hash_rows, config.workers)


def hash_rows(part: Part) -> Iterator[dict[str, Any]]:
    """A row for every image of a shard."""
    return ({"hashes": image_hashes(pixels)} for pixels in part.images())


def image_hashes(pixels: np.ndarray) -> dict[str, str]:
    """The three hashes of uint8 RGB [H, W, 3]."""
    image = Image.fromarray(pixels)
    thumbnail = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    luma = np.asarray(thumbnail.convert("L"), np.float64)
    waves = np.round(COSINES @ luma @ COSINES.T, 6)  # a flat image gives zeros and not their noise
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int64)
    return {
        "dct": _hex(waves > np.median(waves)),
        "difference": _hex(small[:, 1:] > small[:, :-1]),
        "pixels": hashlib.sha256(np.asarray(thumbnail).tobytes()).hexdigest(),
    }


def _hex(bits: np.ndarray) -> str:
    return np.packbits(bits).tobytes().hex()
