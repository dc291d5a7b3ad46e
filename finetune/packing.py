"""Fine-tuned models as releases, for `vemo checkpoints`: the room `zoo` knows encoders, but no heads."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..evaluation.bootstrap import interval_of
from ..evaluation.predictions import load_predictions
from ..evaluation.scoring import SCORES_OF, statistic
from ..foundation.errors import UserError
from ..foundation.files import sha256_of, write_json
from ..foundation.strict_yaml import read_yaml
from ..zoo import Encoder
from ..zoo.models import Facts, ModelKind, Runnable, Store, measured_on
from ..zoo.registry import HeadColumns, Kind, Metric, ReleasePreprocessing
from ..zoo.release import read_tensors
from .outcome import ABOUT, PREDICTIONS, WEIGHTS
from .predict import load_model
from .predict.looks import shows_faces

RUN = "finetune.yaml"
CALIBRATED = ("ece", "classwise_ece", "nll", "brier")
TRAINED = ("train", "seed", "chosen", "view", "mixing", "lora", "drop_path", "data", "environment")


def model_folder(run: Path, wanted: Kind) -> Path | None:
    """The folder with a run's model.json, if that says that it is of the kind `wanted`."""
    place = next((each for each in (run, run / "model") if (each / ABOUT).is_file()), None)
    return place if place is not None and read_about(place).get("kind", "emotion") == wanted else None


def read_about(folder: Path) -> dict[str, Any]:
    """What model.json says; UserError where it is damaged."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
    except ValueError as error:
        raise UserError(f"{folder / ABOUT}: damaged: not JSON ({error})") from None
    if not isinstance(about, dict) or "weights_sha256" not in about:
        raise UserError(f"{folder / ABOUT}: not the description of a model")
    return about


def trained_as(about: dict[str, Any]) -> dict[str, Any]:
    """How a model was trained, as far as model.json says."""
    return {name: about[name] for name in TRAINED if about.get(name) is not None}


def preprocessing_of(encoder: Encoder, interpolation: str, crop_fraction: float) -> ReleasePreprocessing:
    """What is done to a picture before this encoder sees it."""
    mean, std = (each.flatten().double().tolist() for each in (encoder.mean, encoder.std))
    return ReleasePreprocessing(
        image_size=encoder.image_size,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        interpolation=interpolation,
        crop_fraction=crop_fraction,
    )


def metrics_of(folder: Path, about: dict[str, Any], data: str | None) -> tuple[Metric, ...]:
    """The test scores that model.json states; with intervals where the run's predictions lie beside.

    Raises UserError: the predictions give other scores.
    """
    date, found = measured_on(folder / ABOUT), []
    for head, scores in about.get("scores", {}).items():
        between = _intervals(folder.parent / PREDICTIONS / f"{head}-test.safetensors", scores)
        for name, value in scores.items():
            if isinstance(value, float) and value == value:
                low, high = between.get(name, (None, None))
                found.append(
                    Metric(
                        metric=name,
                        value=value,
                        low=low,
                        high=high,
                        head=head,
                        data=data or "not known",
                        split=scores["split"],
                        samples=scores.get("samples", scores.get("images")),
                        seed=about.get("seed"),
                        date=date,
                    )
                )
    return tuple(found)


def _intervals(path: Path, scores: dict[str, Any]) -> dict[str, tuple[float, float]]:
    if not path.is_file():
        return {}
    said, found = load_predictions(path), {}
    for name in SCORES_OF[said.kind]:
        if name in scores:
            between = interval_of(statistic(said, name), len(said), said.group_numbers, resamples=1000)
            if abs(between.value - scores[name]) > 1e-6:
                raise UserError(
                    f"{path}: gives {name} {between.value:.4f}, and the model says {scores[name]:.4f}"
                )
            found[name] = (between.low, between.high)
    return found


def dataset_of(run: Path) -> str | None:
    """The name of the shard set that a run was trained on, where that still lies where it lay."""
    if not (run / RUN).is_file():
        return None
    manifest = Path(str((read_yaml(run / RUN).get("data") or {}).get("shards"))) / "manifest.json"
    return json.loads(manifest.read_bytes()).get("dataset") if manifest.is_file() else None


def write_model(folder: Path, out: Path, store: Store, licence: str) -> None:
    """Weights as they are to be stored, and what they are."""
    about = read_about(folder)
    weights = store(read_tensors(folder / WEIGHTS, about["weights_sha256"]))
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors would let nobody else read it
    write_json(out / ABOUT, about | {"licence": licence, "weights_sha256": sha256_of(out / WEIGHTS)})


def _facts(folder: Path, data: str | None) -> Facts:
    predictor = load_model(folder, "cpu")
    about, data = predictor.about, data or dataset_of(folder.parent)
    described = about["encoder"]
    return Facts(
        architecture={
            "name": described.get("name"),
            "encoder": described.get("architecture") or described.get("arguments") or {},
            "person": about["person"],
            "squeeze": about.get("squeeze"),
            "heads": about["heads"],
        },
        preprocessing=preprocessing_of(
            predictor.task.encoder, predictor.interpolation, predictor.crop_fraction
        ),
        parameters=sum(value.numel() for value in predictor.task.state_dict().values()),
        metrics=metrics_of(folder, about, data),
        calibration={name: _calibration(scores) for name, scores in about.get("scores", {}).items()},
        training=trained_as(about),
        data=data,
        licence=about.get("licence"),
        faces=shows_faces(predictor)[0],
    )


def _calibration(scores: dict[str, Any]) -> dict[str, Any]:
    """Without the diagrams' bins."""
    said = scores.get("calibration") or {}
    kept = {
        when: {key: said[when][key] for key in CALIBRATED} for when in ("before", "after") if when in said
    }
    return kept | ({"temperature": said["temperature"]} if said.get("temperature") else {})


def _load(folder: Path) -> Runnable:
    predictor = load_model(folder, "cpu")
    task = predictor.task

    @torch.inference_mode()
    def outputs(images: Tensor) -> dict[str, Tensor]:
        batch: dict[str, Any] = {"image": images}
        if task.fusion is not None:  # every other picture shows a person
            batch |= {"person": images.flip(0), "has_person": torch.arange(len(images)) % 2 == 0}
        return {name: value.float() for name, value in task.outputs(batch).items()}

    heads = {name: HeadColumns.model_validate(each) for name, each in predictor.heads.items()}
    return Runnable(predictor.image_size, outputs, heads)


def _write(folder: Path, out: Path, store: Store, name: str, licence: str) -> None:
    write_model(folder, out, store, licence)


EMOTION = ModelKind("emotion", lambda run: model_folder(run, "emotion"), _facts, _write, _load)
