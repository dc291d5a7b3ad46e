"""The whole command, killed for real: teacher and student go on to the very same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import vemo
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.synthetic import SynthesizeConfig, synthesize

TINY = Path(vemo.__file__).parent / "configs" / "pretrain" / "tiny.yaml"
SETTINGS = (
    "model.width=48",
    "model.depth=2",
    "model.heads=2",
    "training.batch_size=16",
    "training.epochs=3",
    "training.checkpoint_every=2",
    "training.log_every=1",
    "teacher.stand_in.epochs=4",
    "probe=null",
)


def start(out: Path, shards: Path) -> subprocess.Popen:
    """`vemo pretrain` in a process of its own, on one thread (see docs/pretraining.md)."""
    program = "import sys; from vemo.cli import main; sys.exit(main(sys.argv[1:]))"
    places = (f"data.shards={shards}", f"out={out}", f"teacher.cache={out.parent / (out.name + '-teachers')}")
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, "pretrain", str(TINY), *SETTINGS, *places],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=out.parent,
        stderr=subprocess.DEVNULL,
    )


def logged(run: Path) -> int:
    """Steps of the student that were logged so far."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_when(process: subprocess.Popen, begun: Callable[[], bool]) -> bool:
    """SIGKILL once `begun` says so; whether the process was still running then."""
    while process.poll() is None:
        if begun():
            os.kill(process.pid, signal.SIGKILL)
            return process.wait() == -signal.SIGKILL
        time.sleep(0.005)
    return False


@pytest.mark.slow
def test_killed_pretraining_ends_with_the_same_bytes(tmp_path):
    synthesize(SynthesizeConfig(out=tmp_path / "images", images=96, size=64, workers=0))
    shards = tmp_path / "shards"
    build(BuildConfig(root=tmp_path / "images", out=shards, reader={"kind": "emoset"}, workers=0))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, shards).wait() == 0
    checkpoints = "killed-teachers/*/teacher/checkpoints/*"
    assert kill_when(start(killed, shards), lambda: any(tmp_path.glob(checkpoints)))
    assert not list(tmp_path.glob("killed-teachers/*/teacher.json"))
    for lines in (3, 6):
        assert kill_when(start(killed, shards), lambda n=lines: logged(killed) >= n)
    assert not (killed / "release").exists()
    assert start(killed, shards).wait() == 0
    encoder = Path("release") / "encoder.safetensors"
    assert (whole / encoder).read_bytes() == (killed / encoder).read_bytes()
    (mine,), (theirs,) = (
        tmp_path.glob(f"{run}-teachers/*/teacher.safetensors") for run in ("whole", "killed")
    )
    assert mine.read_bytes() == theirs.read_bytes()
