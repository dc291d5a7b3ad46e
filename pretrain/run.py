"""A pretraining run: shards, teacher, task and trainer joined, and a release at the end."""

import logging
from pathlib import Path
from typing import Any

import torch

from ..datasets.stream import ShardSet, StreamConfig, open_batches
from ..evaluation import ProbeConfig, ProbeReport, probe
from ..foundation.config import dump_config
from ..foundation.errors import UserError
from ..foundation.files import write_atomically, write_json
from ..training import Trainer, World, join_world, leave_world
from ..training.run_folder import environment
from ..zoo import Architecture, Preprocessing, ReleaseDescription, load_encoder, save_release
from ..zoo.release import DESCRIPTION_NAME
from .config import FinalProbe, PretrainConfig, TeacherConfig
from .masked_autoencoder import MaskedAutoencoder
from .pictures import save_reconstructions
from .sentences import SentenceBuilder
from .task import UniEmoX
from .teachers import Teacher, load_teacher
from .views import PretrainView

logger = logging.getLogger(__name__)
LOOKED_AT = 256  # records whose sentences are compared before a run starts


def pretrain(config: PretrainConfig) -> Path:
    """Pretrain (or go on pretraining) in `config.out`; returns the release folder `out/release`.

    All processes of a torchrun call this; the main one writes. Raises UserError for mistakes in the config,
    the shards or the teacher.
    """
    world = join_world(config.training.device)
    local = isinstance(config.data.shards, Path)
    shards = ShardSet(config.data.shards, sidecars=config.data.sidecars) if local else None
    sentence = SentenceBuilder(config.sentences)
    if shards is not None and "contrastive" in config.objective.losses:
        _check_sentences(shards, config.data.split, sentence)
    teacher = _teacher(config.teacher, shards, sentence, world) if config.objective.uses_teacher else None
    torch.manual_seed(config.training.seed)  # the initial weights
    task = UniEmoX(config.model, config.objective, teacher)
    if config.model.init:
        initialise(task.model, config.model.init)
    view = PretrainView(config.view, config.model.image_size, sentence)
    source = open_batches(
        config.data,
        view,
        global_batch=config.training.batch_size,
        seed=config.training.seed,
        rank=world.rank,
        world=world.size,
        accumulation=config.training.accumulation,
    )
    description = _description(config, shards, teacher)
    trainer = Trainer(task, source, config.training, config.out, description, world=world)
    summary = trainer.fit()
    weights = trainer.learner.weights()  # from every process
    release = config.out / "release"
    if world.is_main:
        with write_atomically(config.out / "pretrain.yaml") as stream:  # `vemo pretrain` takes it
            stream.write(dump_config(config).encode())
        # a model of its own: under FSDP the trained one is in pieces
        model = MaskedAutoencoder(config.model)
        model.load_state_dict(_below("model.", weights))
        if "reconstruction" in config.objective.losses:
            save_reconstructions(model, next(source.batches(0)), config.out / "reconstructions.png")
        about = _release(config, shards, description, summary)
        released = save_release(release, _below("trunk.", model.state_dict()), about)
        if config.probe is not None:
            report = run_probe(config.probe, release, config.data, config.out, teacher)
            released = released.model_copy(update={"metrics": {"linear": _headline(report)}})
            write_json(release / DESCRIPTION_NAME, released.model_dump(mode="json"))
    leave_world()
    return release


def initialise(model: MaskedAutoencoder, spec: str) -> None:
    """Start the encoder from pretrained weights (a release or a timm spec of the same architecture).

    Position embeddings are resampled to the model's patches. The decoder stays as drawn.
    """
    size = model.config.image_size if spec.startswith("timm:") else None
    source = load_encoder(spec, image_size=size)
    mine, theirs = model.trunk.state_dict(), source.model.state_dict()
    wrong = [name for name in mine if name not in theirs or theirs[name].shape != mine[name].shape]
    if wrong:
        raise UserError(
            f"model.init={spec}: not the encoder of this config: {len(wrong)} of {len(mine)} tensors are "
            f"absent or of another shape, such as {wrong[0]}"
        )
    unused = sorted(set(theirs) - set(mine))
    if unused:
        logger.warning("model.init=%s: %d tensors unused: %s", spec, len(unused), ", ".join(unused[:8]))
    model.trunk.load_state_dict({name: theirs[name] for name in mine})


def run_probe(
    settings: FinalProbe, release: Path, data: StreamConfig, out: Path, teacher: Teacher | None
) -> ProbeReport:
    """Probe the release, print the table, keep it in `out/probe.json`."""
    shards = settings.shards or data.shards
    if not isinstance(shards, Path):
        raise UserError("probe.shards must be a local folder where data.shards is a URL")
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    given |= {"checkpoint": settings.checkpoint or str(release), "shards": shards}
    given.setdefault("out", out / "probe.json")
    tower: Any = teacher  # its decorated methods hide from the type checker that it is the probe's Teacher
    report = probe(ProbeConfig(**given), tower)
    print(report.table)
    return report


def _below(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries of a state dict under `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _teacher(
    config: TeacherConfig, shards: ShardSet | None, sentence: SentenceBuilder, world: World
) -> Teacher:
    return load_teacher(config.name, config.options(), shards, config.cache, sentence, world)


def _check_sentences(shards: ShardSet, split: str, sentence: SentenceBuilder) -> None:
    """Refuse data whose sentences tell no two images apart: the contrastive loss would be about nothing."""
    count = shards.count(split)
    step = max(1, count // LOOKED_AT)
    said = {sentence(shards.record(split, index)) for index in range(0, count, step)}
    if len(said - {""}) < 2:
        what = f"all say {next(iter(said))!r}" if said else "there are none"
        raise UserError(
            f"{shards.folder}: the sentences of split {split!r} do not differ ({what}); give the samples "
            "attributes, captions or labels, or leave contrastive out of objective.components"
        )


def _description(config: PretrainConfig, shards: ShardSet | None, teacher: Teacher | None) -> dict[str, Any]:
    """What a checkpoint depends on, so that it may not change when the run is resumed.

    Not in it: where the shards lie and how many workers read them. Sidecars are in a local set's fingerprint.
    """
    local = set() if shards is None else {"sidecars"}
    data = config.data.model_dump(mode="json", exclude={"shards", "workers"} | local)
    data["shards"] = str(config.data.shards) if shards is None else shards.fingerprint
    description: dict[str, Any] = {"data": data}
    for section in ("model", "view", "sentences", "objective"):
        description[section] = getattr(config, section).model_dump(mode="json")
    if teacher is not None:
        description["teacher"] = {"name": config.teacher.name, "fingerprint": teacher.fingerprint}
        description["teacher"]["normalisation"] = config.teacher.normalisation
    return description


def _release(
    config: PretrainConfig, shards: ShardSet | None, description: dict[str, Any], summary: dict[str, Any]
) -> ReleaseDescription:
    manifest = shards.manifest if shards is not None else {}
    return ReleaseDescription(
        name=config.out.name,
        architecture=Architecture(
            arguments=config.model.architecture(), positions="sincos2d", pooling=config.model.pooling
        ),
        preprocessing=Preprocessing(
            image_size=config.model.image_size, interpolation=config.view.interpolation
        ),
        training={
            "method": "UniEmoX pretraining: masked reconstruction and distillation from a frozen teacher",
            "supervision": "emotion labels are part of the teacher's sentences"
            if config.sentences.text_emotion and config.objective.uses_teacher
            else "no emotion labels",
            "epochs": config.training.epochs,
            "images_seen": summary["samples"],
            "seed": config.training.seed,
            "losses": {name: value for name, value in summary["metrics"].items() if name != "data_wait"},
            **description,
            "environment": environment(),
        },
        data={
            "dataset": manifest.get("dataset", str(config.data.shards)),
            "split": config.data.split,
            "samples": shards.count(config.data.split) if shards is not None else None,
        },
        licence=config.licence or manifest.get("licence"),
    )


def _headline(report: ProbeReport) -> dict[str, Any]:
    """The linear probe's scores of the released encoder, value and interval, for the release's JSON."""
    intervals = report["pretrained"].scores["linear"].intervals
    return {
        "label_space": report.facts["label_space"]["name"],
        "dataset": report.facts["dataset"],
        **{name: [found.value, found.low, found.high] for name, found in intervals.items()},
    }
