"""Fixed points and invariances of the distillation losses."""

import pytest
import torch
from torch.nn.functional import normalize
from vemo.pretrain.losses import contrastive_similarity_loss, similarity_loss


def rows(count, seed, width=16):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_no_loss_where_the_student_is_the_teacher(count, center):
    same = rows(count, 1)
    assert similarity_loss(3 * same, same).abs() < 1e-6
    assert contrastive_similarity_loss(3 * same, same, rows(count, 2), center).abs() < 1e-6


@pytest.mark.parametrize("center", [True, False])
def test_the_logit_scale_cancels(center):
    """The paper multiplies both profiles by s = 100; with or without, the loss is the same."""
    student, teacher, texts = rows(5, 1), rows(5, 2), rows(5, 3)
    ours = contrastive_similarity_loss(student, teacher, texts, center)
    for scale in (1.0, 100.0):
        a = scale * normalize(student) @ normalize(texts).T
        c = scale * normalize(teacher) @ normalize(texts).T
        if center:
            a, c = a - a.mean(1, keepdim=True), c - c.mean(1, keepdim=True)
        by_hand = 1 - (a * c).sum(1).div(a.norm(dim=1) * c.norm(dim=1)).mean()
        assert torch.allclose(ours, by_hand, atol=1e-6)


def test_opposite_rows_cost_two():
    assert similarity_loss(-rows(4, 1), rows(4, 1)) == pytest.approx(2)


def test_centring_gives_the_loss_something_to_say_under_a_modality_gap():
    gap = 10 * rows(1, 9)
    texts = rows(32, 3) + gap
    student, teacher = rows(32, 1) + gap, rows(32, 2) + gap
    assert contrastive_similarity_loss(student, teacher, texts, center_rows=False) < 0.01
    assert contrastive_similarity_loss(student, teacher, texts, center_rows=True) > 0.3


def test_gradients_are_finite_at_batch_size_one():
    student = rows(1, 1).requires_grad_()
    contrastive_similarity_loss(student, rows(1, 2), rows(1, 3)).backward()
    assert torch.isfinite(student.grad).all()
