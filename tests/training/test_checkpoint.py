"""Checkpoints are whole or absent, and damage is found and named."""

import os
import resource
import signal

import pytest
import torch
from toy_runs import die_while_saving, limit_files, run_toy, toy_config, toy_trainer, what_it_said
from vemo.foundation import UserError
from vemo.training.checkpoint import Checkpoints, read_facts, read_state


def save(checkpoints: Checkpoints, step: int, loss: float | None = None):
    metrics = {} if loss is None else {"loss": loss}
    return checkpoints.save(
        {"model": {"weight": torch.full((64,), float(step))}}, {"step": step, "metrics": metrics}
    )


def checkpoints_in(folder, keep=2, best_is="lowest") -> Checkpoints:
    return Checkpoints(folder, keep, "loss", best_is)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_read_back(tmp_path):
    checkpoints = checkpoints_in(tmp_path)
    assert checkpoints.newest(print) is None
    folder = save(checkpoints, 3, loss=1.5)
    assert folder == checkpoints.newest(print)
    assert read_facts(folder)["metrics"] == {"loss": 1.5}
    assert read_state(folder)["model"]["weight"].tolist() == [3.0] * 64


@pytest.mark.parametrize(("best_is", "best"), [("lowest", 2), ("highest", 3)])
def test_the_last_ones_and_the_best_are_kept(tmp_path, best_is, best):
    checkpoints = checkpoints_in(tmp_path, best_is=best_is)
    for step, loss in enumerate([5.0, 1.0, 9.0, None, 3.0, 4.0], start=1):
        save(checkpoints, step, loss)
    assert names(tmp_path) == [f"step-{step:08d}" for step in (best, 5, 6)]


def _flip_a_byte(folder):
    data = bytearray((folder / "state.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "state.pt").write_bytes(data)


def _cut(folder):
    with (folder / "state.pt").open("r+b") as stream:
        stream.truncate(100)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_flip_a_byte, "state.pt does not match its sha256"),
        (_cut, "state.pt does not match its sha256"),
        (lambda folder: (folder / "state.pt").unlink(), "no state.pt"),
        (lambda folder: (folder / "checkpoint.json").unlink(), "no checkpoint.json"),
        (lambda folder: (folder / "checkpoint.json").write_text('{"st'), "checkpoint.json cannot be read"),
        (lambda folder: (folder / "checkpoint.json").write_text("[]"), "checkpoint.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(tmp_path, damage, fault):
    checkpoints = checkpoints_in(tmp_path)
    older, newer = save(checkpoints, 1), save(checkpoints, 2)
    damage(newer)
    said = []
    assert checkpoints.newest(said.append) == older
    assert said == [
        f"checkpoint step-00000002 is damaged ({fault}): set aside as step-00000002.damaged, going back"
    ]
    assert names(tmp_path) == ["step-00000001", "step-00000002.damaged"]
    save(checkpoints, 2)
    assert checkpoints.newest(said.append) == newer


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path, capsys):
    whole = toy_trainer(tmp_path / "whole", toy_config())
    whole.fit()
    toy_trainer(tmp_path / "run", toy_config()).fit()
    _flip_a_byte(tmp_path / "run" / "checkpoints" / "step-00000024")
    again = toy_trainer(tmp_path / "run", toy_config())
    capsys.readouterr()
    again.fit()
    said = capsys.readouterr().err
    assert "checkpoint step-00000024 is damaged" in said
    assert "going on from step 16 of 24" in said
    for name, value in whole.learner.weights().items():
        assert value.equal(again.learner.weights()[name])


def test_nothing_sound_left_is_not_a_fresh_start(tmp_path):
    checkpoints = checkpoints_in(tmp_path)
    _cut(save(checkpoints, 1))
    with pytest.raises(UserError, match="every checkpoint is damaged; restore one, or start afresh"):
        checkpoints.newest(print)
    with pytest.raises(UserError, match="every checkpoint is damaged"):  # and so the second time
        checkpoints.newest(print)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    checkpoints = checkpoints_in(tmp_path)
    facts = save(checkpoints, 1) / "checkpoint.json"
    facts.write_text(facts.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(UserError, match="format 7, this version of vemo reads format 1"):
        checkpoints.newest(print)


class Explosive:
    def __reduce__(self):
        return (os.system, ("exit 1",))


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    folder = checkpoints_in(tmp_path).save({"model": Explosive()}, {"step": 1, "metrics": {}})
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        read_state(folder)


def test_killed_in_the_middle_of_writing(tmp_path):
    checkpoints = checkpoints_in(tmp_path)
    older = save(checkpoints, 1)
    assert die_while_saving(tmp_path, step=2) == -signal.SIGKILL
    assert names(tmp_path) == ["step-00000001", "step-00000002.part"]
    assert checkpoints.newest(print) == older
    assert names(tmp_path) == ["step-00000001"]


@pytest.fixture
def full_disk():
    """No file can grow past 4 KB: writes fail half-way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.getsignal(signal.SIGXFSZ)
    limit_files(4096)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_one_clear_line_and_keeps_the_older_one(tmp_path, full_disk):
    checkpoints = checkpoints_in(tmp_path)
    older = save(checkpoints, 1)
    with pytest.raises(UserError) as caught:
        checkpoints.save({"model": {"weight": torch.zeros(100_000)}}, {"step": 2, "metrics": {}})
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'step-00000002'}: cannot be written: ")
    assert message.endswith("step-00000001 is kept. Make room and run again.")
    assert "\n" not in message
    assert names(tmp_path) == ["step-00000001"]
    assert checkpoints.newest(print) == older


def test_a_full_disk_stops_every_process(tmp_path):
    run = tmp_path / "run"
    run_toy(run, processes=2, expected_exit=1, TOY_LARGEST_FILE="4096")
    for rank in (0, 1):
        said = what_it_said(run, rank)
        assert "step-00000008: cannot be written: File too large" in said
        assert "there is no earlier one. Make room and run again." in said
        assert "Traceback" not in said
    assert names(run / "checkpoints") == []


def test_a_run_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used as a run folder"):
        toy_trainer(tmp_path / "file" / "run", toy_config()).fit()
