"""Two processes with half the batch each train what one process with two accumulated halves trains."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from torch import nn
import vemo.pretrain.run as run
from vemo.pretrain import PretrainConfig, pretrain
from vemo.pretrain.teachers import Teacher

class Fixed(Teacher):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Linear(3, 16), name="fixed", description={}, width=16, image_size=32,
                         logit_scale=1.0, remembered_sentences=9)
    def _image_features(self, images):
        return self.__dict__["towers"](images.float().mean(dim=(2, 3)) / 255 - 0.5)
    def _text_features(self, sentences):
        said = [[len(s) / 50, s.count("a") / 9, s.count("e") / 9] for s in sentences]
        return self.__dict__["towers"](torch.tensor(said))

torch.set_num_threads(1)
run.load_teacher = lambda *arguments: Fixed()
pretrain(PretrainConfig.model_validate(json.loads(Path(sys.argv[1]).read_text())))
"""


@pytest.mark.slow
def test_two_ranks_equal_two_accumulation_steps(shards, small, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def train(name, processes, accumulation):
        config = {
            "out": str(tmp_path / name),
            "data": {"shards": str(shards)},
            "model": small.model_dump(),
            "training": {"epochs": 2, "batch_size": 12, "accumulation": accumulation, "device": "cpu"},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *launch, str(script), str(tmp_path / f"{name}.json")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return load_file(tmp_path / name / "release" / "encoder.safetensors")

    two, one = train("two", 2, 1), train("one", 1, 2)
    assert two.keys() == one.keys()
    assert all(torch.allclose(two[name], one[name], rtol=0, atol=1e-6) for name in one)


# Many runs in processes forked from one that has imported everything: {"processes": .., "dies_at": step or
# null, "config": ..} each. A run that dies is killed (-9) on all ranks.
FORKS = (
    SCRIPT.rpartition("pretrain(")[0]
    + """
import os, signal, socket, traceback
from vemo.training import Trainer

def run_one(job, rank, port):
    world = {"RANK": rank, "WORLD_SIZE": job["processes"], "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in world.items()})
    step = Trainer._train_step
    def mortal(trainer, *arguments, **named):
        if trainer.step == job["dies_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(trainer, *arguments, **named)
    Trainer._train_step = mortal
    pretrain(PretrainConfig.model_validate(job["config"]))

for job in json.loads(Path(sys.argv[1]).read_text()):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(job["processes"]):
        child = os.fork()
        if child == 0:
            try:
                run_one(job, rank, port)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    wanted = 0 if job["dies_at"] is None else -signal.SIGKILL
    assert codes == [wanted] * len(codes), (job, codes)
"""
)


@pytest.mark.slow
def test_moved_to_another_number_of_ranks_it_goes_on_from_the_same_sample(shards, small, tmp_path):
    """DDP, FSDP2 and one process: whole, and killed on 2 or 1 ranks and resumed on 1 or 2."""

    def job(name, processes, mode="auto", dies_at=None):
        training = {
            "epochs": 2,
            "batch_size": 12,
            "accumulation": 2 // processes,
            "device": "cpu",
            "distributed": mode,
            "activation_checkpointing": mode == "fsdp2",
            "ema": 0.9,
            "log_every": 1,
            "checkpoint_every": 3,
        }
        config = {"data": {"shards": str(shards)}, "model": small.model_dump(), "training": training}
        config["out"] = str(tmp_path / name)
        return {"processes": processes, "dies_at": dies_at, "config": config}

    jobs = [job("one", 1)]
    for mode in ("ddp", "fsdp2"):
        jobs += [job(mode, 2, mode)]
        jobs += [job(f"{mode}-to-one", 2, mode, dies_at=5), job(f"{mode}-to-one", 1)]
        jobs += [job(f"one-to-{mode}", 1, dies_at=5), job(f"one-to-{mode}", 2, mode)]
    (tmp_path / "script.py").write_text(FORKS)
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, "-P", str(tmp_path / "script.py"), str(tmp_path / "jobs.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

    def curve(name):
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return {record["samples"]: record for record in map(json.loads, lines)}

    def release(name):
        return load_file(tmp_path / name / "release" / "encoder.safetensors")

    assert done.stderr.count("going on from step 3 of 8") == 4
    whole, weights = curve("one"), release("one")
    assert list(whole) == [12 * step for step in range(1, 9)]
    for name in ("ddp", "fsdp2", "ddp-to-one", "fsdp2-to-one", "one-to-ddp", "one-to-fsdp2"):
        found = curve(name)
        assert list(found) == list(whole), name
        for samples, record in found.items():
            for part in ("loss", "reconstruction", "similarity", "contrastive", "lr"):
                assert record[part] == pytest.approx(whole[samples][part], abs=1e-5), (name, samples, part)
        for key, tensor in release(name).items():
            torch.testing.assert_close(tensor, weights[key], rtol=0, atol=1e-5, msg=f"{name}: {key}")
