"""The features of a person and of the scene, joined."""

import pytest
import torch
from vemo.finetune.emotion import ContextConfig, ContextFusion

WIDTH = 8


def sources(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, WIDTH, generator=generator) for _ in range(2)]


def fusion_of(**options):
    torch.manual_seed(0)
    fusion = ContextFusion(WIDTH, ContextConfig(**options))
    for score in (fusion.scene_score, fusion.person_score):
        torch.nn.init.normal_(score.weight)
    return fusion


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize(("options", "width"), [({}, WIDTH), ({"width": 5, "hidden": 3}, 5)])
def test_shape(count, options, width):
    fusion = fusion_of(**options)
    out = fusion(*sources(count), torch.arange(count) % 2 == 0)
    assert out.shape == (count, width) and fusion.width == width and out.isfinite().all()


def test_without_a_person_the_crop_has_no_influence():
    fusion = fusion_of()
    scene, person = sources(4)
    has = torch.tensor([True, False, True, False])
    out = fusion(scene, person, has)
    other = fusion(scene, torch.where(has[:, None], person, torch.nan), has)
    assert torch.equal(out, other)
    changed = fusion(scene, person + torch.arange(WIDTH), has)
    assert torch.equal(changed[~has], out[~has]) and (changed[has] != out[has]).any(1).all()


def test_weights_are_a_softmax_of_scores():
    fusion = fusion_of()
    scene, person = sources(3)
    there = torch.tensor([[True], [False], [True]])
    weights = fusion.weights(scene, person, there)
    assert torch.allclose(weights.sum(1), torch.ones(3)) and weights[1].tolist() == [1, 0]
    a, b = fusion.scene_score(scene[0]), fusion.person_score(person[0])
    assert torch.allclose(weights[0], torch.cat([a, b]).softmax(0))
    norms = fusion.scene_norm(scene), fusion.person_norm(person)
    a, b = fusion.weights(*norms, there).split(1, dim=1)
    joined = torch.cat([a * norms[0], torch.where(there, b * norms[1], 0)], dim=1)
    assert torch.allclose(fusion(scene, person, there[:, 0]), fusion.mlp(joined))
    torch.manual_seed(0)
    fresh = ContextFusion(WIDTH, ContextConfig())
    assert fresh.weights(scene, person, there)[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("persons", [[True] * 5, [False] * 5, [True, False, True, False, True]])
def test_every_parameter_takes_part(persons):
    fusion = fusion_of()
    scene, person = (source.requires_grad_() for source in sources(5))
    (fusion(scene, person, torch.tensor(persons)) * torch.randn(5, WIDTH)).sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert all(persons) <= bool(parameter.grad.any()), name
    assert scene.grad.abs().max() > 0 and bool(person.grad.any()) == any(persons)
    assert not person.grad[~torch.tensor(persons)].any()


def test_parts_of_a_batch_and_autocast():
    fusion = fusion_of()
    scene, person = sources(6)
    has = torch.arange(6) % 2 == 0
    whole = fusion(scene, person, has)
    assert torch.allclose(whole[:2], fusion(scene[:2], person[:2], has[:2]), atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(fusion(scene, person, has).float(), whole, atol=0.05)


def test_dropout_only_in_training():
    fusion = fusion_of(dropout=0.5)
    scene, person = sources(6)
    has = torch.ones(6, dtype=torch.bool)
    assert not torch.equal(fusion(scene, person, has), fusion(scene, person, has))
    fusion.eval()
    assert torch.equal(fusion(scene, person, has), fusion(scene, person, has))
