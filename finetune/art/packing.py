"""SEVLM as a release: a folder that stands alone, with the encoder's architecture instead of its place.

The model that reads words' values cannot be one: its lexicon may not be given on, and it writes nothing
without it.
"""

from pathlib import Path

import torch
import yaml
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...foundation.config import load_config
from ...foundation.errors import UserError
from ...foundation.files import write_atomically
from ...zoo.encoder import TIMM_SPEC
from ...zoo.models import Facts, ModelKind, Runnable, Store
from ...zoo.registry import HeadColumns
from ..packing import (
    RUN,
    dataset_of,
    metrics_of,
    model_folder,
    preprocessing_of,
    read_about,
    trained_as,
    write_model,
)
from .config import ArtConfig
from .explain import emotion_log_probabilities
from .explainer import VOCABULARY, load_explainer

KEPT = ("kind", "faithful", "random", "image_size", "pixels", "space", "model", "evaluation")


def _find(run: Path) -> Path | None:
    folder = model_folder(run, "art")
    return folder.parent if folder is not None else None


def _config(run: Path) -> ArtConfig:
    """The run's; UserError where its release could not be loaded elsewhere."""
    if not (run / RUN).is_file():
        raise UserError(f"{run}: no {RUN} here; give the folder of a finished run of kind: art")
    config = load_config(ArtConfig, run / RUN)
    if config.model.vad is not None:
        raise UserError(f"{run}: reads words' values (model.vad), whose lexicon no release may hold")
    if config.patches is not None:
        raise UserError(f"{run}: trained on patches made beforehand, so its encoder is not among its weights")
    if TIMM_SPEC.fullmatch(config.encoder) is None:
        raise UserError(
            f"{run}: its encoder is a folder ({config.encoder}); only timm: encoders can be packed"
        )
    return config


def _facts(run: Path, data: str | None) -> Facts:
    _config(run)
    about, data = read_about(run / "model"), data or dataset_of(run)
    task = load_explainer(run).task
    assert task.vision is not None  # no patches
    return Facts(
        architecture={"name": "SEVLM", "encoder": about["encoder"], "model": about["model"]},
        preprocessing=preprocessing_of(task.vision.encoder, "bicubic", 1.0),
        parameters=sum(value.numel() for value in task.state_dict().values()),
        metrics=metrics_of(run / "model", about, data),
        training=trained_as(about),
        data=data,
        licence=about.get("licence"),
    )


def _write(run: Path, out: Path, store: Store, name: str, licence: str) -> None:
    config = _config(run)
    match = TIMM_SPEC.fullmatch(config.encoder)
    assert match is not None
    spec = f"timm:{match['name']}" + (
        f":{match['size']}" if match["size"] else ""
    )  # weights are in the model
    said = {name: value for name, value in config.model_dump(mode="json").items() if name in KEPT}
    said["model"]["decoder"]["weights"] = said["model"]["released"] = None
    said["evaluation"] = {"generation": said["evaluation"]["generation"]}
    said |= {"out": ".", "encoder": spec, "data": {"shards": "."}}
    write_model(run / "model", out / "model", store, licence)
    with write_atomically(out / "model" / VOCABULARY) as stream:
        stream.write((run / "model" / VOCABULARY).read_bytes())
    with write_atomically(out / RUN) as stream:
        stream.write(yaml.safe_dump(said, sort_keys=False).encode())


def _load(run: Path) -> Runnable:
    explainer = load_explainer(run)

    @torch.inference_mode()
    def outputs(images: Tensor) -> dict[str, Tensor]:
        task = explainer.task
        return {"emotion": emotion_log_probabilities(task.model, task.seen({"image": images})).float()}

    space = label_space(load_config(ArtConfig, run / RUN).space)
    columns = HeadColumns(
        kind="distribution", space=space.name, version=space.version, classes=explainer.emotions
    )
    return Runnable(explainer.look.size, outputs, {"emotion": columns})


ART = ModelKind("art", _find, _facts, _write, _load)
