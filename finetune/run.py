"""A fine-tuning run: an encoder, heads and a trainer joined; the best checkpoint released and measured."""

from pathlib import Path
from typing import Any

import torch

from ..datasets.stream import ShardSet, evaluation_batches, open_batches
from ..evaluation.predictions import Predictions
from ..evaluation.scoring import flat_scores
from ..evaluation.targets import count_targets
from ..foundation.files import write_json
from ..pretrain.data import TrainingData, open_data
from ..training import Trainer, World, join_world, leave_world
from ..training.run_folder import environment
from ..zoo import load_encoder
from .config import FinetuneConfig
from .emotion import ContextFusion, build_head
from .held_out import open_held_out, without_person
from .lora import merge_adapters
from .outcome import REPORT, save_config, save_measured, save_model, scores_of, table, take_best
from .scores import main_score, mean_of, mirrored, predictions
from .sources import write_counts
from .task import FinetuneTask
from .views import FinetuneEvaluationView, FinetuneView


def finetune(config: FinetuneConfig, quiet: bool = False, title: str | None = None) -> Path:
    """Fine-tune (or go on) in `config.out`; returns `out/model`, with the best checkpoint's weights.

    The checkpoint is chosen by the first head's main score on the validation split (without one, on what is
    held out of the training split); the test split is read once, at the end. All processes of a torchrun call
    this. `quiet`: no table at the end. `title`: of the pages; by default the run folder's name.

    Raises:
        UserError: mistakes in config or data.
    """
    world = join_world(config.training.device, config.training.timeout)
    config = _with_a_choice(config)
    data = open_data(config.data)
    held_out, training = open_held_out(config, data), config.training
    task = build_task(config, data, world)
    unseen = world.on_main(lambda: without_person(config, data, held_out))
    extras, size = [head.targets for head in task.heads.values()], task.encoder.image_size
    source = open_batches(
        config.data,
        FinetuneView(config.view, size, extras, config.person),
        global_batch=training.batch_size,
        seed=training.seed,
        rank=world.rank,
        world=world.size,
        accumulation=training.accumulation,
    )
    view = FinetuneEvaluationView(config.view, size, extras, config.evaluation.crop_fraction, config.person)

    def predict(
        module: Any, shards: ShardSet, split: str, numbers: Any = None, mirror: bool = False
    ) -> dict[str, Predictions]:
        batches = evaluation_batches(
            shards,
            split,
            view,
            config.evaluation.batch_size,
            world.rank,
            world.size,
            config.data.workers,
            config.data.fast,
            numbers,
        )
        batches = mirrored(batches) if mirror else batches
        return predictions(module, batches, world, shards, split, whole=numbers is None)

    def evaluate(module: Any) -> dict[str, float]:
        return {
            f"{config.evaluation.validation_name}_{name}_{score}": value
            for name, found in predict(module, *held_out.validation).items()
            for score, value in flat_scores(found).items()
        }

    description = _description(config, data, task.encoder.description)
    trainer = Trainer(task, source, training, config.out, description, world=world, evaluate=evaluate)
    summary = trainer.fit()
    chosen = take_best(trainer, world)
    if config.lora is not None:
        merge_adapters(task.encoder)  # before the test: what is measured is what is released
    about = {**description, "chosen": chosen, "seed": training.seed, "environment": environment()}
    about |= {"image_size": size, "crop_fraction": config.evaluation.crop_fraction, "without_person": unseen}
    about["licence"] = config.licence or _licence(data, task.encoder.description)
    validation = test = None
    flipped: dict[str, Any] = {}
    if held_out.test is not None:
        validation = predict(task.eval(), *held_out.validation)
        test = predict(task, held_out.shards, held_out.test)
        about["scores"] = {
            name: scores_of(held_out.test, each, validation[name]) for name, each in test.items()
        }
        if config.evaluation.flip:
            both = [
                {name: mean_of(each, mirror[name]) for name, each in plain.items()}
                for plain, mirror in (
                    (validation, predict(task, *held_out.validation, mirror=True)),
                    (test, predict(task, held_out.shards, held_out.test, mirror=True)),
                )
            ]
            flipped = {name: scores_of(held_out.test, each, both[0][name]) for name, each in both[1].items()}
    if world.is_main:
        save_config(config)
        save_model(config.out / "model", task, about)
        if validation is not None and test is not None:
            save_measured(config, task, about, held_out.shards, validation, test, title or config.out.name)
        if data.mixture is not None:
            write_counts(config.out, data.mixture, {name: head.targets for name, head in task.heads.items()})
        about |= {"flipped": flipped} if flipped else {}
        write_json(config.out / REPORT, about | {"run": summary})
        if not quiet:
            print(table(about))
    leave_world()
    return config.out / "model"


def _with_a_choice(config: FinetuneConfig) -> FinetuneConfig:
    """The config with the score that chooses the checkpoint, where it does not name one."""
    if "best" in config.training.model_fields_set:
        return config
    score, end = main_score(config.heads)
    best = {"best": f"{config.evaluation.validation_name}_{score}", "best_is": end}
    return config.model_copy(update={"training": config.training.model_copy(update=best)})


def build_task(config: FinetuneConfig, data: TrainingData, world: World) -> FinetuneTask:
    """Encoder and heads as they are before the first step, drawn from the run's seed."""
    torch.manual_seed(config.training.seed)  # the heads' first weights
    encoder = load_encoder(
        config.encoder,
        random=config.random,
        image_size=config.image_size,
        seed=config.training.seed,
        drop_path=config.drop_path,
        arguments=config.encoder_arguments,
    )
    fusion = ContextFusion(encoder.width, config.context) if config.person == "crop_and_scene" else None
    width = encoder.width if fusion is None else fusion.width
    heads = {name: build_head(name, each, width) for name, each in config.heads.items()}
    for head in heads.values():
        head.set_counts(*world.on_main(lambda head=head: count_targets(head.targets, data.records())))
    return FinetuneTask(encoder, heads, config.mixing, config.train, fusion, config.lora, config.squeeze)


def _description(config: FinetuneConfig, data: TrainingData, encoder: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint depends on, so that it may not change when the run is resumed."""
    sections = {name: each.model_dump(mode="json") for name, each in config.heads.items()}
    return {
        "data": data.description(),
        "encoder": encoder,
        "image_size": config.image_size,
        "train": config.train,
        "lora": config.lora.model_dump(mode="json") if config.lora else None,
        "person": config.person,
        "context": config.context.model_dump(mode="json") if config.person == "crop_and_scene" else None,
        "drop_path": config.drop_path,
        **({"squeeze": config.squeeze.model_dump(mode="json")} if config.squeeze else {}),
        "heads": sections,
        "view": config.view.model_dump(mode="json"),
        "mixing": config.mixing.model_dump(mode="json") if config.mixing else None,
        "evaluation": config.evaluation.model_dump(mode="json", exclude={"shards", "batch_size", "flip"}),
    }


def _licence(data: TrainingData, encoder: dict[str, Any]) -> str | None:
    """Of the images, and of the weights that training began with: both bind."""
    stated = {"images": data.licence, "encoder": None if encoder.get("random") else encoder.get("licence")}
    return "; ".join(f"{what}: {licence}" for what, licence in stated.items() if licence) or None
