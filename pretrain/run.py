"""A pretraining run: shards, teacher, task and trainer joined, and a release at the end."""

import logging
from pathlib import Path
from typing import Any

import torch

from ..datasets.stream import ShardSet, open_batches
from ..evaluation import ProbeConfig, ProbeReport, probe
from ..foundation.config import dump_config
from ..foundation.errors import UserError
from ..foundation.files import write_atomically, write_json
from ..training import Trainer, World, join_world, leave_world
from ..zoo import save_release
from ..zoo.release import DESCRIPTION_NAME
from .attributes import read_vocabulary
from .config import FinalProbe, PretrainConfig
from .data import TrainingData, homes, joined, open_data
from .masked_autoencoder import MaskedAutoencoder
from .pictures import observe, save_reconstructions
from .release import headline, release_description, run_description
from .sentences import SentenceBuilder
from .starting_weights import initialise
from .task import UniEmoX
from .teachers import AnyTeacher, CachedTeacher, Teacher, load_teacher, open_cached
from .views import Extra, PretrainView

logger = logging.getLogger(__name__)
LOOKED_AT = 256  # records whose sentences are compared before a run starts


def pretrain(config: PretrainConfig) -> Path:
    """Pretrain (or go on pretraining) in `config.out`; returns the release folder `out/release`.

    All processes of a torchrun call this; the main one writes. Raises UserError for mistakes in the config,
    the shards or the teacher.
    """
    world = join_world(config.training.device, config.training.timeout)
    sentence = SentenceBuilder(config.sentences)
    teacher, settings = _cached(config), config.data
    if isinstance(teacher, CachedTeacher):
        settings = joined(settings, [name for name in teacher.columns if name])
    data = open_data(settings)
    if config.objective.uses_texts:
        _check_sentences(data, sentence)
    if teacher is None and config.objective.uses_teacher:
        teacher = _live(config, data, sentence, world)
    vocabulary = None
    if "attributes" in config.objective.losses:
        vocabulary = world.on_main(lambda: read_vocabulary(data.records(), config.objective.attributes))
    torch.manual_seed(config.training.seed)  # the initial weights
    task = UniEmoX(config.model, config.objective, teacher, vocabulary)
    started = initialise(task.model, config.model.init)
    extras: list[Extra] = []
    if isinstance(teacher, CachedTeacher):
        extras.append(teacher.rows_of)
    if vocabulary is not None:
        extras.append(vocabulary.targets)
    source = open_batches(
        settings,
        PretrainView(config.view, config.model.image_size, sentence, extras),
        global_batch=config.training.batch_size,
        seed=config.training.seed,
        rank=world.rank,
        world=world.size,
        accumulation=config.training.accumulation,
    )
    description = run_description(config, data, teacher, vocabulary)
    trainer = Trainer(task, source, config.training, config.out, description, world=world, observe=observe)
    if config.model.init:
        trainer.journal.say(str(started))
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
        about = release_description(config, data, description, summary, started)
        released = save_release(release, _below("trunk.", model.state_dict()), about)
        if config.probe is not None:
            report = run_probe(config.probe, release, data, config.out, teacher)
            released = released.model_copy(update={"metrics": {"linear": headline(report)}})
            write_json(release / DESCRIPTION_NAME, released.model_dump(mode="json"))
    leave_world()
    return release


def run_probe(
    settings: FinalProbe, release: Path, data: TrainingData, out: Path, teacher: AnyTeacher | None
) -> ProbeReport:
    """Probe the release, print the table, keep it in `out/probe.json`."""
    shards = settings.shards or (data.only.folder if data.only else None)
    if shards is None:
        raise UserError("probe.shards must be a local folder where data is a URL or a mixture")
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    given |= {"checkpoint": settings.checkpoint or str(release), "shards": shards}
    given.setdefault("out", out / "probe.json")
    # A cached one can embed nothing new. Any: decorated methods hide that a Teacher is the probe's Teacher.
    tower: Any = teacher if isinstance(teacher, Teacher) else None
    report = probe(ProbeConfig(**given), tower)
    print(report.table)
    return report


def _below(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries of a state dict under `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _cached(config: PretrainConfig) -> AnyTeacher | None:
    """The teacher that was asked beforehand, where the config names one and needs one."""
    name, objective = config.teacher.cached, config.objective
    if name is None or not objective.uses_teacher:
        return None
    return open_cached(name, homes(config.data), config.view, config.sentences, objective.uses_texts)


def _live(config: PretrainConfig, data: TrainingData, sentence: SentenceBuilder, world: World) -> Teacher:
    options, name = config.teacher, config.teacher.name
    shards = ShardSet(options.shards) if options.shards else data.only
    if shards is None and data.mixture is not None and not name.startswith("open_clip:"):
        raise UserError(
            f"teacher {name!r} is fitted on one shard set, and data is a mixture: name one in teacher.shards"
        )
    return load_teacher(name, options.options(), shards, options.cache, sentence, world)


def _check_sentences(data: TrainingData, sentence: SentenceBuilder) -> None:
    """Refuse data whose sentences tell no two images apart: a loss over them would be about nothing."""
    for shards, split in data.sets:
        count = shards.count(split)
        step = max(1, count // LOOKED_AT)
        said = {sentence(shards.record(split, index)) for index in range(0, count, step)}
        if len(said - {""}) < 2:
            what = f"all say {next(iter(said))!r}" if said else "there are none"
            raise UserError(
                f"{shards.folder}: the sentences of split {split!r} do not differ ({what}); give the samples "
                "attributes, captions or labels, or leave contrastive and clip out of objective.components"
            )
