"""What a run leaves: the best checkpoint's weights, predictions, scores, a page for each head."""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ..datasets.stream import ShardSet
from ..evaluation.predictions import Predictions, save_predictions
from ..evaluation.reports import write_run_page
from ..evaluation.reports.attention import looking
from ..evaluation.scoring import by_class, calibration, flat_scores
from ..foundation.config import dump_config
from ..foundation.errors import UserError
from ..foundation.files import sha256_of, write_atomically, write_json
from ..foundation.terminal import table_text
from ..training import Trainer, World
from ..training.checkpoint import read_facts, read_state
from .config import FinetuneConfig
from .task import FinetuneTask

WEIGHTS, ABOUT, REPORT, PREDICTIONS = "model.safetensors", "model.json", "report.json", "predictions"


def take_best(trainer: Trainer, world: World) -> dict[str, Any]:
    """Load the best checkpoint's (averaged) weights into the task; which it is, and its metrics."""
    folder = world.on_main(trainer.checkpoints.chosen)
    if folder is None:
        raise UserError(f"{trainer.run_dir}: no checkpoint has the metric {trainer.config.best}")
    state = read_state(folder)
    trainer.learner.task.load_state_dict(state["average"] or state["model"])
    facts = read_facts(folder)
    return {"step": facts["step"], "by": trainer.config.best, "metrics": facts["metrics"]}


def scores_of(split: str, test: Predictions, validation: Predictions) -> dict[str, Any]:
    """All that is said of one head on the test split."""
    found = {"split": split, "samples": len(test), **flat_scores(test)}
    return found | {"calibration": calibration(test, validation), "by_class": by_class(test)}


def save_config(config: FinetuneConfig) -> None:
    """`out/finetune.yaml`, which `vemo finetune` takes."""
    with write_atomically(config.out / "finetune.yaml") as stream:
        stream.write(dump_config(config).encode())


def save_model(folder: Path, task: FinetuneTask, about: dict[str, Any]) -> None:
    """Weights, then what they are: a folder with a model.json is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    weights = {name: value.contiguous().cpu() for name, value in task.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    write_json(folder / ABOUT, {"format": 1, **about, "weights_sha256": sha256_of(folder / WEIGHTS)})


def save_measured(
    config: FinetuneConfig,
    task: FinetuneTask,
    about: dict[str, Any],
    shards: ShardSet,
    validation: dict[str, Predictions],
    test: dict[str, Predictions],
    title: str,
) -> None:
    """Predictions of both splits, and a page for each head; with its pictures where they fit an encoder."""
    for part, found in (("validation", validation), ("test", test)):
        for name, said in found.items():
            save_predictions(config.out / PREDICTIONS / f"{name}-{part}.safetensors", said)
    encoder = about["encoder"].get("name") or config.encoder
    chosen = f"step {about['chosen']['step']}, by {about['chosen']['by']}"
    facts = {"encoder": encoder, "trained": config.train, "checkpoint": chosen, "seed": str(about["seed"])}
    for name, said in test.items():
        head = task.heads[name]
        look = None
        if config.person == "none":  # a person's crop is no picture of the shards
            look = looking(task.encoder, lambda features, head=head: head(task.squeezed(features)).amax(1))
        write_run_page(
            config.out / f"{name}.html",
            f"{title} · {name}",
            facts,
            said,
            validation[name],
            shards,
            about["scores"][name]["split"],
            look,
        )


def table(about: dict[str, Any]) -> str:
    """Head by head, the scores on the test split; with those of both sides of each image where they are."""
    flipped = about.get("flipped", {})
    rows = [
        (name, score, f"{value:.4f}", *([f"{flipped[name][score]:.4f}"] if flipped else []))
        for name, scores in about.get("scores", {}).items()
        for score, value in scores.items()
        if isinstance(value, float)
    ]
    chosen = about["chosen"]
    head = f"chosen: step {chosen['step']}, by {chosen['by']}"
    columns = ("head", "score", "test", *(["and flipped"] if flipped else []))
    return f"{head}\n{table_text(columns, rows)}" if rows else head
