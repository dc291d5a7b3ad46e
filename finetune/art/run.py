"""A run of SEVLM: answers, vocabulary, lexicon, encoder and trainer joined; the best checkpoint measured."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from ...datasets.stream import ShardSet, TrainStream, evaluation_batches, selected
from ...datasets.taxonomy import label_space
from ...evaluation.captions import meteor, missing_for_meteor
from ...evaluation.predictions import save_predictions
from ...foundation.errors import UserError
from ...foundation.files import write_json
from ...pretrain.data import TrainingData, joined, open_data
from ...training import Trainer, World, join_world, leave_world
from ...training.run_folder import environment
from ...zoo import load_encoder
from ..held_out import open_held_out
from ..outcome import PREDICTIONS, REPORT, save_config, save_model, table, take_best
from .answers import AnswerSet, AnswerView, texts_of
from .config import ArtConfig
from .explainer import VOCABULARY
from .lexicon import Lexicon, read_lexicon
from .measure import Told, emotion_reader, save_told, tell_split
from .model import Sevlm
from .patches import PatchView, patch_view
from .released import load_released
from .sequences import SequenceBuilder, WordReader
from .task import ArtTask
from .vision import Look, Vision
from .vocabulary import Vocabulary, gpt2_vocabulary, train_vocabulary


def finetune_art(config: ArtConfig, quiet: bool = False) -> Path:
    """Train SEVLM (or go on) in `config.out`; returns `out/model`, with the best checkpoint's weights.

    The checkpoint is chosen by BLEU-4 on the validation split, as in the paper, unless `training.best` names
    another score; the test split is read once, at the end. All processes of a torchrun call this. Raises
    UserError for mistakes in config or data.
    """
    world = join_world(config.training.device, config.training.timeout)
    config = _with_a_choice(config)
    training = config.training
    if config.evaluation.meteor and (lacking := missing_for_meteor()):
        raise UserError(f"evaluation.meteor: {lacking}")
    data = open_data(config.data)
    if data.only is None:
        raise UserError("kind: art needs one local shard set: its answers are counted before training starts")
    held_out = open_held_out(cast(Any, config), data)
    answers = AnswerSet(
        data.only,
        config.data.split,
        selected(data.only, config.data.split, config.data.select),
        label_space(config.space).names,
        config.images == "multi_emotion",
    )
    lexicon = read_lexicon(config.model.vad.lexicon) if config.model.vad else None
    vocabulary = build_vocabulary(config, data, world)
    task, look, encoder = build_task(config, vocabulary, data.only)
    if task.model.released is not None and world.is_main and not quiet:
        print(task.model.released)
    reader = WordReader(vocabulary, lexicon, config.model.vad.level) if lexicon and config.model.vad else None
    builder = SequenceBuilder(vocabulary, reader, config.model.max_length)
    source = TrainStream(
        cast(ShardSet, answers),
        config.data.split,
        AnswerView(look, builder, config.model.contrastive is not None),
        training.batch_size,
        training.seed,
        world.rank,
        world.size,
        training.accumulation,
        config.data.workers,
        config.data.fast,
    )

    def told(module: Any, shards: ShardSet, split: str, numbers: Any = None) -> Told:
        settings, data = config.evaluation, config.data
        batches = evaluation_batches(
            shards, split, look, settings.batch_size, world.rank, world.size, data.workers, data.fast, numbers
        )
        return tell_split(module, batches, world, shards, split, config.space, reader, settings.generation)

    shards, split, numbers = held_out.validation
    numbers = _spaced(
        np.arange(shards.count(split)) if numbers is None else numbers, config.evaluation.images
    )

    def evaluate(module: Any) -> dict[str, float]:
        found = told(module, shards, split, numbers).scores()
        return {f"{config.evaluation.validation_name}_{name}": value for name, value in found.items()}

    description = _description(config, data, vocabulary, lexicon, encoder)
    trainer = Trainer(task, source, training, config.out, description, world=world, evaluate=evaluate)
    summary = trainer.fit()
    chosen = take_best(trainer, world)
    about = {**description, "chosen": chosen, "seed": training.seed, "environment": environment()}
    about["licence"] = config.licence or _licence(data, encoder)
    if task.model.released is not None:
        about["released"] = task.model.released.facts
    test = None
    if held_out.test is not None:
        test = told(task.eval(), held_out.shards, held_out.test)
        about["scores"] = {"art": {"split": held_out.test, "images": len(test.texts), **test.scores()}}
        if world.is_main and test.texts:
            read = emotion_reader(texts_of(data.records(), vocabulary.emotions), vocabulary.emotions)
            about["scores"]["art"] |= test.alignment(read)
            if config.evaluation.meteor:
                about["scores"]["art"]["meteor"] = meteor(test.texts, test.references)
    if world.is_main:
        save_config(cast(Any, config))
        (config.out / "model").mkdir(parents=True, exist_ok=True)
        (config.out / "model" / VOCABULARY).write_text(vocabulary.content, encoding="utf-8")
        save_model(config.out / "model", cast(Any, task), about)
        if test is not None:
            save_told(config.out / "explanations.jsonl", test)
            save_predictions(config.out / PREDICTIONS / "emotion-test.safetensors", test.emotions)
        write_json(config.out / REPORT, about | {"run": summary})
        if not quiet:
            print(table(about))
    leave_world()
    return config.out / "model"


def build_vocabulary(config: ArtConfig, data: TrainingData, world: World) -> Vocabulary:
    """GPT-2's, or one trained on the answers of the train split; the same in every process."""
    emotions, settings = label_space(config.space).names, config.vocabulary
    if settings.gpt2 is not None:
        return gpt2_vocabulary(settings.gpt2, emotions)

    def content() -> str:
        texts = texts_of(data.records(), emotions)
        return train_vocabulary(texts, emotions, settings.size, settings.min_frequency).content

    return Vocabulary(world.on_main(content), emotions)


def build_task(
    config: ArtConfig, vocabulary: Vocabulary, shards: ShardSet
) -> tuple[ArtTask, Look | PatchView, dict[str, Any]]:
    """(task before its first step, drawn from the run's seed; what it sees of an image; its encoder)."""
    torch.manual_seed(config.training.seed)
    if config.patches is not None:
        view, width, encoder = patch_view(config, shards)
        return ArtTask(None, build_model(config, vocabulary, width)), view, encoder
    loaded = load_encoder(
        config.encoder, random=config.random, image_size=config.image_size, seed=config.training.seed
    )
    vision = Vision(loaded, config.tuned, config.pixels)
    task = ArtTask(vision, build_model(config, vocabulary, vision.width))
    return task, Look(loaded.image_size, config.pixels), loaded.description


def build_model(config: ArtConfig, vocabulary: Vocabulary, width: int) -> Sevlm:
    """SEVLM for patches of `width`, drawn, or with the authors' weights."""
    model = Sevlm(config.model, vocabulary, width)
    if config.model.released is not None:
        model.released = load_released(model, config.model.released)
    return model


def _spaced(numbers: np.ndarray, count: int | None) -> np.ndarray:
    """`count` of the numbers, evenly spaced; None: all."""
    if count is None or count >= len(numbers):
        return numbers
    return numbers[np.arange(count) * len(numbers) // count]


def _with_a_choice(config: ArtConfig) -> ArtConfig:
    """The config with the score that chooses the checkpoint, and the sidecar that it reads, if any."""
    if config.patches is not None:
        config = config.model_copy(update={"data": joined(config.data, [config.patches])})
    if "best" in config.training.model_fields_set:
        return config
    best = {"best": f"{config.evaluation.validation_name}_bleu_4", "best_is": "highest"}
    return config.model_copy(update={"training": config.training.model_copy(update=best)})


def _description(
    config: ArtConfig, data: TrainingData, vocabulary: Vocabulary, lexicon: Lexicon | None, encoder: Any
) -> dict[str, Any]:
    """What a checkpoint depends on, so that it may not change when the run is resumed."""
    model = config.model.model_dump(mode="json")
    model["decoder"].pop("weights")  # where they lie; what they were stands in the checkpoint
    model.pop("released")
    if lexicon is not None:
        model["vad"]["lexicon"] = {"sha256": lexicon.sha256, "lemmas": config.model.vad.lexicon.lemmas}  # pyright: ignore
    return {
        "kind": "art",
        "data": data.description(),
        "encoder": encoder,
        "image_size": config.image_size,
        "tuned": config.tuned,
        "pixels": config.pixels,
        "space": config.space,
        "images": config.images,
        "vocabulary": {"tokens": len(vocabulary), "trained": config.vocabulary.gpt2 is None},
        "model": model,
        "evaluation": config.evaluation.model_dump(mode="json", exclude={"shards", "batch_size", "meteor"}),
    }


def _licence(data: TrainingData, encoder: dict[str, Any]) -> str | None:
    stated = {"images": data.licence, "encoder": None if encoder.get("random") else encoder.get("licence")}
    return "; ".join(f"{what}: {licence}" for what, licence in stated.items() if licence) or None
