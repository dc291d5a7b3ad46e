"""Pictures are drawn when asked for, on any number of processes, and training never notices."""

import sys
import types

import pytest
import torch
from toy_runs import ToyTask, assert_same_weights, look, run_toy, toy_config, toy_trainer
from vemo.foundation import UserError


def test_pictures_every_few_steps_and_at_the_end(tmp_path):
    seen = []

    def observe(task, batch, folder):
        assert not torch.is_grad_enabled()
        seen.append((task, task.training, batch["index"], folder))
        return look(task, batch, folder)

    trainer = toy_trainer(tmp_path, toy_config("observe_every=10", "ema=0.9"), observe=observe)
    trainer.fit()
    folders = [tmp_path / "pictures" / f"step-{step:06d}" for step in (10, 20, 24)]
    assert [folder for *_, folder in seen] == folders
    assert all((folder / "hidden.png").exists() for folder in folders)
    assert all(task is trainer.learner.average.module and not training for task, training, *_ in seen)
    tenth = list(zip(range(10), trainer.source.batches(0)))[-1][1]
    assert seen[0][2].equal(tenth["index"])
    assert f"step 24: hidden.png in {folders[-1]}" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("ema", ["0.9", "null"])
def test_training_does_not_notice(tmp_path, ema):
    plain = toy_trainer(tmp_path / "plain", toy_config(f"ema={ema}"))
    plain.fit()
    watched = toy_trainer(tmp_path / "watched", toy_config(f"ema={ema}", "observe_every=1"))
    watched.fit()
    assert len(list((tmp_path / "watched" / "pictures").iterdir())) == 24
    assert not (tmp_path / "plain" / "pictures").exists()
    for name, value in plain.learner.weights().items():
        assert value.equal(watched.learner.weights()[name]), name


@pytest.mark.parametrize("ema", ["0.9", "null"])
def test_the_same_under_ddp_and_fsdp2(tmp_path, ema):
    settings = ("observe_every=5", f"ema={ema}")
    run_toy(tmp_path / "plain", f"ema={ema}", processes=2)
    run_toy(tmp_path / "ddp", *settings, processes=2)
    run_toy(tmp_path / "fsdp2", *settings, "distributed=fsdp2", "activation_checkpointing=true", processes=2)
    assert_same_weights(tmp_path / "plain", tmp_path / "ddp")
    assert_same_weights(tmp_path / "plain", tmp_path / "fsdp2", tolerance=1e-6)
    for step in (5, 10, 15, 20, 24):
        picture = f"pictures/step-{step:06d}/hidden.png"
        one, other = (float((tmp_path / run / picture).read_text()) for run in ("ddp", "fsdp2"))
        assert one == pytest.approx(other, abs=1e-5)


def test_a_full_disk_costs_pictures_only(tmp_path, capsys):
    def observe(task, batch, folder):
        raise OSError(28, "No space left on device")

    assert toy_trainer(tmp_path, toy_config("observe_every=20"), observe=observe).fit()["finished"]
    told = f"{tmp_path / 'pictures' / 'step-000020'}: pictures cannot be written: [Errno 28] No space left"
    assert told in capsys.readouterr().err


def test_asking_for_pictures_of_a_task_without_any(tmp_path):
    with pytest.raises(UserError, match="observe_every is set, but this task has no pictures"):
        toy_trainer(tmp_path, toy_config("observe_every=1"), observe=None)


def test_wandb_gets_pictures_by_name(tmp_path, monkeypatch):
    logged = []
    run = types.SimpleNamespace(log=logged.append, finish=lambda: None, define_metric=lambda *_, **__: None)
    wandb = types.SimpleNamespace(init=lambda **_: run, Image=lambda path: f"image of {path}")
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setenv("WANDB_MODE", "offline")
    toy_trainer(tmp_path, toy_config("observe_every=24", "trackers=[wandb]")).fit()
    picture = tmp_path / "pictures" / "step-000024" / "hidden.png"
    assert logged[-1] == {"step": 24, "samples": 192, "epoch": 3.0, "hidden": f"image of {picture}"}


def test_the_task_trains_on_after_a_picture(tmp_path):
    modes = []

    class Watched(ToyTask):
        def forward(self, batch):
            modes.append(self.training)
            return super().forward(batch)

    toy_trainer(tmp_path, toy_config("observe_every=4", "epochs=1"), task=Watched).fit()
    # One more in training mode: the first batch, for the count of operations.
    assert modes == [True] * 5 + [False] + [True] * 4 + [False]
