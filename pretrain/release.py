"""What a pretraining run says of itself: to its checkpoints, and in the release that ends it."""

from typing import Any

from ..evaluation import ProbeReport
from ..training.run_folder import environment
from ..zoo import Architecture, Preprocessing, ReleaseDescription
from .attributes import Vocabulary
from .config import PretrainConfig
from .data import TrainingData
from .fitting import StartingWeights
from .teachers import AnyTeacher, CachedTeacher


def run_description(
    config: PretrainConfig,
    data: TrainingData,
    teacher: AnyTeacher | None,
    vocabulary: Vocabulary | None,
) -> dict[str, Any]:
    """What a checkpoint depends on, so that it may not change when the run is resumed."""
    description: dict[str, Any] = {"data": data.description()}
    for section in ("model", "view", "sentences", "objective"):
        description[section] = getattr(config, section).model_dump(mode="json")
    if teacher is not None:
        description["teacher"] = {"name": config.teacher.name, "fingerprint": teacher.fingerprint}
        if isinstance(teacher, CachedTeacher):
            description["teacher"] |= {"name": teacher.name, "scenes": teacher.scenes}
        else:
            description["teacher"]["normalisation"] = config.teacher.normalisation
    if vocabulary is not None:
        description["vocabulary"] = vocabulary.facts()
    return description


def release_description(
    config: PretrainConfig,
    data: TrainingData,
    description: dict[str, Any],
    summary: dict[str, Any],
    started: StartingWeights,
) -> ReleaseDescription:
    """The JSON beside the released weights, before anything was probed."""
    return ReleaseDescription(
        name=config.out.name,
        architecture=Architecture(
            arguments=config.model.architecture(), positions="sincos2d", pooling=config.model.pooling
        ),
        preprocessing=Preprocessing(
            image_size=config.model.image_size, interpolation=config.view.interpolation
        ),
        training={
            "method": " + ".join(config.objective.losses)
            + (" with the person branch" if config.objective.uses_fusion else ""),
            "supervision": _supervision(config),
            "started_from": started.facts(),
            "epochs": config.training.epochs,
            "images_seen": summary["samples"],
            "seed": config.training.seed,
            "losses": {name: value for name, value in summary["metrics"].items() if name != "data_wait"},
            **description,
            "environment": environment(),
        },
        data=data.facts(),
        licence=config.licence or _licence(data.licence, started.licence),
    )


def _licence(images: str | None, weights: str | None) -> str | None:
    """That of the images and that of the weights the run started from: both bind."""
    named = [
        f"{what}: {licence}" for what, licence in (("images", images), ("started from", weights)) if licence
    ]
    return "; ".join(named) if weights else images


def _supervision(config: PretrainConfig) -> str:
    """Which way emotion labels went into the weights; the stand-ins were fitted on the sentences, too."""
    objective, ways = config.objective, []
    if "attributes" in objective.losses and "emotion" in objective.attributes.names:
        ways.append("emotion labels are learnt by a head")
    if config.sentences.text_emotion and objective.uses_teacher:
        ways.append("emotion labels are part of the teacher's sentences")
    return "; ".join(ways) or "no emotion labels"


def headline(report: ProbeReport) -> dict[str, Any]:
    """The linear probe's scores of the released encoder, value and interval, for the release's JSON."""
    intervals = report["pretrained"].scores["linear"].intervals
    return {
        "label_space": report.facts["label_space"]["name"],
        "dataset": report.facts["dataset"],
        **{name: [found.value, found.low, found.high] for name, found in intervals.items()},
    }
