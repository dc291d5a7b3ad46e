"""The parts of the loss on numbers that can be followed by hand."""

import math

import pytest
import torch
from vemo.finetune.art.contrastive import Cosine, Scorer, candidates, contrastive_loss, pooled
from vemo.finetune.art.losses import language_loss, vad_loss
from vemo.finetune.art.model import apart


def test_language_loss_is_a_mean_over_tokens():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    targets = torch.tensor([0, 0])
    assert language_loss(logits, targets).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    nothing = language_loss(logits[:0].requires_grad_(), targets[:0])
    assert nothing.item() == 0


def test_vad_loss_by_hand():
    predicted = torch.zeros(1, 3, 3, requires_grad=True)
    target = torch.tensor([[[9, 9, 9, 1], [0.6, -0.3, 0.0, 1], [0, 0, 0, 1.0]]])
    # Token 0 predicts token 1, token 1 predicts token 2; a known word of zeros counts.
    both = vad_loss(predicted, target, torch.tensor([[True, True, True]]))
    assert both.item() == pytest.approx((0.36 + 0.09) / 3 / 2)
    one = vad_loss(predicted, target, torch.tensor([[True, True, False]]))
    assert one.item() == pytest.approx((0.36 + 0.09) / 3)
    none = vad_loss(predicted, target, torch.tensor([[True, False, False]]))
    none.backward()
    assert none.item() == 0 and predicted.grad.isfinite().all() and not predicted.grad.any()


def test_equal_scores_cost_log_three():
    counts = torch.ones(4, 3, dtype=torch.bool)
    there = torch.ones(4, dtype=torch.bool)
    assert contrastive_loss(torch.zeros(4, 3), counts, there).item() == pytest.approx(math.log(3))
    counts[0, 1:] = False  # alone: does not count
    counts[1, 1] = False
    found = contrastive_loss(torch.zeros(4, 3), counts, there).item()
    assert found == pytest.approx((math.log(2) + 2 * math.log(3)) / 3)
    assert contrastive_loss(torch.full((4, 3), 1e4), torch.ones_like(counts), there).isfinite()
    nobody = contrastive_loss(torch.zeros(4, 3), counts, torch.zeros(4, dtype=torch.bool))
    assert nobody.item() == 0


@pytest.mark.parametrize("images", [2, 3, 7])
def test_the_other_image_is_always_another(images):
    emotion, there = torch.arange(2 * images), torch.ones(2 * images, dtype=torch.bool)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        others, counts = candidates(2, emotion, there, "two", True)
        assert counts.all()
        own = torch.arange(2 * images)
        assert torch.equal(others[:, 0], own) and torch.equal(others[:, 1], own ^ 1)
        image = others[:, 2] // 2
        assert (image != own // 2).all() and torch.equal(others[:, 2] % 2, own % 2)
        assert sorted(image[::2].tolist()) == list(range(images))
        seen.add(tuple(image.tolist()))
    assert len(seen) > 1 or images == 2


def test_one_image_one_emotion_same_emotion():
    torch.manual_seed(0)
    there = torch.tensor([True, True])
    _, counts = candidates(2, torch.tensor([0, 1]), there, "two", True)
    assert counts.tolist() == [[True, True, False]] * 2  # a batch of one image
    _, counts = candidates(2, torch.tensor([0, 0]), torch.tensor([True, False]), "two", True)
    assert counts.tolist() == [[True, False, False]] * 2
    _, counts = candidates(1, torch.tensor([0, 1]), there, "two", True)
    assert counts.tolist() == [[True, False, True]] * 2  # one answer an image: its partner is itself
    # Two images, both only with the emotion 0 at first; the second slot of image 1 is not there.
    emotion, there = torch.tensor([0, 1, 0, 0]), torch.tensor([True, True, True, False])
    others, counts = candidates(2, emotion, there, "two", True)
    assert others[:, 2].tolist() == [2, 2, 0, 1]
    assert counts[:2].tolist() == [[True, True, False], [True, True, True]]
    _, anyhow = candidates(2, emotion, there, "two", False)
    assert anyhow[0].tolist() == [True, True, True]


def test_in_batch_negatives_are_all_others():
    emotion, there = torch.tensor([0, 1, 2, 0]), torch.tensor([True, True, True, False])
    others, counts = candidates(2, emotion, there, "batch", True)
    assert [sorted(row) for row in others.tolist()] == [[0, 1, 2, 3]] * 4
    compared = [{o for o, c in zip(*pair) if c} for pair in zip(others.tolist(), counts.tolist())]
    assert compared[:3] == [{0, 1, 2}, {0, 1, 2}, {0, 1, 2}]
    _, anyhow = candidates(2, emotion, torch.ones(4, dtype=torch.bool), "batch", False)
    assert anyhow.all()


def test_a_mean_over_places():
    states = torch.tensor([[[1.0], [2.0], [9.0]]])
    assert pooled(states, torch.tensor([[True, True, False]])).item() == 1.5
    scale = Cosine(4, 8)(torch.randn(9, 4), torch.randn(9, 8), torch.randn(9, 8))
    assert scale.shape == (9,) and scale.abs().max() <= 10
    assert Scorer(4, 8)(torch.randn(1, 4), torch.randn(1, 8), torch.randn(1, 8)).shape == (1,)


def test_parts_that_are_apart():
    early = torch.tensor([[True, True, False, False, False]])
    late = torch.tensor([[False, False, True, True, False]])
    assert apart(early, late)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]
