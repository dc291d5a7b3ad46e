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
