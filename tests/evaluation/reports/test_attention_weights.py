"""Attention weights: those that the model uses, and nothing left behind by looking at them."""

import pytest
import torch
from torch import nn
from vemo.evaluation.reports.attention import (
    attention,
    attention_weights,
    class_maps,
    overlay,
    rollout,
)
from vemo.zoo.trunk import build_trunk

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2}


def trunk_of(**changes):
    torch.manual_seed(0)
    trunk = build_trunk({**SIZES, **changes}, "sincos2d")
    for block in trunk.blocks:  # far from uniform, and different in each block
        nn.init.normal_(block.attn.qkv.weight, std=0.5)
        nn.init.normal_(block.attn.qkv.bias, std=0.5)
    return trunk


def by_hand(trunk, images):
    """Every weight from the definition, in float64, a head at a time."""
    trunk = trunk.double().eval()
    patches = trunk.patch_embed(images.double())
    tokens = torch.cat([trunk.cls_token.expand(len(images), -1, -1), patches], dim=1) + trunk.pos_embed
    found = []
    for block in trunk.blocks:
        entered, layer = block.norm1(tokens), block.attn
        queries, keys, values = (entered @ layer.qkv.weight.T + layer.qkv.bias).chunk(3, dim=-1)
        heads, mixed = [], []
        for head in range(layer.num_heads):
            part = slice(head * layer.head_dim, (head + 1) * layer.head_dim)
            query, key = layer.q_norm(queries[..., part]), layer.k_norm(keys[..., part])
            scores = torch.einsum("bic,bjc->bij", query, key) / layer.head_dim**0.5
            weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
            heads.append(weights)
            mixed.append(weights @ values[..., part])
        found.append(torch.stack(heads, dim=1))
        tokens = tokens + torch.cat(mixed, dim=-1) @ layer.proj.weight.T + layer.proj.bias
        tokens = tokens + block.mlp(block.norm2(tokens))
    return found, trunk.norm(tokens)


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
@torch.no_grad()
def test_weights_are_those_of_the_definition(fused, qk_norm, images):
    trunk = trunk_of(qk_norm=qk_norm)
    for block in trunk.blocks:
        block.attn.fused_attn = fused
    found, features = attention(trunk, images), trunk.eval().forward_features(images)
    assert found.last.shape == (2, 2, 17, 17) and len(found.means) == 3
    assert torch.allclose(found.last.sum(dim=-1), torch.ones(2, 2, 17), atol=1e-6)
    expected, same_features = by_hand(trunk, images)
    assert torch.allclose(features.double(), same_features, atol=1e-4)  # else the reference is another model
    assert torch.allclose(found.last.double(), expected[-1], atol=1e-5)
    for mean, weights in zip(found.means, expected):
        assert torch.allclose(mean.double(), weights.mean(dim=1), atol=1e-5)
    assert expected[-1].max() > 0.3  # far from uniform


def test_hooks_are_removed_whatever_happens(images, monkeypatch):
    trunk = trunk_of()
    hooks = [each._forward_pre_hooks for each in trunk.modules()]
    attention(trunk, images)
    assert trunk.training and not any(hooks)

    def fail(*arguments):
        assert any(hooks)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(trunk.blocks[1].mlp, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        attention(trunk, images)
    assert trunk.training and not any(hooks)


def test_compiled_blocks_are_looked_at_too(images):
    trunk = trunk_of().eval()
    expected = attention(trunk, images).last
    for block in trunk.blocks:
        block.compile(backend="eager")
    with torch.no_grad():
        trunk.forward_features(images)  # compiled before there is a hook
    assert torch.equal(attention(trunk, images).last, expected)


def test_half_precision_weights(images):
    trunk = trunk_of().bfloat16()
    tokens = torch.randn(1, 17, 32).bfloat16()
    found = attention_weights(trunk.blocks[0].attn, tokens)
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(dim=-1), torch.ones(1, 2, 17), atol=1e-6)
    assert attention(trunk, images.bfloat16()).last.isfinite().all()


def test_rollout_by_hand():
    first = torch.tensor([[[0.5, 0.5], [0.0, 1.0]]])
    second = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    # (second + I)/2 · (first + I)/2 = [[.5 .5] [.5 .5]] · [[.75 .25] [0 1]]
    assert torch.allclose(rollout([first, second]), torch.tensor([[[0.375, 0.625], [0.375, 0.625]]]))
    assert torch.equal(rollout([torch.eye(3)[None]] * 4), torch.eye(3)[None])
    layers = [torch.rand(2, 5, 5).softmax(dim=-1) for _ in range(6)]
    assert torch.allclose(rollout(layers).sum(dim=-1), torch.ones(2, 5), atol=1e-6)


def test_maps_are_multiples_of_an_even_share_in_their_place():
    weights = torch.full((1, 13, 13), 1 / 13)
    assert torch.allclose(class_maps(weights, 1, (3, 4)), torch.ones(1, 3, 4))
    weights[0, 0, 1 + 1 * 4 + 2] = 0.9  # row 1, column 2
    found = class_maps(weights, 1, (3, 4))
    assert found.mean().item() == pytest.approx(1) and found.argmax().item() == 6
    drawn = overlay(torch.full((1, 3, 24, 32), 128, dtype=torch.uint8), found, float(found.max()))
    brightest = drawn[0, 0].argmax().item()
    assert 8 <= brightest // 32 < 16 and 16 <= brightest % 32 < 24
