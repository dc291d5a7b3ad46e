"""LoRA: adapters and heads are trained and nothing else, and what is released needs no peft."""

import json
import sys

import pytest
import timm
import torch
from safetensors.torch import load_file
from vemo.datasets.stream import ShardSet, evaluation_batches
from vemo.evaluation.predictions import load_predictions
from vemo.finetune.augmentation import AugmentationConfig
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import build_head
from vemo.finetune.emotion.config import SingleConfig
from vemo.finetune.lora import LoraConfig, add_adapters, merge_adapters
from vemo.finetune.run import finetune
from vemo.finetune.task import FinetuneTask
from vemo.finetune.views import FinetuneEvaluationView
from vemo.foundation import UserError
from vemo.training.optimizer import OptimizerConfig, build_optimizer
from vemo.zoo import load_encoder
from vemo.zoo.encoder import Encoder

pytest.importorskip("peft", reason="peft is not installed (the `lora` extra)")
GREY = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vit():
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2}
    return Encoder(timm.create_model("vit_tiny_patch16_224", num_classes=0, **options), 32, *GREY)


def swin():
    options = {"img_size": 32, "patch_size": 4, "window_size": 4, "embed_dim": 16}
    name = "swin_tiny_patch4_window7_224"
    model = timm.create_model(name, num_classes=0, depths=(1, 2), num_heads=(2, 2), **options)
    return Encoder(model, 32, *GREY)


def beit():
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
    return Encoder(timm.create_model("beit_base_patch16_224", num_classes=0, **options), 32, *GREY)


ENCODERS = [vit, swin]
EVERY = ("qkv", "proj", "fc1", "fc2")


def make(encoder, **lora):
    torch.manual_seed(0)
    head = build_head("emotion", SingleConfig(space="mikels8"), encoder.width)
    torch.nn.init.normal_(head.linear.weight, std=0.1)
    return FinetuneTask(encoder, {"emotion": head}, train="lora", lora=LoraConfig(**lora))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return {"image": images, "target_emotion": torch.arange(8)}


def steps(task, batch, count=5, rate=0.02):
    optimizer = build_optimizer(task, OptimizerConfig(lr=rate, layer_decay=None))
    for _ in range(count):
        optimizer.zero_grad()
        task.train()(batch)["loss"].backward()
        optimizer.step()


@pytest.mark.parametrize("build", ENCODERS)
def test_adapters_and_heads_are_trained_and_nothing_else(build, batch):
    plain = build()
    before = {name: value.clone() for name, value in plain.model.state_dict().items()}
    task = make(plain)
    start = {name: value.clone() for name, value in task.state_dict().items()}
    steps(task, batch)
    changed = {name for name, value in task.state_dict().items() if not torch.equal(value, start[name])}
    adapters = {name for name in start if ".lora_A." in name or ".lora_B." in name}
    assert changed == adapters | {"heads.emotion.linear.weight", "heads.emotion.linear.bias"}
    blocks = [name for name, module in build().model.named_modules() if name.endswith("attn.qkv")]
    assert len(adapters) == 2 * len(EVERY) * len(blocks)  # not the stem's convolution, which is a proj too
    for name, value in before.items():
        kept = task.encoder.model.state_dict()
        prefix, _, last = name.rpartition(".")
        assert torch.equal(kept[name if name in kept else f"{prefix}.base_layer.{last}"], value)
    trained = sum(p.numel() for p in task.encoder.parameters() if p.requires_grad)
    assert trained == sum(start[name].numel() for name in adapters)


@pytest.mark.parametrize("build", ENCODERS)
def test_merged_weights_say_the_same_and_are_timms_own(build, batch):
    task = make(build(), rank=4, alpha=12)
    untrained = task.eval().features(batch)
    steps(task, batch)
    with torch.no_grad():
        before = task.eval().features(batch)
        assert (before - untrained).abs().max() > 0.05  # or merging would have nothing to merge
        merge_adapters(task.encoder)
        after = task.features(batch)
    assert (before - after).abs().max() < 1e-5
    other = build()
    other.model.load_state_dict(task.encoder.model.state_dict(), strict=True)
    assert torch.equal(other.eval()(batch["image"]), after)
    assert not any("peft" in type(module).__module__ for module in task.encoder.modules())


def test_adapters_start_silent(batch):
    torch.manual_seed(3)
    encoder = vit().eval()
    before = encoder(batch["image"])
    add_adapters(encoder, LoraConfig())
    assert torch.allclose(encoder(batch["image"]), before, atol=1e-6)


def test_rank_alpha_and_targets(batch):
    encoder = vit()
    add_adapters(encoder, LoraConfig(rank=3, alpha=12, targets=("fc1",), dropout=0.5))
    layers = {name: m for name, m in encoder.model.named_modules() if hasattr(m, "lora_A")}
    assert set(layers) == {f"blocks.{number}.mlp.fc1" for number in range(3)}
    for layer in layers.values():
        assert layer.lora_A["default"].weight.shape == (3, 32) and layer.scaling["default"] == 4
        assert layer.lora_dropout["default"].p == 0.5


@pytest.mark.parametrize("build", ENCODERS)
def test_adapters_have_the_rate_of_their_layer(build):
    """Layer decay and LoRA go together."""
    task = make(build())
    optimizer = build_optimizer(task, OptimizerConfig(layer_decay=0.5))
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert set(scale) == {name for name, parameter in task.named_parameters() if parameter.requires_grad}
    depth = [value for name, value in scale.items() if name.endswith("attn.qkv.lora_B.default.weight")]
    assert len(depth) == 3 and depth[0] * 4 == depth[1] * 2 == depth[2] < 1
    assert scale["heads.emotion.linear.weight"] == 1


@pytest.mark.parametrize(
    "build,targets,message",
    [
        (vit, ("qkv", "query"), "no linear layer query; it has fc1, fc2, proj, qkv"),
        (beit, EVERY, r"never calls blocks\.0\.attn\.qkv.* leave qkv out"),
    ],
)
def test_layers_that_cannot_be_adapted(build, targets, message):
    with pytest.raises(UserError, match=message):
        add_adapters(build(), LoraConfig(targets=targets))


def test_what_is_left_of_beit_can_be_adapted(batch):
    task = make(beit(), targets=("proj", "fc1"))
    steps(task, batch, 1)
    task(batch)["loss"].backward()
    assert all((p.grad is not None) == p.requires_grad for p in task.parameters())


def test_without_peft_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"train=lora needs the package peft: pip install 'vemo\[lora\]'"):
        add_adapters(vit(), LoraConfig())


# A whole run


def config_of(shards, release, out, **changes):
    values = {
        "out": out,
        "encoder": str(release),
        "train": "lora",
        "heads": {"emotion": {"kind": "single", "space": "mikels8"}},
        "data": {"shards": shards},
        "view": {"policy": "none"},
        "training": {"epochs": 3, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 1e-2}},
    }
    return FinetuneConfig.model_validate({**values, **changes})


def test_the_section_is_there_exactly_if_it_is_used(shards, release, tmp_path):
    assert config_of(shards, release, tmp_path).lora == LoraConfig()
    assert config_of(shards, release, tmp_path, lora={"rank": 2}).lora == LoraConfig(rank=2)
    assert config_of(shards, release, tmp_path, train="all").lora is None
    with pytest.raises(ValueError, match="lora does nothing where train=heads"):
        config_of(shards, release, tmp_path, train="heads", lora={})


def test_a_release_has_plain_weights_that_say_what_was_measured(shards, release, tmp_path):
    training = {"epochs": 3, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 1e-2}, "ema": 0.9}
    folder = finetune(config_of(shards, release, tmp_path / "run", training=training, lora={"rank": 4}))
    about = json.loads((folder / "model.json").read_text())
    assert about["lora"]["rank"] == 4 and about["train"] == "lora"
    weights = load_file(folder / "model.safetensors")
    encoder = load_encoder(release)
    head = build_head("emotion", SingleConfig(space="mikels8"), encoder.width)
    task = FinetuneTask(encoder, {"emotion": head})
    assert weights.keys() == task.state_dict().keys()
    untouched = [name for name in weights if "norm" in name or "patch_embed" in name]
    assert untouched and all(torch.equal(weights[name], task.state_dict()[name]) for name in untouched)
    assert not torch.equal(
        weights["encoder.model.blocks.0.attn.qkv.weight"], task.encoder.model.blocks[0].attn.qkv.weight
    )
    task.load_state_dict(weights)
    view = FinetuneEvaluationView(AugmentationConfig(), 32, [head.targets], 1.0)
    (batch,) = evaluation_batches(ShardSet(shards), "test", view, 20)
    with torch.no_grad():
        said = task.eval().outputs(batch)["emotion"].log_softmax(1)
    measured = load_predictions(tmp_path / "run" / "predictions" / "emotion-test.safetensors")
    assert torch.allclose(said, measured.outputs, atol=1e-5)
    again = finetune(config_of(shards, release, tmp_path / "run", training=training, lora={"rank": 4}))
    twice = load_file(again / "model.safetensors")
    assert all(torch.equal(weights[name], twice[name]) for name in weights)


def test_stopped_and_resumed_equals_never_stopped(shards, release, tmp_path, monkeypatch):
    from vemo.training import Trainer

    whole = finetune(config_of(shards, release, tmp_path / "whole", lora={"dropout": 0.2}))
    original = Trainer._train_step

    def dies(self, *arguments, **named):
        if self.step == 7:
            raise KeyError("stopped")
        return original(self, *arguments, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyError, match="stopped"):
        patched.setattr(Trainer, "_train_step", dies)
        finetune(config_of(shards, release, tmp_path / "parts", lora={"dropout": 0.2}))
    parts = finetune(config_of(shards, release, tmp_path / "parts", lora={"dropout": 0.2}))
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(UserError, match=r"lora\.rank: was 8, now 4"):
        finetune(config_of(shards, release, tmp_path / "parts", lora={"rank": 4, "dropout": 0.2}))
