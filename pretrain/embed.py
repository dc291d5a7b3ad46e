"""`vemo shards embed`: what a teacher makes of every image and sentence of a shard set, as two sidecars.

NAME_images is float16 [N, K, D]: the centre crop, or the K scenes that pretraining draws from with
`view.scenes=K`. NAME_text is float16 [N, D]: the sample's sentence, zeros where it has none. Rows have
length 1 but for the rounding to 16 bits. `vemo pretrain` reads them with `teacher.cached=NAME`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..datasets.sidecars import Description, Maker, Part, SidecarReport, write_sidecar
from ..datasets.sidecars.layout import check_name
from ..datasets.sidecars.writing import command_line
from ..datasets.stream import ShardSet
from ..datasets.stream.stream import Preparation, SetSamples, Work, prepared
from ..datasets.stream.transforms import resize_center_crop
from ..foundation.config import Config, load_config
from ..foundation.errors import UserError
from ..training import join_world
from .config import PretrainConfig, TeacherConfig
from .sentences import SentenceBuilder, SentenceConfig
from .teachers import load_teacher
from .views import PretrainView, ViewConfig, numbered_scene


class EmbedConfig(Config):
    """Which shard set, which teacher, and what it is shown."""

    shards: Path
    name: str = Field(default="teacher", description="the sidecars are NAME_images and NAME_text")
    teacher: TeacherConfig = TeacherConfig()
    sentences: SentenceConfig = SentenceConfig()
    what: tuple[Literal["images", "text"], ...] = Field(default=("images", "text"), min_length=1)
    view: ViewConfig = Field(
        default=ViewConfig(),
        description="how the scenes are cut that pretraining shows with the same section; without `scenes`: "
        "one row, of the central square",
    )
    image_size: int | None = Field(
        default=None, ge=1, description="side of what the teacher is handed; null: its own input's"
    )
    batch_size: int = Field(default=64, ge=1, description="images of the teacher at a time")
    workers: int = Field(default=0, ge=0, description="loader processes; 0 decodes in this one")
    device: Literal["auto", "cpu", "cuda"] = "auto"


def settings_of_run(path: Path) -> list[str]:
    """The sections of a run's YAML that decide what its teacher sees and reads, as `key=value`."""
    run = load_config(PretrainConfig, path).model_dump(mode="json")
    run["teacher"].pop("cached")
    return [f"{section}={json.dumps(run[section])}" for section in ("teacher", "sentences", "view")]


def embed(config: EmbedConfig) -> list[SidecarReport]:
    """Write the sidecars (or finish them, or find them finished).

    Raises UserError: no shard set, no teacher, other settings than the sidecar was begun with.
    """
    check_name(config.name)
    shards, sentence = ShardSet(config.shards), SentenceBuilder(config.sentences)
    world = join_world(config.device)
    if world.size > 1:
        raise UserError("vemo shards embed runs in one process; start it without torchrun")
    options = config.teacher.options()
    fitted_on = ShardSet(config.teacher.shards) if config.teacher.shards else shards
    teacher = load_teacher(config.teacher.name, options, fitted_on, config.teacher.cache, sentence, world)
    teacher = teacher.to(world.device)
    size = config.image_size or teacher.image_size
    scenes = config.view.scenes
    view = ScenesView(config.view, scenes, size, sentence) if scenes else CentreView(size)
    cut: dict[str, Any] = {"scenes": scenes, "image_size": size}
    if scenes:
        cut["view"] = config.view.model_dump(mode="json", include={"scale", "interpolation", "flip"})
    makers: dict[str, tuple[Callable[[Part], Iterator[Any]], tuple[int, ...], dict[str, Any]]] = {
        "images": (
            ImageRows(teacher, view, config.batch_size, config.workers),
            (scenes or 1, teacher.width),
            cut,
        ),
        "text": (
            TextRows(teacher, sentence),
            (teacher.width,),
            {"sentences": config.sentences.model_dump(mode="json")},
        ),
    }
    reports = []
    for what in config.what:
        rows, shape, settings = makers[what]
        description = Description(
            name=f"{config.name}_{what}",
            kind="array",
            columns=(f"{config.name}_{what}",),
            dtype="float16",
            shape=shape,
            made_by=Maker(name=teacher.name, weights_sha256=teacher.fingerprint),
            settings={**settings, "preprocessing": teacher.description.get("preprocessing")},
            command=command_line("embed", config, leave_out=("batch_size", "device", "what")),
            edits=shards.edits if what == "text" else None,
        )
        reports.append(write_sidecar(config.shards, description, rows, workers=0))
    return reports


@dataclass(frozen=True)
class CentreView:
    """A stream view → {"images": uint8 [1, 3, S, S]}: the central square, whole."""

    size: int

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        return {"images": resize_center_crop(image_loader(), self.size, 1.0, "bicubic")[None]}


class ScenesView:
    """A stream view → {"images": uint8 [K, 3, S, S]}: all scenes of an image, decoded once."""

    def __init__(self, config: ViewConfig, scenes: int, size: int, sentence: SentenceBuilder) -> None:
        self.scenes = scenes
        # a view without scenes of its own: the seeds that it is given are theirs
        settings = config.model_copy(update={"person_view": "none", "scenes": None})
        self.view = PretrainView(settings, size, sentence)

    def __call__(
        self, image_loader: Callable[[], Tensor], record: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        image = image_loader()
        seeds = [numbered_scene(record["id"], number) for number in range(self.scenes)]
        return {"images": torch.stack([self.view(lambda: image, record, each)["scene"] for each in seeds])}


@dataclass(frozen=True)
class ImageRows:
    """Rows float16 [K, D] of a shard's images."""

    teacher: Any  # a Teacher; torch's decorators hide the signatures of its methods
    view: CentreView | ScenesView
    batch_size: int
    workers: int

    def __call__(self, part: Part) -> Iterator[np.ndarray]:
        scenes = self.view.scenes if isinstance(self.view, ScenesView) else 1
        step = max(1, self.batch_size // scenes)
        places = np.array(part.places, np.int64)
        chunks = (places[first : first + step] for first in range(0, len(places), step))
        work = [Work(int(chunk[0]), chunk, chunk) for chunk in chunks]
        preparation = Preparation(SetSamples(part.shards, part.split, self.view, fast=False))
        for batch in prepared(preparation, work, self.workers):
            images = batch["images"]
            rows = self.teacher.encode_image(images.flatten(0, 1)).reshape(*images.shape[:2], -1)
            yield from rows.cpu().numpy().astype(np.float16)


@dataclass(frozen=True)
class TextRows:
    """Rows float16 [D] of a shard's sentences, edits applied; zeros for a sample that says nothing."""

    teacher: Any
    sentence: SentenceBuilder

    def __call__(self, part: Part) -> Iterator[np.ndarray]:
        sentences = [self.sentence(record) for record in part.records()]
        known = [sentence for sentence in sentences if sentence]
        rows = iter(self.teacher.encode_text(known).cpu().numpy().astype(np.float16))
        nothing = np.zeros(self.teacher.width, np.float16)
        return (next(rows) if sentence else nothing for sentence in sentences)
