"""The ways a run is started on several processes: make, two torchruns, the Slurm script (Slurm is mocked)."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy_runs
from toy_runs import assert_same_weights, free_port, run_toy, wait_for_line

ROOT = Path(__file__).parents[2]
SLURM_SCRIPT = ROOT / "docs/slurm/pretrain.sbatch"
SETTINGS = ("epochs=6", "ema=0.9", "checkpoint_every=5", "log_every=3")
THREADS = {"OMP_NUM_THREADS": "1"}


def dry_make(*words: str) -> subprocess.CompletedProcess:
    command = ["make", "--dry-run", "pretrain", "CONFIG=some.yaml", *words]
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), ".venv/bin/vemo pretrain some.yaml"),
        (
            ("GPUS=8",),
            ".venv/bin/torchrun --nproc-per-node=8 --max-restarts=0 --standalone "
            "--no-python .venv/bin/vemo pretrain some.yaml",
        ),
        (
            ("RESTARTS=3",),
            ".venv/bin/torchrun --nproc-per-node=1 --max-restarts=3 --standalone "
            "--no-python .venv/bin/vemo pretrain some.yaml",
        ),
        (
            ("GPUS=8", "NODES=2", "RDZV_ENDPOINT=one:29500", "a.b=5e-4"),
            ".venv/bin/torchrun --nproc-per-node=8 --max-restarts=0 --nnodes=2 --rdzv-backend=c10d "
            "--rdzv-endpoint=one:29500 --no-python .venv/bin/vemo pretrain some.yaml a.b=5e-4",
        ),
    ],
)
def test_make_starts_as_many_processes_as_asked(words, line):
    done = dry_make(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == line


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_on_several_nodes_asks_where_they_meet():
    done = dry_make("NODES=2")
    assert done.returncode != 0
    assert "NODES=2 needs RDZV_ENDPOINT=HOST:PORT" in done.stderr


@pytest.mark.slow
def test_two_torchruns_are_one_run_and_restart_together(tmp_path):
    """As on two nodes, but for the network between them."""
    run_toy(tmp_path / "whole", *SETTINGS, processes=2)
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    command += ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--max-restarts=3"]
    command += [toy_runs.__file__, str(tmp_path / "run"), *SETTINGS]
    environment = {**os.environ, **THREADS, "TOY_DIES_AT": f"1:{17 * 8}"}
    nodes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [node.wait(timeout=120) for node in nodes] == [0, 0]
    assert "going on from step 15 of 48" in (tmp_path / "run" / "log.txt").read_text()
    assert_same_weights(tmp_path / "whole", tmp_path / "run")


MOCKS = {
    # srun runs its task on this machine and passes signals on.
    "srun": """
        "$@" & task=$!
        trap 'kill -TERM $task' TERM
        until wait $task; code=$?; ! kill -0 $task 2> /dev/null; do :; done
        exit $code""",
    "scontrol": """
        echo "$@" >> "$MOCKS/scontrol.log"
        if [ "$1" = show ]; then echo 127.0.0.1; fi""",
    "torchrun": f"""
        exec {sys.executable} -m torch.distributed.run "$@" """,
    # `vemo pretrain RUN key=value ...` trains the toy task
    "vemo": f"""
        shift
        exec {sys.executable} {toy_runs.__file__} "$@" """,
}


@pytest.mark.slow
def test_the_slurm_script_saves_and_queues_itself_again_when_its_time_is_up(tmp_path):
    run, mocks = tmp_path / "run", tmp_path / "bin"
    run_toy(tmp_path / "whole", *SETTINGS, processes=2)
    mocks.mkdir()
    for name, text in MOCKS.items():
        (mocks / name).write_text(f"#!/bin/bash{text}\n")
        (mocks / name).chmod(0o755)
    environment = {
        **os.environ,
        **THREADS,
        "PATH": f"{mocks}:{os.environ['PATH']}",
        "MOCKS": str(mocks),
        "VEMO_BIN": str(mocks),
        "SLURM_JOB_NODELIST": "one",
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_NNODES": "1",
        "PROCESSES_PER_NODE": "2",
        "TOY_PAUSE": "0.1",
    }
    command = ["bash", str(SLURM_SCRIPT), str(run), *SETTINGS]

    def start(**more: str) -> subprocess.Popen:
        return subprocess.Popen(command, env={**environment, **more}, stderr=subprocess.PIPE, text=True)

    job = start()
    wait_for_line(run / "metrics.jsonl", 1)
    os.kill(job.pid, signal.SIGUSR1)
    said = job.communicate(timeout=60)[1]
    assert "SIGTERM: saved at step " in said
    assert job.returncode == 0
    log = mocks / "scontrol.log"
    assert log.read_text().splitlines()[-1] == f"requeue {environment['SLURM_JOB_ID']}"
    log.unlink()
    again = start(TOY_PAUSE="0")
    assert "going on from step " in again.communicate(timeout=60)[1]
    assert again.returncode == 0
    assert "requeue" not in log.read_text()
    assert_same_weights(tmp_path / "whole", run)
