"""Several processes train what one does."""

import os
import signal
import subprocess
import sys

import pytest
import torch
import toy_runs
from torch import nn
from toy_runs import (
    assert_same_weights,
    run_toy,
    start_toys,
    toy_config,
    toy_trainer,
    wait_for_line,
    what_it_said,
)
from vemo.foundation import UserError
from vemo.training.distributed import World, join_world, resolve_mode, shard


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A run of one process with two micro-batches a step."""
    run = tmp_path_factory.mktemp("one") / "run"
    run_toy(run, "ema=0.9", "accumulation=2")
    return run


@pytest.mark.parametrize("mode", ["ddp", "fsdp2"])
def test_two_ranks_with_half_the_batch_are_one_rank_with_accumulation(one, tmp_path, mode):
    said = run_toy(tmp_path / "two", "ema=0.9", f"distributed={mode}", processes=2)
    assert_same_weights(one, tmp_path / "two", tolerance=1e-6)
    assert "192/192 images" in said


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["ddp", "fsdp2"])
def test_compiled_and_recomputed_is_the_same(tmp_path, mode):
    settings = ("ema=0.9", "compile=true", "activation_checkpointing=true", f"distributed={mode}")
    run_toy(tmp_path / "two", *settings, processes=2, TOY_DROPOUT="0")
    run_toy(tmp_path / "one", "ema=0.9", "accumulation=2", TOY_DROPOUT="0")
    assert_same_weights(tmp_path / "one", tmp_path / "two", tolerance=1e-6)
    # Under fsdp2 torch would without a word compile nothing, were the task compiled as a whole.
    assert int((tmp_path / "two.graphs").read_text()) == {"ddp": 1, "fsdp2": 2}[mode]


def test_a_process_that_hangs_is_noticed(tmp_path):
    run = tmp_path / "run"
    main, other = start_toys(run, "epochs=100", "log_every=1", "timeout=0.05", processes=2, TOY_PAUSE="0.05")
    wait_for_line(run / "metrics.jsonl", 2)
    os.kill(other.pid, signal.SIGSTOP)
    main.join(60)
    os.kill(other.pid, signal.SIGKILL)
    assert main.exitcode == 1
    assert "Timed out waiting" in what_it_said(run)


def test_two_ranks_with_accumulation_are_one_rank_with_more(tmp_path):
    run_toy(tmp_path / "one", "accumulation=4")
    run_toy(tmp_path / "two", "accumulation=2", processes=2)
    assert_same_weights(tmp_path / "one", tmp_path / "two", tolerance=1e-6)


@pytest.mark.slow
def test_torchrun_starts_it(one, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = tmp_path / "two"
    subprocess.run([*torchrun, toy_runs.__file__, str(run), "ema=0.9"], check=True, timeout=300)
    assert_same_weights(one, run, tolerance=1e-6)


def test_alone_without_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    world = join_world("cpu")
    assert world == World(0, 1, torch.device("cpu"))
    assert world.is_main
    assert world.mean(torch.tensor([2.0])).tolist() == [2.0]
    assert world.any(torch.tensor([0.0, 1.0])) == [False, True]
    assert world.gather("x") == ["x"]
    assert world.on_main(lambda: "x") == "x"


def test_modes():
    assert resolve_mode("auto", World()) == "none"
    assert resolve_mode("auto", World(size=2)) == "ddp"
    assert resolve_mode("fsdp2", World()) == "none"
    with pytest.raises(UserError, match="distributed=none, but 2 processes were started"):
        resolve_mode("none", World(size=2))


def test_a_scalar_parameter_cannot_be_sharded():
    module = nn.Module()
    module.logit_scale = nn.Parameter(torch.tensor(1.0))
    with pytest.raises(UserError, match=r"cannot shard the scalar logit_scale \(give it shape \[1\]\)"):
        shard(module, World())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_a_user_error():
    with pytest.raises(UserError, match="torch sees no GPU"):
        join_world("cuda")


def test_a_batch_that_cannot_be_shared_is_a_user_error(tmp_path):
    with pytest.raises(
        UserError, match=r"batch_size=8 cannot be shared equally by 1 process\(es\) x accumulation=3"
    ):
        toy_trainer(tmp_path, toy_config("accumulation=3"))
    with pytest.raises(UserError, match="batch_size=65 is more than an epoch's samples"):
        toy_trainer(tmp_path, toy_config("batch_size=65"))
