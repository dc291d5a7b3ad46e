"""A run that was killed, stopped or moved to other processes ends as if nothing had happened."""

import json
import os
import random
import signal
import time

import pytest
from toy_runs import (
    assert_same_weights,
    curve,
    run_toy,
    start_toy,
    toy_config,
    toy_trainer,
    wait_for_line,
    what_it_said,
)
from vemo.foundation import UserError
from vemo.training.safeguards import StopRequest

SETTINGS = ("epochs=6", "ema=0.9", "checkpoint_every=5", "log_every=3", "accumulation=2")


def test_killed_at_random_steps_is_never_killed_bit_for_bit(tmp_path):
    run_toy(tmp_path / "whole", *SETTINGS)
    kills = 0
    for step in random.Random(str(tmp_path)).sample(range(2, 14), 3):
        process = start_toy(tmp_path / "killed", *SETTINGS, TOY_PAUSE="0.02")
        wait_for_line(tmp_path / "killed" / "metrics.jsonl", min(step, 3) + 4 * kills)
        time.sleep(step / 100)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills > 0
    assert not (tmp_path / "killed" / "weights.pt").exists()
    run_toy(tmp_path / "killed", *SETTINGS)
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_and_leaves(tmp_path, number):
    run_toy(tmp_path / "whole", *SETTINGS)
    process = start_toy(tmp_path / "stopped", *SETTINGS, TOY_PAUSE="0.02")
    wait_for_line(tmp_path / "stopped" / "metrics.jsonl", 2)
    os.kill(process.pid, number)
    process.join(60)
    said = what_it_said(tmp_path / "stopped")
    assert process.exitcode == 128 + number, said
    assert f"{number.name}: saved at step " in said
    assert "Traceback" not in said
    run_toy(tmp_path / "stopped", *SETTINGS)
    assert_same_weights(tmp_path / "whole", tmp_path / "stopped")
    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")


def test_an_echo_of_the_signal_does_not_cut_the_saving_short(tmp_path):
    """Slurm may signal torchrun and its workers, and torchrun passes on what it gets."""
    process = start_toy(tmp_path / "stopped", *SETTINGS, TOY_PAUSE="0.1")
    wait_for_line(tmp_path / "stopped" / "metrics.jsonl", 1)
    for _ in range(3):
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.02)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    assert "SIGTERM: saved at step " in what_it_said(tmp_path / "stopped")


def test_a_later_signal_acts_as_usual(monkeypatch):
    monkeypatch.setattr(StopRequest, "REPEATS", 0.05)
    before = signal.getsignal(signal.SIGTERM)  # other tests' libraries may have put theirs
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGTERM
        time.sleep(0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_goes_on_with_other_accumulation_and_on_other_numbers_of_processes(tmp_path):
    # The rate is constant, so that asking for fewer epochs is the same as being stopped there. Dropout is
    # off, because it is drawn anew for each micro-batch and these differ in number.
    settings = ("ema=0.9", "schedule.kind=constant", "checkpoint_every=5")
    run_toy(tmp_path / "whole", *settings, "epochs=6", TOY_DROPOUT="0")
    moved = tmp_path / "moved"
    run_toy(moved, *settings, "epochs=2", "accumulation=2", processes=2, TOY_DROPOUT="0")
    run_toy(moved, *settings, "epochs=4", "accumulation=4", TOY_DROPOUT="0")
    run_toy(moved, *settings, "epochs=6", "distributed=fsdp2", processes=2, TOY_DROPOUT="0")
    assert_same_weights(tmp_path / "whole", moved, tolerance=1e-6)


def test_the_average_and_the_optimizer_resume(tmp_path):
    config = toy_config("epochs=2", "ema=0.9", "schedule.kind=constant")
    toy_trainer(tmp_path / "run", config).fit()
    whole = toy_trainer(tmp_path / "whole", toy_config("epochs=3", "ema=0.9", "schedule.kind=constant"))
    whole.fit()
    resumed = toy_trainer(tmp_path / "run", toy_config("epochs=3", "ema=0.9", "schedule.kind=constant"))
    resumed.fit()
    for name, value in whole.learner.weights().items():
        assert value.equal(resumed.learner.weights()[name]), name
    assert not whole.learner.weights()["head.weight"].equal(whole.learner.task.head.weight)


def test_a_finished_run_says_so_and_returns_its_summary(tmp_path, capsys):
    first = toy_trainer(tmp_path / "run", toy_config()).fit()
    again = toy_trainer(tmp_path / "run", toy_config())
    capsys.readouterr()
    assert again.fit() == first
    assert first["finished"]
    assert first["steps"] == 24
    assert first["samples"] == 192
    assert f"{tmp_path / 'run'}: already finished (24 of 24 steps)" in capsys.readouterr().err


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion", "lamb", "muon"])
def test_every_kind_of_optimizer_resumes_exactly(tmp_path, optimizer):
    settings = (f"optimizer.name={optimizer}", "schedule.kind=constant", "checkpoint_every=5")
    whole = toy_trainer(tmp_path / "whole", toy_config(*settings))
    whole.fit()
    toy_trainer(tmp_path / "run", toy_config(*settings, "epochs=2")).fit()
    resumed = toy_trainer(tmp_path / "run", toy_config(*settings))
    resumed.fit()
    for name, value in whole.learner.weights().items():
        assert value.equal(resumed.learner.weights()[name]), name


def test_changed_sections_are_refused_by_key_with_both_values(tmp_path):
    toy_trainer(tmp_path, toy_config("epochs=1")).fit()
    description = {"model": {"width": 16}, "data": {"shards": "elsewhere"}}
    with pytest.raises(UserError) as caught:
        toy_trainer(tmp_path, toy_config("optimizer.weight_decay=0.5"), description=description).fit()
    assert str(caught.value) == (
        f"{tmp_path}: cannot resume, 4 settings differ from the checkpoint's\n"
        "  model.width: was 8, now 16\n"
        "  data.samples: was 64, now absent\n"
        "  training.optimizer.weight_decay: was 0.05, now 0.5\n"
        '  data.shards: was absent, now "elsewhere"\n'
        "  (use another run folder to start afresh; when resuming you may change epochs, accumulation, "
        "optimizer.lr, schedule, clip_norm, precision, compile, activation_checkpointing, "
        "channels_last, device, distributed, timeout, log_every, checkpoint_every, keep, observe_every, "
        "best, best_is, trackers)"
    )


def test_every_setting_is_either_pinned_or_free():
    from vemo.training.trainer import FREE, TrainerConfig

    free = {name.partition(".")[0] for name in FREE} - {"optimizer"}
    assert free | set(toy_config().pinned()) == set(TrainerConfig.model_fields)
    assert not free & set(toy_config().pinned())


def test_free_settings_may_change(tmp_path):
    toy_trainer(tmp_path, toy_config("epochs=1")).fit()
    changed = toy_config("epochs=2", "log_every=1", "accumulation=2", "optimizer.lr=1e-4", "clip_norm=null")
    summary = toy_trainer(tmp_path, changed).fit()
    assert summary["steps"] == 16
    assert [record["step"] for record in curve(tmp_path)] == [8, *range(9, 17)]
    assert curve(tmp_path)[-1]["lr"] < 1e-4


def test_lines_past_the_restored_step_are_dropped(tmp_path):
    toy_trainer(tmp_path, toy_config("epochs=1")).fit()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 9, "samples": 72, "loss": 1.0}) + "\n" + '{"step": 10, "samp')
    toy_trainer(tmp_path, toy_config("epochs=2", "log_every=8")).fit()
    assert [record["step"] for record in curve(tmp_path)] == [8, 16]
