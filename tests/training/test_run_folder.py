"""One trainer in a run folder at a time, and no lock is left by a dead one."""

import multiprocessing
import os
import signal
import time

import pytest
import vemo.training.run_folder as run_folder
from toy_runs import toy_config, toy_trainer
from vemo.foundation import UserError
from vemo.training.run_folder import only_run_in

_fork = multiprocessing.get_context("fork")


def hold(folder, held) -> None:
    with only_run_in(folder):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """Another process that trains in tmp_path."""
    held = _fork.Event()
    process = _fork.Process(target=hold, args=(tmp_path, held), daemon=True)
    process.start()
    assert held.wait(20)
    yield process
    process.kill()
    process.join()


def test_a_second_trainer_is_refused_and_told_who_is_there(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(run_folder, "LOCK_SECONDS", 0.2)
    with pytest.raises(UserError) as caught:
        toy_trainer(tmp_path, toy_config()).fit()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: another trainer is at work here (process {holder.pid} on ")
    assert not (tmp_path / "checkpoints").exists()


def test_a_killed_trainer_leaves_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    began = time.monotonic()
    assert toy_trainer(tmp_path, toy_config()).fit()["finished"]
    assert time.monotonic() - began < 5


def test_a_restart_waits_for_the_workers_of_a_killed_trainer(tmp_path):
    """A loader worker is a fork: it holds its dead parent's lock until it notices."""

    def trainer_with_worker(started) -> None:
        with only_run_in(tmp_path):
            if os.fork() == 0:
                time.sleep(1.0)
                os._exit(0)
            started.set()
            time.sleep(60)

    started = _fork.Event()
    trainer = _fork.Process(target=trainer_with_worker, args=(started,), daemon=True)
    trainer.start()
    assert started.wait(20)
    os.kill(trainer.pid, signal.SIGKILL)
    trainer.join()
    began = time.monotonic()
    with only_run_in(tmp_path):
        assert 0.3 < time.monotonic() - began < 5


def test_a_finished_trainer_lets_go(tmp_path):
    toy_trainer(tmp_path, toy_config("epochs=1")).fit()
    with only_run_in(tmp_path):
        pass


def test_forked_workers_do_not_hold_what_was_let_go(tmp_path):
    with only_run_in(tmp_path):
        worker = _fork.Process(target=time.sleep, args=(20,), daemon=True)
        worker.start()
    began = time.monotonic()
    with only_run_in(tmp_path):
        assert time.monotonic() - began < 0.3
    worker.kill()
    worker.join()
