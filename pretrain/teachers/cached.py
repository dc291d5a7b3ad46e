"""A teacher that was asked beforehand: its rows come with the samples, out of sidecars."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...datasets.sidecars.layout import Sidecar, read_sidecar
from ...foundation.errors import UserError
from ..sentences import SentenceConfig
from ..views import ViewConfig

IMAGES, TEXTS = "teacher_image", "teacher_text"  # columns of a batch


class CachedTeacher:
    """The rows of two sidecars in place of a teacher; nothing is loaded, no step runs a second model.

    Attributes:
        columns: (of images, of sentences), the names of the sidecars.
        scenes: how many of an image there are rows for; None: one of its centre, whatever the scene shows.
    """

    def __init__(self, images: Sidecar, texts: Sidecar | None, fingerprint: str) -> None:
        self.name = f"{images.made_by.name}, embedded beforehand"
        self.columns = (images.name, texts.name if texts else None)
        self.width = (images.shape or (0, 0))[-1]
        self.scenes: int | None = images.settings["scenes"]
        self.fingerprint = fingerprint

    def image_rows(self, batch: dict[str, Any]) -> Tensor:
        """float32 [B, width], rows of length 1."""
        return normalize(batch[IMAGES].float(), dim=-1)

    def text_rows(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(float32 [T, width], rows of length 1, of those samples that say something; bool [B], which)."""
        rows = batch[TEXTS].float()
        said = rows.abs().amax(dim=-1) > 0
        return normalize(rows[said], dim=-1), said

    def rows_of(self, record: Mapping[str, Any], scene: int) -> dict[str, Any]:
        """What a view hands on of a record: its rows, those of the scene that is shown."""
        images, texts = self.columns
        rows = record[images]
        found = {IMAGES: torch.from_numpy(rows[scene if self.scenes else 0].astype(np.float32))}
        if texts is not None:
            found[TEXTS] = torch.from_numpy(record[texts].astype(np.float32))
        return found


def open_cached(
    name: str, homes: list[Path], view: ViewConfig, sentences: SentenceConfig, texts: bool
) -> CachedTeacher:
    """The cached teacher NAME of the shard sets in `homes`.

    Raises UserError: no such sidecars, not the same teacher in all of them, or made from other scenes or
    other sentences than those this run shows.
    """
    found = []
    for home in homes:
        images = read_sidecar(home, f"{name}_images")
        _check_scenes(home, images, view)
        said = read_sidecar(home, f"{name}_text") if texts else None
        if said is not None:
            _check_sentences(home, said, sentences)
            _check_same(home, said, images.made_by.weights_sha256, "the teacher of the images")
        found.append((images, said))
    first = found[0][0]
    for home, (images, _) in zip(homes, found):
        _check_same(home, images, first.made_by.weights_sha256, f"that of {homes[0]}")
        if images.shape != first.shape:
            raise UserError(f"{home}: {images.name} has rows of {images.shape}, {homes[0]} of {first.shape}")
    facts = [sidecar.fingerprint for pair in found for sidecar in pair if sidecar is not None]
    return CachedTeacher(*found[0], fingerprint=json.dumps(facts))


def _check_same(home: Path, sidecar: Sidecar, weights: str | None, of: str) -> None:
    if sidecar.made_by.weights_sha256 != weights:
        raise sidecar.error(str(home), f"was made by another teacher than {of}")


def _check_scenes(home: Path, images: Sidecar, view: ViewConfig) -> None:
    scenes = images.settings["scenes"]
    if scenes is None:
        return  # one row, of the centre: an approximation that the user chose
    if scenes != view.scenes:
        raise UserError(
            f"{home}: {images.name} holds {scenes} scenes of every image, so this run must show the same: "
            f"view.scenes={scenes} (it is {view.scenes})"
        )
    made = images.settings["view"]
    wanted = view.model_dump(mode="json", include=set(made))
    if made != wanted:
        changed = [f"view.{key}={made[key]}" for key in made if made[key] != wanted.get(key)]
        raise _unlike(home, images, "cut", changed)


def _check_sentences(home: Path, texts: Sidecar, sentences: SentenceConfig) -> None:
    made, wanted = texts.settings["sentences"], sentences.model_dump(mode="json")
    changed = [f"sentences.{key}={made.get(key)}" for key in wanted if made.get(key) != wanted[key]]
    if changed:
        raise _unlike(home, texts, "made", changed)


def _unlike(home: Path, sidecar: Sidecar, verb: str, settings: list[str]) -> UserError:
    what = f"was {verb} with {', '.join(settings)}, and this run says otherwise"
    return sidecar.error(str(home), what, "use these, or make it again")
