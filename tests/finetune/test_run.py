"""A whole fine-tuning run: it learns, chooses on val, resumes, saves; says what is wrong with its input."""

import json

import pytest
import torch
from safetensors.torch import load_file
from vemo.cli import main
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import build_head
from vemo.finetune.run import finetune
from vemo.finetune.task import FinetuneTask
from vemo.foundation import UserError
from vemo.foundation.config import load_config
from vemo.training.optimizer import OptimizerConfig, build_optimizer
from vemo.zoo import load_encoder


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config_of(shards, release, out, **changes):
    values = {
        "out": out,
        "encoder": str(release),
        "heads": {"emotion": {"kind": "single", "space": "mikels8"}},
        "data": {"shards": shards},
        "training": {"epochs": 6, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 3e-3}},
    }
    return FinetuneConfig.model_validate({**values, **changes})


def test_a_run_from_release_to_report(shards, release, tmp_path, capsys):
    training = {"epochs": 30, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 2e-3}}
    view = {"policy": "none"}
    folder = finetune(config_of(shards, release, tmp_path / "run", training=training, view=view))
    about = json.loads((folder / "model.json").read_text())
    scores = about["scores"]["emotion"]
    assert scores["split"] == "test" and scores["samples"] == 20
    assert scores["accuracy"] > 0.6  # stripes are easy; chance is 0.25
    assert scores["by_class"]["fear"]["support"] == 5
    assert about["licence"].endswith("encoder: CC-BY-4.0")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = {line["step"]: line["val_emotion_macro_f1"] for line in lines if "val_emotion_macro_f1" in line}
    assert len(found) == 30
    assert about["chosen"]["by"] == "val_emotion_macro_f1"
    assert found[about["chosen"]["step"]] == max(found.values())
    weights = load_file(folder / "model.safetensors")
    assert {"encoder.model.cls_token", "heads.emotion.linear.weight"} <= weights.keys()
    assert "macro_f1" in capsys.readouterr().out
    # The config that is kept chooses as this run did.
    kept = load_config(FinetuneConfig, tmp_path / "run" / "finetune.yaml")
    assert (kept.training.best, kept.training.best_is) == ("val_emotion_macro_f1", "highest")


def test_stopped_and_resumed_equals_never_stopped(shards, release, tmp_path):
    whole = finetune(config_of(shards, release, tmp_path / "whole", mixing={}, drop_path=0.1))
    short = {"epochs": 6, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 3e-3}}
    config = config_of(shards, release, tmp_path / "parts", mixing={}, drop_path=0.1)

    class Stop(Exception):
        pass

    from vemo.training import Trainer

    step, original = 0, Trainer._train_step

    def dies(self, *arguments, **named):
        nonlocal step
        step += 1
        if step == 15:
            raise Stop
        return original(self, *arguments, **named)

    Trainer._train_step = dies
    try:
        with pytest.raises(Stop):
            finetune(config)
    finally:
        Trainer._train_step = original
    parts = finetune(config_of(shards, release, tmp_path / "parts", mixing={}, drop_path=0.1, training=short))
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def make(release, train="all", **options):
    encoder = load_encoder(release, **options)
    config = FinetuneConfig.model_validate(
        {
            "out": "x",
            "encoder": "x",
            "data": {"shards": "x"},
            "heads": {
                "emotion": {"kind": "single", "space": "mikels8"},
                "tone": {"kind": "vad", "weight": 2},
            },
        }
    )
    heads = {name: build_head(name, each, encoder.width) for name, each in config.heads.items()}
    return FinetuneTask(encoder, heads, train=train)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=generator),
        "target_emotion": torch.tensor([0, 1, 2, 3, -1, 5]),
        "target_tone": torch.rand(6, 3, generator=generator) * 2 - 1,
    }


def test_losses_of_heads_are_weighed(release, batch):
    parts = make(release)(batch)
    assert torch.allclose(parts["loss"], parts["emotion"] + 2 * parts["tone"])


@pytest.mark.parametrize("train,blocks", [("all", {0, 1, 2}), ("last-1", {2}), ("heads", set())])
def test_what_is_trained(release, batch, train, blocks):
    task = make(release, train)
    task(batch)["loss"].backward()
    moved = {name for name, parameter in task.named_parameters() if parameter.grad is not None}
    assert {int(name.split("blocks.")[1][0]) for name in moved if "blocks." in name} == blocks
    assert {"heads.emotion.linear.weight", "heads.tone.linear.weight"} <= moved
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    task.train()
    assert task.encoder.training == (train != "heads")


def test_more_blocks_than_there_are(release):
    with pytest.raises(UserError, match="has 3 blocks"):
        make(release, "last-4")


def test_layers_have_rates_of_their_own(release):
    """The head's is whole, each layer below it takes another factor; tokens and positions are not decayed."""
    task = make(release)
    optimizer = build_optimizer(task, OptimizerConfig(layer_decay=0.5, weight_decay=0.1))
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    decay = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert scale["heads.emotion.linear.weight"] == 1
    blocks = [scale[f"encoder.model.blocks.{number}.mlp.fc1.weight"] for number in range(3)]
    assert blocks[0] * 4 == blocks[1] * 2 == blocks[2] < 1
    assert scale["encoder.model.patch_embed.proj.weight"] == blocks[0] / 2
    assert decay["encoder.model.cls_token"] == 0 and decay["encoder.model.blocks.0.mlp.fc1.weight"] == 0.1


def test_samples_are_mixed_in_training_only(release, batch):
    from vemo.finetune.mixing import MixingConfig

    task = make(release)
    task.mixing = MixingConfig()
    plain = task.eval()(batch)["loss"]
    assert torch.equal(plain, task.eval()(batch)["loss"])
    torch.manual_seed(1)
    assert not torch.equal(plain, task.train()(batch)["loss"])


def test_a_timm_encoder_with_stochastic_depth():
    encoder = load_encoder("timm:vit_tiny_patch16_224", random=True, image_size=32, drop_path=0.3)
    assert encoder.model.blocks[-1].drop_path1.drop_prob == pytest.approx(0.3)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"evaluation": {"validation_split": "dev"}}, "no split 'dev'"),
        ({"evaluation": {"test_split": "train"}}, "'train' is trained on"),
        ({"heads": {"emotion": {"kind": "single", "space": "ekman6"}}}, "none of the 40 records"),
        ({"data": {"shards": "https://example.invalid/set"}}, "evaluation.shards must be a local folder"),
    ],
)
def test_what_is_wrong_is_said(shards, release, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        finetune(config_of(shards, release, tmp_path / "run", **change))


def test_the_command(shards, release, tmp_path, capsys):
    text = "heads: {emotion: {kind: single, space: mikels8}}\n"
    text += "training: {epochs: 1, batch_size: 10, device: cpu}\n"
    (tmp_path / "run.yaml").write_text(text)
    given = [f"out={tmp_path / 'out'}", f"encoder={release}", f"data.shards={shards}"]
    assert main(["finetune", str(tmp_path / "run.yaml"), *given]) == 0
    assert "chosen: step 4" in capsys.readouterr().out
    assert main(["finetune", str(tmp_path / "run.yaml"), *given, "heads.emotion.kind=other"]) == 2
