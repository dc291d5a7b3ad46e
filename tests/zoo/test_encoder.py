"""Releases round-trip, load into plain timm, and refuse damage; timm specs load strictly."""

import json

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import VisionTransformer
from vemo.foundation import UserError
from vemo.zoo import (
    Architecture,
    Preprocessing,
    ReleaseDescription,
    build_trunk,
    load_encoder,
    read_release,
    save_release,
)

ARGUMENTS = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}


def make_release(folder, pooling="token"):
    torch.manual_seed(5)
    trunk = build_trunk(ARGUMENTS, "sincos2d")
    description = ReleaseDescription(
        name="test",
        architecture=Architecture(arguments=ARGUMENTS, positions="sincos2d", pooling=pooling),
        preprocessing=Preprocessing(image_size=32),
    )
    save_release(folder, trunk.state_dict(), description)
    return trunk


def images(count=3, size=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def test_a_release_comes_back_the_same_and_loads_into_plain_timm(tmp_path):
    trunk = make_release(tmp_path)
    description, state_dict = read_release(tmp_path)
    assert description.parameters == sum(value.numel() for value in trunk.state_dict().values())
    plain = VisionTransformer(**ARGUMENTS, num_classes=0)
    plain.load_state_dict(state_dict, strict=True)
    encoder = load_encoder(tmp_path)
    with torch.no_grad():
        expected = plain.eval()(encoder.normalise(images()))
        assert torch.equal(encoder(images()), expected)
    assert encoder.width == 16 and encoder.image_size == 32


@pytest.mark.parametrize("pooling,width", [("token", 16), ("mean", 16), ("token+mean", 32)])
def test_pooling_gives_the_stated_width(tmp_path, pooling, width):
    make_release(tmp_path, pooling)
    encoder = load_encoder(str(tmp_path))
    assert encoder.width == width
    assert encoder(images()).shape == (3, width)


def test_random_is_the_same_architecture_untrained_and_repeatable(tmp_path):
    trunk = make_release(tmp_path)
    first, second = load_encoder(tmp_path, random=True), load_encoder(tmp_path, random=True)
    other = load_encoder(tmp_path, random=True, seed=1)
    assert torch.equal(first(images()), second(images()))
    assert not torch.equal(first(images()), other(images()))
    assert not torch.equal(first.model.blocks[0].mlp.fc1.weight, trunk.blocks[0].mlp.fc1.weight)
    assert torch.equal(first.model.pos_embed, trunk.pos_embed), "fixed positions are not part of the training"


def test_loading_random_weights_leaves_the_callers_random_numbers_alone(tmp_path):
    make_release(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_encoder(tmp_path, random=True)
    assert torch.equal(torch.rand(1), expected)


def test_damage_and_absence_are_user_errors(tmp_path):
    with pytest.raises(UserError, match="no such encoder"):
        load_encoder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a released encoder"):
        load_encoder(tmp_path)
    make_release(tmp_path)
    weights = tmp_path / "encoder.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(UserError, match="sha256"):
        load_encoder(tmp_path)
    description = json.loads((tmp_path / "encoder.json").read_text())
    description["architecture"]["arguments"]["embed_dimm"] = 3
    (tmp_path / "encoder.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="cannot build"):
        load_encoder(tmp_path, random=True)


def test_a_wrong_type_or_size_is_refused(tmp_path):
    make_release(tmp_path)
    encoder = load_encoder(tmp_path)
    with pytest.raises(ValueError, match="uint8"):
        encoder(images().float())
    with pytest.raises(ValueError, match="32"):
        encoder(images(size=40))


def test_a_timm_model_loads_from_a_file_at_another_image_size(tmp_path):
    model = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    file = tmp_path / "weights.safetensors"
    save_file({key: value.half() for key, value in model.state_dict().items()}, file)
    encoder = load_encoder(f"timm:vit_tiny_patch16_224:64@{file}")
    assert encoder.image_size == 64 and encoder.model.pos_embed.shape[1] == 17
    assert torch.equal(encoder.model.norm.weight, model.norm.weight)
    assert encoder(images(2, 64)).shape == (2, encoder.width)
    with pytest.raises(UserError, match="do not fit"):
        load_encoder(f"timm:resnet18@{file}")


def test_timm_specs_that_cannot_work_say_why(tmp_path):
    with pytest.raises(UserError, match="has no such model"):
        load_encoder("timm:vit_enormous_patch1")
    with pytest.raises(UserError, match="safetensors"):
        load_encoder(f"timm:vit_tiny_patch16_224@{tmp_path / 'weights.pth'}")
    with pytest.raises(UserError, match="no such weights file"):
        load_encoder(f"timm:vit_tiny_patch16_224@{tmp_path / 'weights.safetensors'}")
    assert load_encoder("timm:resnet18", random=True, image_size=64)(images(1, 64)).shape == (1, 512)
