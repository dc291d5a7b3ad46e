"""torchrun restarts what died, and the run goes on without help."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch.distributed as dist
import toy_runs
from toy_runs import assert_same_weights, curve, run_toy, start_toy, wait_for_line, what_it_said

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SETTINGS = ("epochs=6", "ema=0.9", "checkpoint_every=5", "log_every=3")


def launch(run, *options: str, **environment: str) -> subprocess.Popen:
    command = [*TORCHRUN, *options, toy_runs.__file__, str(run), *SETTINGS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two processes that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    run_toy(run, *SETTINGS, processes=2)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_is_restarted_and_the_run_ends_as_if_nothing_had_happened(tmp_path, whole, rank):
    run = tmp_path / "run"
    process = launch(run, "--max-restarts=3", TOY_DIES_AT=f"{rank}:{17 * 8}")
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "going on from step 15 of 48" in said
    assert_same_weights(whole, run)
    assert curve(run) == curve(whole)


def test_a_restarted_process_does_not_wait_for_a_dead_one(tmp_path):
    """torchrun keeps its store through restarts, with what the dead have written there."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    world = {"MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    run_toy(tmp_path / "first", "epochs=1", processes=2, **world)
    world |= {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2"}
    for early, late in (("1", "0"), ("0", "1")):
        run = tmp_path / f"{early}-first"
        processes = [start_toy(run, "epochs=1", "timeout=0.3", **world, RANK=early)]
        time.sleep(1.5)  # what is to be found in the store is found by now
        processes.append(start_toy(run, "epochs=1", "timeout=0.3", **world, RANK=late))
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0], what_it_said(run, int(early))


@pytest.mark.slow
def test_torchrun_passes_a_signal_on_and_all_is_saved(tmp_path, whole):
    run = tmp_path / "run"
    process = launch(run, TOY_PAUSE="0.1")
    wait_for_line(run / "metrics.jsonl", 1)
    os.kill(process.pid, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "SIGTERM: saved at step " in said
    again = launch(run)
    assert "going on from step " in again.communicate(timeout=60)[1]
    assert again.returncode == 0
    assert_same_weights(whole, run)
    assert curve(run) == curve(whole)
