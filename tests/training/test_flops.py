"""Operations are counted exactly, without a trace, and reach the log."""

import copy
import types

import pytest
import torch
import vemo.training.flops as flops_module
import vemo.training.trainer as trainer_module
from timm.models.vision_transformer import Block
from torch import nn
from toy_runs import ToyTask, toy_config, toy_trainer
from vemo.foundation.files import read_json_lines
from vemo.training import Task, Trainer
from vemo.training.blocks import compile_blocks, recompute_activations
from vemo.training.flops import Utilisation, count_flops, peak_tflops

BATCH, TOKENS, WIDTH, DEPTH = 2, 10, 32, 3
PRODUCTS = 2 * BATCH * TOKENS * 12 * WIDTH**2  # qkv 3, projection 1, MLP 8 times the square of the width
ATTENTION = 2 * (2 * BATCH * TOKENS**2 * WIDTH)  # scores, and values by scores
EXPECTED = 3 * DEPTH * (PRODUCTS + ATTENTION)  # backward is twice forward


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("change", [lambda model: None, recompute_activations, compile_blocks])
def test_a_transformer_is_counted_exactly(change, fused, precision):
    model = nn.Sequential(*[Block(WIDTH, 4) for _ in range(DEPTH)])
    for block in model:
        block.attn.fused_attn = fused
    change(model)
    tokens = torch.randn(BATCH, TOKENS, WIDTH)

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            return model(tokens).float().square().mean()

    assert count_flops(loss) == EXPECTED


def test_a_frozen_teacher_counts_its_forward_pass():
    teacher, student = Block(WIDTH, 4), nn.Linear(WIDTH, WIDTH)
    tokens = torch.randn(BATCH, TOKENS, WIDTH)

    def loss():
        with torch.inference_mode():
            wanted = teacher(tokens)
        return (student(tokens) - wanted).square().mean()

    # The student's input needs no gradient: forward, and the gradient of the weight.
    assert count_flops(loss) == PRODUCTS + ATTENTION + 2 * (2 * BATCH * TOKENS * WIDTH**2)


class Normed(ToyTask):
    """Has something that a forward pass changes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, batch):
        return super().forward({**batch, "x": self.norm(batch["x"])})


@pytest.mark.parametrize("settings", [(), ("activation_checkpointing=true", "accumulation=2")])
def test_counting_changes_nothing(tmp_path, monkeypatch, settings):
    config = toy_config(*settings, "ema=0.9", "epochs=1")
    counted = toy_trainer(tmp_path / "counted", config, task=Normed)
    counted.fit()
    assert counted.utilisation is not None
    monkeypatch.setattr(Trainer, "_measure", lambda trainer, batch: None)
    plain = toy_trainer(tmp_path / "plain", config, task=Normed)
    plain.fit()
    for name, value in plain.learner.weights().items():
        assert value.equal(counted.learner.weights()[name]), name


def test_counting_leaves_gradients_buffers_and_random_numbers(tmp_path):
    learner = toy_trainer(tmp_path, toy_config(), task=Normed).learner
    buffers = copy.deepcopy(dict(learner.task.named_buffers()))
    batch = {"x": torch.randn(8, 8), "y": torch.randn(8)}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    learner.count_flops(batch)
    assert torch.rand(3).equal(expected)
    assert all(parameter.grad is None for parameter in learner.task.parameters())
    assert all(buffer.equal(buffers[name]) for name, buffer in learner.task.named_buffers())


def test_the_log_says_what_the_speed_means(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "peak_tflops", lambda device, precision: 1e-5)
    trainer = toy_trainer(tmp_path, toy_config("log_every=8", "accumulation=2"))
    trainer.fit()
    # Two layers of 8 x 8 and one of 8 x 1; the first needs no gradient of its input.
    per_image = 3 * 2 * (64 + 64 + 8) - 2 * 64
    assert trainer.utilisation == Utilisation(per_image, 1e-5)
    for record in read_json_lines(tmp_path / "metrics.jsonl"):
        assert record["tflops"] == pytest.approx(per_image * record["images_per_second"] / 1e12)
        assert record["mfu"] == pytest.approx(record["tflops"] / 1e-5)
    line = (tmp_path / "log.txt").read_text().splitlines()[-1]
    assert f"mfu {record['mfu']:.1%}" in line and " TFLOP/s " in line
    assert "tflops" not in trainer.summary()["metrics"]


class Uncountable(Task):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = 0

    def forward(self, batch):
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError("not twice\nand more")
        return {"loss": self.weight.square().sum()}


def test_a_failed_count_is_told_and_no_more(tmp_path, capsys):
    assert toy_trainer(tmp_path, toy_config(), task=Uncountable).fit()["finished"]
    assert "operations are not counted, so no tflops: not twice\n" in capsys.readouterr().err
    assert all("tflops" not in record for record in read_json_lines(tmp_path / "metrics.jsonl"))


@pytest.mark.parametrize(
    ("name", "bf16", "fp32"),
    [
        ("NVIDIA H100 80GB HBM3", 989, 67),
        ("NVIDIA H100 PCIe", 756, 51),
        ("NVIDIA A100-SXM4-80GB", 312, 19.5),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None, None),
        ("NVIDIA GeForce RTX 4090", 165.2, 82.6),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None, None),
        ("Something new", None, None),
    ],
)
def test_peaks_go_by_the_whole_name_of_the_device(monkeypatch, name, bf16, fp32):
    device = types.SimpleNamespace(type="cuda")
    monkeypatch.setattr(flops_module.torch.cuda, "get_device_name", lambda device: name)
    assert (peak_tflops(device, "bf16"), peak_tflops(device, "fp32")) == (bf16, fp32)


def test_a_cpu_has_no_known_peak():
    assert peak_tflops(torch.device("cpu"), "fp32") is None
    assert Utilisation(2e9, None).at(500) == {"tflops": 1.0}
