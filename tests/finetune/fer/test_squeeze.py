"""Squeeze-and-excitation: the identity it rests on, its size, where it may stand, and a whole run with it."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import build_head
from vemo.finetune.emotion.config import SingleConfig
from vemo.finetune.fer import FeatureSqueeze, SqueezeConfig, squeeze_stages
from vemo.finetune.fer.squeeze import Excitation, MapSqueeze
from vemo.finetune.run import finetune
from vemo.finetune.task import FinetuneTask
from vemo.foundation import UserError
from vemo.training.optimizer import OptimizerConfig, build_optimizer
from vemo.zoo import load_encoder

SWIN = {"patch_size": 2, "window_size": 4, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2]}
RESNET = {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "small_stem": True}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("last", [False, True])
def test_weighing_the_map_is_weighing_its_mean(last):
    torch.manual_seed(0)
    places = (1, 2) if last else (2, 3)
    maps = torch.randn(3, 5, 7, 32) if last else torch.randn(3, 32, 5, 7)
    on_map = MapSqueeze(32, 4, last)
    on_feature = FeatureSqueeze(32, SqueezeConfig(reduction=4, norm=False)).eval()
    on_feature.excitation = on_map.excitation
    torch.testing.assert_close(on_map(maps).mean(places), on_feature(maps.mean(places)), rtol=0, atol=1e-6)
    assert not torch.allclose(on_map(maps), maps / 2, atol=1e-3)  # the weights are not all the same


def test_the_weights_are_the_formula():
    excitation = Excitation(8, 4)
    z = torch.randn(2, 8)
    hidden = (z @ excitation.reduce.weight.T).clamp(min=0)
    expected = 1 / (1 + (-hidden @ excitation.expand.weight.T).exp())
    torch.testing.assert_close(excitation(z), expected)


@pytest.mark.parametrize(
    "name,width,millions", [("tiny", 768, 27.5), ("small", 768, 48.8), ("base", 1024, 86.8)]
)
def test_sizes_are_those_of_the_specification(name, width, millions):
    with torch.device("meta"):
        model = timm.create_model(f"swin_{name}_patch4_window7_224", num_classes=8)
    assert model.num_features == width
    assert numbers(model) / 1e6 == pytest.approx(millions, abs=0.05)
    assert numbers(Excitation(768, 16)) == 73_728
    whole = FeatureSqueeze(768, SqueezeConfig())
    assert numbers(whole) == 73_728 + 2 * 768 and whole.dropout.p == 0.1


def encoder_of(name, arguments, side=32):
    return load_encoder(f"timm:{name}", random=True, image_size=side, arguments=arguments)


ENCODERS = [("swin_tiny_patch4_window7_224", SWIN), ("resnet18", RESNET)]


@pytest.mark.parametrize("name,arguments", ENCODERS)
def test_after_every_stage(name, arguments):
    encoder = encoder_of(name, arguments)
    before = set(encoder.model.state_dict())
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    plain = encoder(images)
    squeeze_stages(encoder.model, 4)
    added = [module for module in encoder.model.modules() if isinstance(module, MapSqueeze)]
    assert len(added) == len(arguments["depths" if "depths" in arguments else "layers"])
    assert before < set(encoder.model.state_dict())
    half = encoder(images)
    assert not torch.allclose(plain, half)
    for module in added:  # s = 1 everywhere: as if nothing were there
        module.excitation = nn.Sequential(nn.Identity())
        module.excitation.forward = torch.ones_like
    torch.testing.assert_close(encoder(images), plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "efficientnet_b0"])
def test_an_encoder_without_stages_is_refused(name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0)
    with pytest.raises(UserError, match=r"squeeze\.position=stages: timm does not name the stages"):
        squeeze_stages(model, 16)


def test_layers_have_their_rates_and_ours_the_whole():
    encoder = encoder_of(*ENCODERS[0])
    head = build_head("emotion", SingleConfig(space="fer7"), encoder.width)
    task = FinetuneTask(encoder, {"emotion": head}, squeeze=SqueezeConfig(reduction=4))
    optimizer = build_optimizer(task, OptimizerConfig(layer_decay=0.5))
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert scale["squeeze.excitation.reduce.weight"] == scale["heads.emotion.linear.weight"] == 1
    assert scale["encoder.model.layers.0.blocks.0.mlp.fc1.weight"] < 1


def test_heads_share_what_was_squeezed():
    encoder = encoder_of(*ENCODERS[0])
    heads = {name: build_head(name, SingleConfig(space=name), encoder.width) for name in ("fer7", "fer8")}
    task = FinetuneTask(encoder, heads, squeeze=SqueezeConfig(reduction=4)).eval()
    batch = {"image": torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)}
    features = task.squeeze(encoder(batch["image"]))
    said = task.outputs(batch)
    assert all(torch.equal(said[name], heads[name](features)) for name in heads)


# A whole run


def config_of(shards, out, **changes):
    values = {
        "out": out,
        "encoder": "timm:resnet18",
        "random": True,
        "image_size": 32,
        "encoder_arguments": RESNET,
        "squeeze": {"reduction": 4},
        "heads": {"emotion": {"kind": "single", "space": "mikels8"}},
        "data": {"shards": shards},
        "view": {"policy": "none"},
        "evaluation": {"flip": True},
        "training": {
            "epochs": 2,
            "batch_size": 10,
            "device": "cpu",
            "optimizer": {"lr": 3e-3},
            "sharpness": {"rho": 0.05},
            "ema": 0.9,
        },
    }
    return FinetuneConfig.model_validate({**values, **changes})


@pytest.mark.parametrize("position", ["head", "stages"])
def test_a_run_leaves_all_that_builds_the_model_again(shards, tmp_path, position):
    squeeze = {"position": position, "reduction": 4}
    folder = finetune(config_of(shards, tmp_path / "run", squeeze=squeeze))
    about = json.loads((folder / "model.json").read_text())
    assert about["encoder"]["arguments"] == RESNET
    encoder = load_encoder(
        f"timm:{about['encoder']['name']}",
        random=True,
        image_size=about["image_size"],
        arguments=about["encoder"]["arguments"],
    )
    heads = {"emotion": build_head("emotion", SingleConfig(**about["heads"]["emotion"]), encoder.width)}
    task = FinetuneTask(encoder, heads, squeeze=SqueezeConfig.model_validate(about["squeeze"]))
    task.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    plain, flipped = report["scores"]["emotion"], report["flipped"]["emotion"]
    assert plain["samples"] == flipped["samples"] == 20 and plain.keys() == flipped.keys()
    assert plain["nll"] != flipped["nll"] and "flipped" not in about
    with pytest.raises(UserError, match=r"squeeze\.reduction: was 4, now 8"):
        finetune(config_of(shards, tmp_path / "run", squeeze={"position": position, "reduction": 8}))


@pytest.mark.parametrize(
    "change,message",
    [
        ({"squeeze": {"position": "stages"}, "train": "heads"}, "squeeze.position=stages needs train=all"),
        ({"encoder_arguments": {"img_size": 3}}, "say image_size instead"),
        ({"encoder_arguments": {"colour": 3}}, "resnet18 cannot be built with colour=3"),
        ({"encoder": "timm:vit_tiny_patch16_224"}, "cannot be built with channels"),
    ],
)
def test_what_does_not_fit_is_said(shards, tmp_path, change, message):
    with pytest.raises((UserError, ValueError), match=message):
        finetune(config_of(shards, tmp_path / "run", **change))


def test_a_release_takes_no_arguments(release):
    with pytest.raises(UserError, match="a release has its own"):
        load_encoder(release, arguments={"patch_size": 2})


def test_small_stem_is_for_resnets():
    with pytest.raises(UserError, match="only for ResNets"):
        encoder_of("convnext_atto", {"small_stem": True})
    encoder = encoder_of("resnet18", RESNET, side=48)
    maps = encoder.model.forward_features(torch.zeros(1, 3, 48, 48))
    assert maps.shape == (1, 16, 6, 6)
