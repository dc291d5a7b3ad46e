"""A release is a timm model: from the folder alone, from the weights file alone, at any standard size."""

import json

import pytest
import timm
import torch
from timm.data import create_transform, resolve_model_data_config
from vemo.zoo import (
    Architecture,
    Preprocessing,
    ReleaseDescription,
    build_trunk,
    load_encoder,
    save_release,
)
from vemo.zoo.trunk import SIZES, size_of

ODD = {"img_size": 24, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 3.0}


def arguments_of(size, **others):
    width, depth, heads = SIZES[size]
    return {"embed_dim": width, "depth": depth, "num_heads": heads, **others}


def make_release(folder, arguments, pooling="token"):
    torch.manual_seed(5)
    description = ReleaseDescription(
        name="test",
        architecture=Architecture(arguments=arguments, positions="sincos2d", pooling=pooling),
        preprocessing=Preprocessing(
            image_size=arguments["img_size"], mean=(0.1, 0.2, 0.3), interpolation="bilinear"
        ),
        licence="research-only",
    )
    save_release(folder, build_trunk(arguments, "sincos2d").state_dict(), description)
    return folder


def images(side):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("pooling", ["token", "mean"])
def test_a_release_folder_is_a_timm_model(tmp_path, pooling):
    make_release(tmp_path, ODD, pooling)
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    encoder = load_encoder(tmp_path)
    with torch.no_grad():
        assert torch.equal(model(encoder.normalise(images(24))), encoder(images(24)))


def test_whoever_may_read_the_config_may_read_the_weights(tmp_path):
    make_release(tmp_path, ODD)
    modes = {(tmp_path / name).stat().st_mode for name in ("config.json", "encoder.safetensors")}
    assert len(modes) == 1


def test_what_timm_cannot_pool_comes_as_tokens(tmp_path):
    make_release(tmp_path, ODD, "token+mean")
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    encoder = load_encoder(tmp_path)
    with torch.no_grad():
        tokens = model(encoder.normalise(images(24)))
        assert tokens.shape == (3, 37, 16)
        by_hand = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
        assert torch.equal(by_hand, encoder(images(24)))


def test_timm_knows_how_to_feed_it(tmp_path):
    make_release(tmp_path, ODD)
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    config = resolve_model_data_config(model)
    assert tuple(config["input_size"]) == (3, 24, 24) and config["interpolation"] == "bilinear"
    assert config["crop_pct"] == 1 and tuple(config["mean"]) == (0.1, 0.2, 0.3)
    assert model.pretrained_cfg["license"] == "research-only"
    assert "Resize(size=24" in str(create_transform(**config))


def test_it_is_fine_tuned_by_timm_with_a_head_at_another_size_and_pooling(tmp_path):
    make_release(tmp_path, ODD)
    model = timm.create_model(
        f"local-dir:{tmp_path}", pretrained=True, num_classes=8, img_size=32, global_pool="avg"
    )
    trunk = load_encoder(tmp_path).model
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 8) and model.pos_embed.shape[1] == 65
    assert torch.equal(model.blocks[1].mlp.fc2.weight, trunk.blocks[1].mlp.fc2.weight)
    assert torch.equal(model.norm.weight, trunk.norm.weight)


@pytest.mark.parametrize("side,patch", [(224, 16), (96, 12)])
def test_the_weights_alone_load_strictly_under_a_timm_name(tmp_path, side, patch):
    make_release(tmp_path, arguments_of("tiny", img_size=side, patch_size=patch))
    sizes = {} if side == 224 else {"img_size": side, "patch_size": patch}
    file = tmp_path / "encoder.safetensors"
    model = timm.create_model("vit_tiny_patch16_224", checkpoint_path=file, num_classes=0, **sizes).eval()
    encoder = load_encoder(tmp_path)
    with torch.no_grad():
        assert torch.equal(model(encoder.normalise(images(side))), encoder(images(side)))


def test_a_release_of_a_standard_size_names_the_timm_model(tmp_path):
    tiny = arguments_of("tiny", img_size=32, patch_size=8)
    for arguments, name in ((tiny, "vit_tiny_patch16_224"), (ODD, "vit_base_patch16_224")):
        make_release(tmp_path, arguments)
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["architecture"] == name
        assert config["model_args"].items() >= arguments.items()


@pytest.mark.parametrize(
    "size,name",
    [
        ("tiny", "vit_tiny_patch16_224"),
        ("small", "vit_small_patch16_224"),
        ("base", "vit_base_patch16_224"),
        ("large", "vit_large_patch16_224"),
        ("huge", "vit_huge_patch14_224"),
    ],
)
def test_sizes_are_timms(size, name):
    assert size_of(*SIZES[size]) == size and size_of(192, 6, 6) is None
    patch = 14 if size == "huge" else 16
    with torch.device("meta"):
        ours = build_trunk(arguments_of(size, patch_size=patch)).state_dict()
        theirs = timm.create_model(name, num_classes=0).state_dict()
    shapes = [{key: value.shape for key, value in weights.items()} for weights in (ours, theirs)]
    assert shapes[0] == shapes[1]
