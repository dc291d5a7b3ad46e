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
from ..zoo import load_encoder, save_release
from ..zoo.release import DESCRIPTION_NAME
from .attributes import Vocabulary, read_vocabulary
from .config import FinalProbe, PretrainConfig
from .masked_autoencoder import MaskedAutoencoder
from .pictures import save_reconstructions
from .release import headline, release_description, run_description
from .sentences import SentenceBuilder
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
    world = join_world(config.training.device)
    sentence = SentenceBuilder(config.sentences)
    teacher = _cached(config)
    data = config.data
    if isinstance(teacher, CachedTeacher):
        names = [name for name in teacher.columns if name and name not in data.sidecars]
        data = data.model_copy(update={"sidecars": (*data.sidecars, *names)})
    local = isinstance(data.shards, Path)
    shards = ShardSet(data.shards, sidecars=data.sidecars) if local else None
    if shards is not None and config.objective.uses_texts:
        _check_sentences(shards, data.split, sentence)
    if teacher is None and config.objective.uses_teacher:
        options, cache = config.teacher.options(), config.teacher.cache
        teacher = load_teacher(config.teacher.name, options, shards, cache, sentence, world)
    vocabulary = _vocabulary(config, shards, world)
    torch.manual_seed(config.training.seed)  # the initial weights
    task = UniEmoX(config.model, config.objective, teacher, vocabulary)
    if config.model.init:
        initialise(task.model, config.model.init)
    extras: list[Extra] = []
    if isinstance(teacher, CachedTeacher):
        extras.append(teacher.rows_of)
    if vocabulary is not None:
        extras.append(vocabulary.targets)
    source = open_batches(
        data,
        PretrainView(config.view, config.model.image_size, sentence, extras),
        global_batch=config.training.batch_size,
        seed=config.training.seed,
        rank=world.rank,
        world=world.size,
        accumulation=config.training.accumulation,
    )
    description = run_description(config, shards, teacher, vocabulary)
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
        about = release_description(config, shards, description, summary)
        released = save_release(release, _below("trunk.", model.state_dict()), about)
        if config.probe is not None:
            report = run_probe(config.probe, release, config.data, config.out, teacher)
            released = released.model_copy(update={"metrics": {"linear": headline(report)}})
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
    settings: FinalProbe, release: Path, data: StreamConfig, out: Path, teacher: AnyTeacher | None
) -> ProbeReport:
    """Probe the release, print the table, keep it in `out/probe.json`."""
    shards = settings.shards or data.shards
    if not isinstance(shards, Path):
        raise UserError("probe.shards must be a local folder where data.shards is a URL")
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
    if not isinstance(config.data.shards, Path):
        raise UserError("teacher.cached needs a local shard set: embeddings are made and checked there")
    return open_cached(name, [config.data.shards], config.view, config.sentences, objective.uses_texts)


def _vocabulary(config: PretrainConfig, shards: ShardSet | None, world: World) -> Vocabulary | None:
    if "attributes" not in config.objective.losses:
        return None
    if shards is None:
        raise UserError("objective.components has attributes, whose classes are read from a local shard set")
    records = (shards.record(config.data.split, index) for index in range(shards.count(config.data.split)))
    return world.on_main(lambda: read_vocabulary(records, config.objective.attributes))


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
