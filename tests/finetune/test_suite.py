"""Fine-tuning as a protocol of the suite: its cells are runs of `vemo finetune` with the suite's choices."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from vemo.evaluation.predictions import load_predictions
from vemo.evaluation.scoring import flat_scores
from vemo.evaluation.suite import evaluate
from vemo.evaluation.suite.config import EncoderConfig, FinetuneProtocol, SuiteConfig, TaskConfig
from vemo.evaluation.suite.tasks import open_task
from vemo.finetune.suite import FINETUNE, cell_config
from vemo.foundation import UserError

RECIPE = {
    "out": "unused",
    "encoder": "unused",
    "heads": {"emotion": {"kind": "single", "space": "ekman6", "label_smoothing": 0.1}},
    "data": {"shards": "unused", "workers": 0},
    "view": {"policy": "none"},
    "training": {"epochs": 2, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 3e-3}},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def task_of(shards: Path, **changes) -> TaskConfig:
    values = {"title": "Stripes", "build": "x.yaml", "shards": shards, "kind": "single", "space": "mikels8"}
    return TaskConfig.model_validate({**values, **changes})


def test_a_cell_is_the_users_recipe_with_the_suites_choices(shards, recipe, tmp_path) -> None:
    task = open_task("stripes", task_of(shards, main="accuracy"))
    protocol = FinetuneProtocol(
        config=recipe,
        settings=("data.select.fraction=0.5", "data.select.space=ekman6"),
        for_task={"stripes": ("training.epochs=3",), "other": ("training.epochs=9",)},
    )
    config = cell_config(protocol, task, EncoderConfig(weights="there", random=True), 7, tmp_path / "cell")
    assert (config.out, config.encoder, config.random) == (tmp_path / "cell", "there", True)
    head = config.heads["emotion"]
    assert (head.kind, head.space, head.label_smoothing) == ("single", "mikels8", 0.1)
    assert (config.training.epochs, config.training.seed) == (3, 7)
    assert (config.training.best, config.training.best_is) == ("val_emotion_accuracy", "highest")
    select = config.data.select
    assert (select.space, select.fraction, select.seed, select.hold_out) == ("mikels8", 0.5, 7, 0)
    held = open_task("stripes", task_of(shards, validation_split=None))
    config = cell_config(FinetuneProtocol(config=recipe), held, EncoderConfig(weights="there"), 1, tmp_path)
    assert config.data.select.hold_out == 0.1 and config.training.best == "hold_out_emotion_macro_f1"


def test_a_head_of_another_kind_takes_none_of_the_recipes_settings(shards, recipe, tmp_path) -> None:
    task = open_task("stripes", task_of(shards, kind="distribution"))
    config = cell_config(FinetuneProtocol(config=recipe), task, EncoderConfig(weights="x"), 1, tmp_path)
    assert config.heads["emotion"].model_dump(exclude_unset=True) == {
        "kind": "distribution",
        "space": "mikels8",
    }
    assert (config.training.best, config.training.best_is) == ("val_emotion_kl", "lowest")


def test_a_suite_fine_tunes_and_goes_on_inside_of_a_cell(shards, release, recipe, tmp_path, capsys) -> None:
    torch.set_num_threads(1)
    described = tmp_path / "stripes.yaml"
    described.write_text(yaml.safe_dump(task_of(shards).model_dump(mode="json")))
    config = SuiteConfig.model_validate(
        {
            "out": tmp_path / "suite",
            "tasks": {"stripes": described},
            "encoders": {"ours": {"weights": str(release)}},
            "protocols": {"finetune": {"kind": "finetune", "config": str(recipe)}},
            "seeds": [1],
            "resamples": 200,
        }
    )
    found = evaluate(config, FINETUNE, lambda settings: None)  # pyright: ignore[reportArgumentType]
    assert found.ok
    (row,) = found.report["rows"]
    cell = tmp_path / "suite" / row["cells"][0]
    said = load_predictions(cell / "test.safetensors")
    (run,) = cell.glob("run-*")
    report = json.loads((run / "report.json").read_text())
    assert row["scores"]["macro_f1"]["mean"] == flat_scores(said)["macro_f1"]
    assert report["scores"]["emotion"]["macro_f1"] == flat_scores(said)["macro_f1"]
    assert report["scores"]["emotion"]["calibration"]["temperature"]["nll_after"] > 0
    page = (cell / "index.html").read_text()
    assert "<h1>Stripes · " in page and "Surest and right" in page and "data:image/jpeg" in page
    # The cell's mark gone, as after a kill: the finished run below it is found, and says the same.
    (cell / "cell.json").unlink()
    steps = (run / "metrics.jsonl").read_text()
    again = evaluate(config, FINETUNE, lambda settings: None)  # pyright: ignore[reportArgumentType]
    assert again.report["rows"] == found.report["rows"]
    assert (run / "metrics.jsonl").read_text() == steps
    # Another rate is another recipe: it begins anew, and nothing of the old run is left.
    recipe.write_text(
        yaml.safe_dump({**RECIPE, "training": {**RECIPE["training"], "optimizer": {"lr": 1e-5}}})
    )
    evaluate(config, FINETUNE, lambda settings: None)  # pyright: ignore[reportArgumentType]
    (other,) = cell.glob("run-*")
    assert other != run and not torch.equal(load_predictions(cell / "test.safetensors").outputs, said.outputs)


def test_a_recipe_that_does_not_fit_the_task_is_a_user_error(shards, recipe, tmp_path) -> None:
    wheel = {"emotion": {"kind": "single", "space": "mikels8", "wheel_temperature": 1.0}}
    recipe.write_text(yaml.safe_dump({**RECIPE, "heads": wheel}))
    task = open_task("stripes", task_of(shards, space="polarity2", spaces={"mikels8": "polarity2"}))
    with pytest.raises(UserError, match="does not fit stripes"):
        cell_config(FinetuneProtocol(config=recipe), task, EncoderConfig(weights="x"), 1, tmp_path)
    recipe.write_text(yaml.safe_dump({**RECIPE, "data": {"shards": "x", "select": {"hold_out": 0.2}}}))
    with pytest.raises(UserError, match="hold_out is the suite's to set"):
        cell_config(FinetuneProtocol(config=recipe), task, EncoderConfig(weights="x"), 1, tmp_path)
