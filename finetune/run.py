"""A fine-tuning run: an encoder, heads and a trainer joined; the best checkpoint released and measured."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..datasets.stream import DataConfig, ShardSet, StreamConfig, evaluation_batches, open_batches
from ..foundation.config import dump_config
from ..foundation.errors import UserError
from ..foundation.files import sha256_of, write_atomically, write_json
from ..foundation.terminal import table_text
from ..pretrain.data import TrainingData, open_data
from ..training import Trainer, World, join_world, leave_world
from ..training.checkpoint import read_facts, read_state
from ..training.run_folder import environment
from ..zoo import load_encoder
from .augmentation import FinetuneEvaluationView, FinetuneView
from .config import FinetuneConfig
from .emotion import build_head, count_targets
from .scores import by_class, head_scores, main_score, predictions
from .task import FinetuneTask

WEIGHTS, ABOUT, REPORT = "model.safetensors", "model.json", "report.json"


def finetune(config: FinetuneConfig) -> Path:
    """Fine-tune (or go on) in `config.out`; returns `out/model`, with the best checkpoint's weights.

    The checkpoint is chosen by the first head's main score on the validation split; the test split is read
    once, at the end. All processes of a torchrun call this. Raises UserError for mistakes in config or data.
    """
    world = join_world(config.training.device, config.training.timeout)
    data, held_out = open_data(config.data), _held_out(config)
    torch.manual_seed(config.training.seed)  # the heads' first weights
    encoder = load_encoder(
        config.encoder,
        random=config.random,
        image_size=config.image_size,
        seed=config.training.seed,
        drop_path=config.drop_path,
    )
    heads = {name: build_head(name, each, encoder.width) for name, each in config.heads.items()}
    for head in heads.values():
        head.set_counts(*world.on_main(lambda head=head: count_targets(head.targets, data.records())))
    task = FinetuneTask(encoder, heads, config.mixing, config.train)
    extras = [head.targets for head in heads.values()]
    size, training = encoder.image_size, config.training
    if "best" not in training.model_fields_set:
        score, end = main_score(config.heads)
        best = f"{config.evaluation.validation_split}_{score}"
        training = training.model_copy(update={"best": best, "best_is": end})
    source = open_batches(
        config.data,
        FinetuneView(config.view, size, extras),
        global_batch=training.batch_size,
        seed=training.seed,
        rank=world.rank,
        world=world.size,
        accumulation=training.accumulation,
    )
    view = FinetuneEvaluationView(config.view, size, extras, config.evaluation.crop_fraction)

    def predict(module: Any, split: str) -> dict[str, Any]:
        batches = evaluation_batches(
            held_out,
            split,
            view,
            config.evaluation.batch_size,
            world.rank,
            world.size,
            config.data.workers,
            config.data.fast,
        )
        return predictions(module, batches, world, held_out.count(split))

    def evaluate(module: Any) -> dict[str, float]:
        split = config.evaluation.validation_split
        return {
            f"{split}_{name}_{score}": value
            for name, (_, outputs, targets) in predict(module, split).items()
            for score, value in head_scores(module.heads[name], outputs, targets).items()
        }

    description = _description(config, data, encoder.description)
    trainer = Trainer(task, source, training, config.out, description, world=world, evaluate=evaluate)
    summary = trainer.fit()
    chosen = _take_best(trainer, world)
    about = {**description, "chosen": chosen, "seed": training.seed, "environment": environment()}
    about |= {"image_size": size, "crop_fraction": config.evaluation.crop_fraction}
    about["licence"] = config.licence or _licence(data, encoder.description)
    if config.evaluation.test_split is not None:
        found = predict(task.eval(), config.evaluation.test_split)
        about["scores"] = {
            name: {
                "split": config.evaluation.test_split,
                "samples": len(targets),
                **head_scores(task.heads[name], outputs, targets),
                "by_class": by_class(task.heads[name], outputs, targets),
            }
            for name, (_, outputs, targets) in found.items()
        }
    if world.is_main:
        with write_atomically(config.out / "finetune.yaml") as stream:  # `vemo finetune` takes it
            stream.write(dump_config(config).encode())
        _save(config.out / "model", task, about)
        write_json(config.out / REPORT, about | {"run": summary})
        print(_table(about))
    leave_world()
    return config.out / "model"


def _take_best(trainer: Trainer, world: World) -> dict[str, Any]:
    """Load the best checkpoint's (averaged) weights into the task; which it is, and its metrics."""
    folder = world.on_main(trainer.checkpoints.chosen)
    if folder is None:
        raise UserError(f"{trainer.run_dir}: no checkpoint has the metric {trainer.config.best}")
    state = read_state(folder)
    trainer.learner.task.load_state_dict(state["average"] or state["model"])
    facts = read_facts(folder)
    return {"step": facts["step"], "by": trainer.config.best, "metrics": facts["metrics"]}


def _save(folder: Path, task: FinetuneTask, about: dict[str, Any]) -> None:
    """Weights, then what they are: a folder with a model.json is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    weights = {name: value.contiguous().cpu() for name, value in task.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    write_json(folder / ABOUT, {"format": 1, **about, "weights_sha256": sha256_of(folder / WEIGHTS)})


def _description(config: FinetuneConfig, data: TrainingData, encoder: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint depends on, so that it may not change when the run is resumed."""
    sections = {name: each.model_dump(mode="json") for name, each in config.heads.items()}
    return {
        "data": data.description(),
        "encoder": encoder,
        "image_size": config.image_size,
        "train": config.train,
        "drop_path": config.drop_path,
        "heads": sections,
        "view": config.view.model_dump(mode="json"),
        "mixing": config.mixing.model_dump(mode="json") if config.mixing else None,
        "evaluation": config.evaluation.model_dump(mode="json", exclude={"shards", "batch_size"}),
    }


def _licence(data: TrainingData, encoder: dict[str, Any]) -> str | None:
    """Of the images, and of the weights that training began with: both bind."""
    stated = {"images": data.licence, "encoder": None if encoder.get("random") else encoder.get("licence")}
    return "; ".join(f"{what}: {licence}" for what, licence in stated.items() if licence) or None


def _table(about: dict[str, Any]) -> str:
    """Head by head, the scores on the test split."""
    rows = [
        (name, score, f"{value:.4f}")
        for name, scores in about.get("scores", {}).items()
        for score, value in scores.items()
        if isinstance(value, float)
    ]
    chosen = about["chosen"]
    head = f"chosen: step {chosen['step']}, by {chosen['by']}"
    return f"{head}\n{table_text(('head', 'score', 'test'), rows)}" if rows else head


def _held_out(config: FinetuneConfig) -> ShardSet:
    settings = config.evaluation
    folder = settings.shards or _only_folder(config.data)
    shards = ShardSet(folder)
    for split in filter(None, (settings.validation_split, settings.test_split)):
        if split not in shards.splits or shards.count(split) == 0:
            raise UserError(f"{folder}: no split {split!r} to evaluate on, only {', '.join(shards.splits)}")
    trained = {each.split for each in _sets(config.data) if Path(each.shards) == Path(folder)}
    if both := trained & {settings.validation_split, settings.test_split}:
        raise UserError(
            f"{folder}: split {both.pop()!r} is trained on, so nothing can be chosen or measured on it"
        )
    return shards


def _sets(data: DataConfig) -> list[Any]:
    return [data] if isinstance(data, StreamConfig) else list(data.mixture.values())


def _only_folder(data: DataConfig) -> Path:
    if not isinstance(data, StreamConfig) or isinstance(data.shards, str):
        raise UserError("evaluation.shards must be a local folder where data is a URL or a mixture")
    return data.shards
