"""What a run writes, skips, stops at and averages."""

import json
import math
import re

import pytest
import torch
import yaml
from torch import nn
from toy_runs import ToyTask, toy_config, toy_trainer
from vemo.foundation import UserError
from vemo.foundation.files import read_json_lines
from vemo.training import Task
from vemo.training.safeguards import NonFinitePolicy


def test_the_run_folder(tmp_path):
    toy_trainer(tmp_path, toy_config("log_every=4", "schedule.warmup_epochs=1")).fit()
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        "checkpoints",
        "config.yaml",
        "log.txt",
        "metrics.jsonl",
    }
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["model"] == {"width": 8}
    assert config["training"]["optimizer"]["name"] == "adamw"
    assert config["environment"]["versions"]["torch"] == torch.__version__.split("+")[0]
    records = list(read_json_lines(tmp_path / "metrics.jsonl"))
    assert [record["step"] for record in records] == [4, 8, 12, 16, 20, 24]
    assert records[2]["samples"] == 96
    assert records[2]["epoch"] == 1.5
    assert records[0]["lr"] == pytest.approx(0.5e-3)
    expected = {"step", "samples", "epoch", "loss", "absolute", "gradient_norm", "lr", "skipped_steps"}
    assert set(records[0]) == expected | {"images_per_second", "data_wait", "tflops"}
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert len(lines) == 6
    assert "step 24/24  loss " in lines[-1]
    assert re.search(r"images/s  \S+ TFLOP/s  ETA 0:00:00$", lines[-1])


def test_something_may_be_said_before_the_run_begins(tmp_path, capsys):
    trainer = toy_trainer(tmp_path / "new" / "run", toy_config("epochs=1"))
    trainer.journal.say("starting from afar")
    assert "starting from afar" in capsys.readouterr().err
    trainer.fit()
    assert "starting from afar" in (tmp_path / "new" / "run" / "log.txt").read_text()


def test_the_loss_falls(tmp_path):
    toy_trainer(tmp_path, toy_config("epochs=20", "optimizer.lr=3e-2", "log_every=8", "ema=0.9")).fit()
    losses = [record["loss"] for record in read_json_lines(tmp_path / "metrics.jsonl")]
    assert losses[-1] < 0.5 * losses[0]


def test_logged_losses_are_means_over_the_window(tmp_path):
    toy_trainer(tmp_path / "each", toy_config("epochs=1", "log_every=1", "accumulation=2")).fit()
    toy_trainer(tmp_path / "window", toy_config("epochs=1", "log_every=8")).fit()
    each = [record["loss"] for record in read_json_lines(tmp_path / "each" / "metrics.jsonl")]
    (window,) = read_json_lines(tmp_path / "window" / "metrics.jsonl")
    # Dropout is drawn per micro-batch, so the two runs agree only about the first decimals.
    assert window["loss"] == pytest.approx(sum(each) / 8, rel=0.1)


def test_two_steps_that_are_not_finite_are_skipped_and_counted(tmp_path, capsys):
    trainer = toy_trainer(tmp_path, toy_config("accumulation=2"), poisoned=(5,))
    summary = trainer.fit()
    assert summary["skipped_steps"] == 3  # the sample comes once an epoch
    assert summary["finished"]
    assert all(value.isfinite().all() for value in trainer.learner.weights().values())
    said = capsys.readouterr().err
    assert said.count("loss not finite, step skipped") == 3
    (line,) = [line for line in said.splitlines() if "(1 so far)" in line]
    named = line.partition("(samples ")[2].rstrip(")").split(", ")
    assert "5" in named
    assert len(named) == 4  # those of the micro-batch, not of the whole batch
    records = list(read_json_lines(tmp_path / "metrics.jsonl"))
    assert records[-1]["skipped_steps"] == 3
    assert all(math.isfinite(record["loss"]) for record in records)


def test_a_skipped_step_changes_nothing(tmp_path):
    trainer = toy_trainer(tmp_path, toy_config("epochs=1", "batch_size=64", "ema=0.9"), poisoned=(5,))
    before = {name: value.clone() for name, value in trainer.learner.task.state_dict().items()}
    trainer.fit()
    for name, value in trainer.learner.task.state_dict().items():
        assert value.equal(before[name])


def test_the_third_in_a_row_stops_the_run_and_says_where(tmp_path):
    trainer = toy_trainer(tmp_path, toy_config(), poisoned=tuple(range(64)))
    with pytest.raises(UserError) as caught:
        trainer.fit()
    message = str(caught.value)
    assert message.startswith("the loss was not finite 3 steps in a row: step 0 (samples ")
    assert "; step 1 (samples " in message
    assert "; step 2 (samples " in message
    assert "\n" not in message
    assert trainer.policy.skipped == 2
    assert not (tmp_path / "checkpoints").exists()


class BadGradient(Task):
    """A finite loss whose gradient is not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        return {"loss": self.weight.abs().sqrt().sum()}


def test_a_gradient_that_is_not_finite_counts_too(tmp_path):
    with pytest.raises(UserError, match="not finite 3 steps in a row") as caught:
        toy_trainer(tmp_path, toy_config(), task=BadGradient).fit()
    assert str(caught.value).count(",") >= 3 * 7  # all eight samples of each step


def test_a_row_is_broken_by_a_good_step_and_survives_a_checkpoint():
    policy = NonFinitePolicy()
    policy.failed(1, [3])
    policy.failed(2, [4])
    policy.passed()
    policy.failed(4, [])
    policy.failed(5, [7])
    resumed = NonFinitePolicy()
    resumed.restore(json.loads(json.dumps(policy.state())))
    assert resumed.skipped == 4
    with pytest.raises(
        UserError, match=r"step 4 \(the batches do not say which samples\); step 5 \(samples 7\)"
    ):
        resumed.failed(6, list(range(100)))


def test_evaluation_sees_the_average_in_eval_mode_and_picks_the_best(tmp_path):
    scores = iter([0.5, 0.9, 0.7, 0.6])
    seen = []

    def evaluate(module):
        assert not torch.is_grad_enabled()
        seen.append((module, module.training))
        return {"accuracy": next(scores)}

    config = toy_config("epochs=4", "ema=0.9", "keep=1", "best=accuracy", "best_is=highest")
    trainer = toy_trainer(tmp_path, config, evaluate=evaluate)
    summary = trainer.fit()
    assert all(module is trainer.learner.average.module and not training for module, training in seen)
    assert summary["metrics"]["accuracy"] == 0.6
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000016", "step-00000032"]


def test_evaluation_leaves_training_as_it_was(tmp_path):
    plain = toy_trainer(tmp_path / "plain", toy_config())
    plain.fit()
    watched = toy_trainer(tmp_path / "watched", toy_config(), evaluate=lambda _: {"x": torch.rand(1).item()})
    watched.fit()
    for name, value in plain.learner.weights().items():
        assert value.equal(watched.learner.weights()[name])


def test_the_gradient_is_clipped_as_a_whole(tmp_path):
    trainer = toy_trainer(tmp_path, toy_config("clip_norm=0.5"))
    trainer.learner.backward(next(trainer.source.batches(0)), last=True)
    before = trainer.learner.clip()
    assert before > 0.5
    assert trainer.learner.clip() == pytest.approx(0.5, rel=1e-4)


def test_bf16_trains_close_to_fp32(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_DROPOUT", "0")  # another dtype draws other numbers
    seen = set()

    class Watched(ToyTask):
        def forward(self, batch):
            seen.add(self.blocks[0](batch["x"]).dtype)
            return super().forward(batch)

    summary = toy_trainer(tmp_path / "bf16", toy_config("precision=bf16"), task=Watched).fit()
    reference = toy_trainer(tmp_path / "fp32", toy_config()).fit()
    assert seen == {torch.bfloat16}
    assert summary["metrics"]["loss"] == pytest.approx(reference["metrics"]["loss"], rel=0.02)
