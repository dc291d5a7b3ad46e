"""Where an encoder looks: uniform where nothing is preferred, at the patch where one is planted."""

import pytest
import torch
from torch import nn
from vemo.evaluation.reports.attention import (
    attends,
    attention,
    grad_cam,
    looking,
    overlay,
    rollout,
    rollout_maps,
)
from vemo.foundation.errors import UserError
from vemo.zoo import Encoder, load_encoder
from vemo.zoo.trunk import build_trunk

SIZES = {"img_size": 64, "patch_size": 16, "embed_dim": 48, "depth": 3, "num_heads": 3}


def transformer(pooling, **changes):
    torch.manual_seed(0)
    trunk = build_trunk({**SIZES, **changes}, "learned")
    return Encoder(trunk, 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), pooling).eval()


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )


@pytest.mark.parametrize("pooling", ["token", "mean", "model", "token+mean"])
@pytest.mark.parametrize("fused", [True, False])
def test_rollout_of_uniform_attention_is_uniform(pooling, fused, images):
    encoder = transformer(pooling)
    for block in encoder.model.blocks:
        block.attn.fused_attn = fused
        nn.init.zeros_(block.attn.qkv.weight)
    assert torch.allclose(rollout_maps(encoder, images), torch.ones(2, 4, 4), atol=1e-5)
    for block in encoder.model.blocks:
        nn.init.normal_(block.attn.qkv.weight)
    found = rollout_maps(encoder, images)
    assert (found - 1).abs().max() > 0.05 and torch.allclose(found.mean((1, 2)), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize(("pooling", "rows"), [("token", [0]), ("mean", range(1, 17))])
def test_rollout_is_of_what_the_feature_is_made_of(pooling, rows, images):
    encoder = transformer(pooling)
    for block in encoder.model.blocks:
        nn.init.normal_(block.attn.qkv.weight)
    flow = rollout(attention(encoder.model, encoder.normalise(images)).means)
    expected = torch.stack([flow[:, row, 1:] for row in rows]).mean(0)
    expected = expected / expected.mean(1, keepdim=True)
    assert torch.allclose(rollout_maps(encoder, images), expected.view(2, 4, 4), atol=1e-5)


def test_rollout_follows_the_token_that_is_attended_to(images):
    """A key that all queries prefer, at one patch: queries are a constant, keys that patch's position."""
    encoder = transformer("token")
    trunk = encoder.model
    with torch.no_grad():
        trunk.patch_embed.proj.weight.zero_()
        trunk.pos_embed.zero_()
        trunk.pos_embed[0, 1 + 6] = torch.linspace(-1, 1, 48)  # row 1, column 2
        for block in trunk.blocks:
            block.attn.qkv.weight.zero_()
            block.attn.qkv.bias.zero_()
            block.attn.qkv.weight[48:96] = torch.eye(48)
            block.attn.qkv.bias[:48] = torch.linspace(-8, 8, 48)
    found = rollout_maps(encoder, images)
    assert found[0].argmax() == 6 and found[0].flatten()[6] > 4


CASES = ["token", "mean", "timm:test_convnext:160", "timm:test_resnet:160"]


@pytest.mark.parametrize("name", [*CASES, "timm:swin_tiny_patch4_window7_224"])
def test_grad_cam_finds_the_planted_patch(name):
    """The score is along what the patch adds to a plain picture's feature: only the patch can raise it."""
    encoder = load_encoder(name, random=True) if name.startswith("timm") else transformer(name)
    side = encoder.image_size
    part = side // 4
    plain = torch.full((1, 3, side, side), 128, dtype=torch.uint8)
    planted = plain.clone()
    noise = torch.randint(
        0, 256, (3, part, part), generator=torch.Generator().manual_seed(2), dtype=torch.uint8
    )
    planted[0, :, part : 2 * part, 2 * part : 3 * part] = noise
    with torch.no_grad():
        before, after = encoder(plain)[0], encoder(planted)[0]
    direction = after - (after @ before) / (before @ before) * before
    found = grad_cam(encoder, planted, lambda features: features @ direction)
    assert found.dtype == torch.float32 and (found >= 0).all() and not found.requires_grad
    rows, columns = found.shape[1:]
    place = int(found[0].argmax())
    middle = ((place // columns + 0.5) / rows, (place % columns + 0.5) / columns)
    assert 0.2 <= middle[0] <= 0.55 and 0.45 <= middle[1] <= 0.8, middle
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_grad_cam_by_hand(images):
    """A score that is a plane of the feature map's mean: the weights are that plane, over the places."""
    encoder = load_encoder("timm:test_resnet:64", random=True)
    with torch.no_grad():
        features = encoder.model.forward_features(encoder.normalise(images))
    found = grad_cam(encoder, images, lambda x: 3 * x[:, 5])
    rows, columns = features.shape[2:]
    assert torch.allclose(found, (3 * features[:, 5] / (rows * columns)).relu(), atol=1e-6)


def test_grad_cam_of_frozen_encoders_in_inference(images):
    for encoder in (transformer("token"), load_encoder("timm:test_resnet:64", random=True)):
        encoder.requires_grad_(False)
        with torch.inference_mode():
            found = grad_cam(encoder, images, lambda x: x.square().sum(1))
        assert found.shape[0] == 2 and found.isfinite().all()
        assert not any(each._forward_pre_hooks for each in encoder.modules())


def test_what_has_no_attention_is_refused(images):
    encoder = load_encoder("timm:test_resnet:64", random=True)
    assert not attends(encoder) and attends(transformer("token"))
    with pytest.raises(UserError, match="Grad-CAM"):
        rollout_maps(encoder, images)


def test_overlays_are_pictures(images):
    maps = torch.zeros(2, 4, 4)
    maps[:, 1, 2] = 1.0
    one, both = overlay(images[0], maps[0]), overlay(images, maps)
    assert one.dtype == torch.uint8 and one.shape == (3, 64, 64) and torch.equal(one, both[0])
    flat = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    drawn = overlay(flat, maps[0]).float()
    place = int(drawn[0].argmax())
    assert 16 <= place // 64 < 32 and 32 <= place % 64 < 48
    assert torch.equal(overlay(flat, torch.zeros(4, 4)), overlay(flat, torch.zeros(4, 4), 1.0))


@pytest.mark.parametrize("score", [None, lambda features: features[:, 0]])
def test_looking_takes_a_picture_of_any_size(score):
    picture = torch.randint(0, 256, (3, 90, 150), dtype=torch.uint8)
    for encoder in (transformer("token"), load_encoder("timm:test_resnet:64", random=True)):
        seen = looking(encoder, score)(picture)
        assert seen.dtype == torch.uint8 and seen.shape == (3, 64, 64)
