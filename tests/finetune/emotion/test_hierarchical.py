"""Polarity, then the emotion within it."""

import pytest
import torch
from emotion_heads import RECORDS, WIDTH, batch_for, head_of
from torch.nn.functional import cross_entropy
from vemo.datasets.taxonomy import label_map, label_space, label_space_names


def outputs_of(head):
    return head(torch.randn(len(RECORDS), WIDTH, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("name", "groups"), [("hierarchical", 2), ("hierarchical_neither", 3)])
def test_groups_are_the_label_maps(name, groups):
    head = head_of(name)
    space = label_space(head.config.space)
    sides = label_space("polarity2").names
    table = label_map(space.name, "polarity2")
    expected = [table.apply({"class": each}) or {"class": None} for each in space.names]
    found = [(*sides, None)[place] for place in head.group_of.tolist()]
    assert found == [each["class"] for each in expected]
    assert head.members.shape == (groups, len(space)) and (head.members.sum(0) == 1).all()


@pytest.mark.parametrize("name", ["hierarchical", "hierarchical_neither"])
def test_the_probability_of_an_emotion_is_a_product(name):
    head = head_of(name).double()
    inputs = torch.randn(4, WIDTH, dtype=torch.float64)
    raw = head.linear(inputs)
    emotions, groups = raw[:, : len(head.classes)], raw[:, len(head.classes) :].softmax(1)
    predicted = head.predict(head(inputs))
    for place, side in enumerate(head.group_of.tolist()):
        within = emotions[:, place].exp() / emotions[:, head.members[side]].exp().sum(1)
        assert torch.allclose(predicted[:, place], groups[:, side] * within)
    for side in range(len(head.members)):
        assert torch.allclose(predicted[:, head.members[side]].sum(1), groups[:, side])
    assert torch.allclose(
        head.predict_polarity(head(inputs)), groups[:, :2] / groups[:, :2].sum(1, keepdim=True)
    )


@pytest.mark.parametrize("space", [name for name in label_space_names() if name != "vad"])
def test_every_space_of_classes_has_both_polarities(space):
    head = head_of("hierarchical", space=space)
    assert head.members.any(1).all() and len(head.members) >= 2
    assert torch.allclose(head(torch.randn(2, WIDTH)).exp().sum(1), torch.ones(2))


def test_the_loss_is_on_both_levels():
    head = head_of("hierarchical", label_smoothing=0, polarity_weight=0.5)
    outputs, batch = outputs_of(head), batch_for(head)
    emotion = cross_entropy(outputs, batch["target_emotion"], ignore_index=-1, reduction="sum")
    sides = batch["target_emotion.polarity"][:, 1]
    known = sides.isfinite()
    assert known.tolist() == [True, True, True, False, True, True]  # the fifth has only a polarity
    polarity = head.predict_polarity(outputs)[known].log()[torch.arange(5), sides[known].long()]
    expected = (emotion - 0.5 * polarity.sum()) / len(RECORDS)
    assert torch.allclose(head.loss(outputs, batch), expected)


def test_a_polarity_says_nothing_of_neither():
    """ekman6's surprise has no polarity: "positive" must not push it down."""
    head = head_of("hierarchical_neither", imbalance="none")
    outputs = outputs_of(head)[:1].detach().requires_grad_()
    record = {"labels": {"polarity2": {"class": "positive"}}}
    head.loss(outputs, batch_for(head, [record])).backward()
    surprise, joy = (label_space("ekman6").index(name) for name in ("surprise", "joy"))
    assert outputs.grad[0, surprise] == 0 and outputs.grad[0, joy] < 0
    assert outputs.grad[0].abs().gt(0).sum() == 5


def test_weights_balance_both_levels():
    head = head_of("hierarchical_weights")
    assert head.polarity_weights.tolist() == pytest.approx([28 / (2 * 22), 28 / (2 * 6)])
    outputs = outputs_of(head)[:1]
    for side, name in enumerate(label_space("polarity2").names):
        batch = batch_for(head, [{"labels": {"polarity2": {"class": name}}}])
        expected = -head.polarity_weights[side] * head.predict_polarity(outputs)[0, side].log()
        assert torch.allclose(head.loss(outputs, batch), expected)
    only_negative = [0.0, 0, 0, 0, 1, 2, 3, 4]
    head.set_counts(only_negative)
    assert head.polarity_weights.tolist() == [1, 1]
    assert head.class_weights[:4].tolist() == [0] * 4


def test_soft_targets_hold_both_levels():
    head = head_of("hierarchical")
    soft, known = head.soft_targets(batch_for(head))
    assert soft.shape == known.shape == (len(RECORDS), 10)
    assert known[4].tolist() == [False] * 8 + [True] * 2
    mixed = soft.lerp(soft[[1, 0, 2, 3, 5, 4]], 0.25)
    assert mixed[0, 8:].tolist() == [0.25, 0.75] and mixed[4, :8].isnan().all()
    assert mixed[4, 8:].tolist() == [1, 0]
    assert head.loss(outputs_of(head), batch_for(head), mixed).isfinite()


def test_the_wheel_and_the_hierarchy_go_together():
    head = head_of("hierarchical", label_smoothing=0, wheel_temperature=1.0)
    assert head.loss(outputs_of(head), batch_for(head)) > 0
    assert torch.allclose(head.wanted(torch.eye(8)).sum(1), torch.ones(8))
