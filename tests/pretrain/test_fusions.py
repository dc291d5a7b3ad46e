"""Every fusion gives [B, C], works at B = 1, and teaches each of its parameters."""

from typing import get_args

import pytest
import torch
from torch.nn.functional import silu
from vemo.pretrain.fusions import FusionConfig, FusionName, build_fusion

NAMES = get_args(FusionName)


def sources(count, width=12):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, width, generator=generator), torch.randn(count, width, generator=generator)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", NAMES)
def test_shape(name, count):
    assert build_fusion(12, FusionConfig(name=name))(*sources(count)).shape == (count, 12)


@pytest.mark.parametrize("activation", ["elu", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_and_both_sources_get_a_gradient(name, activation):
    torch.manual_seed(0)
    fusion = build_fusion(12, FusionConfig(name=name, activation=activation))
    scene, person = (source.requires_grad_() for source in sources(5))
    target = torch.randn(5, 12)
    (fusion(scene, person) * target).sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert scene.grad.abs().max() > 0 and person.grad.abs().max() > 0


def test_dual_layer_as_released_is_what_its_softmax_of_one_computes():
    scene, person = sources(4)
    fusion = build_fusion(12, FusionConfig(name="dual_layer_as_released"))
    ones = torch.softmax(torch.randn(4, 1), dim=1)  # what the released attention weights are
    expected = silu(sum(ones * scene + ones * person for _ in range(3))) + 1e-5
    assert torch.allclose(fusion(scene, person), expected, atol=1e-6)


def test_the_corrected_dual_layer_weighs_its_sources():
    torch.manual_seed(0)
    fusion = build_fusion(12, FusionConfig(name="dual_layer_attention"))
    scene, person = sources(4)
    released = silu(3 * (scene + person)) + 1e-5
    assert not torch.allclose(fusion(scene, person), released, atol=0.1)


def test_elu_bounds_from_below_and_none_does_not():
    scene, person = (10 * source for source in sources(64))
    torch.manual_seed(0)
    bounded = build_fusion(12, FusionConfig(activation="elu"))
    free = build_fusion(12, FusionConfig(activation="none"))
    free.load_state_dict(bounded.state_dict())
    assert bounded(scene, person).min() >= -1
    assert free(scene, person).min() < -1
