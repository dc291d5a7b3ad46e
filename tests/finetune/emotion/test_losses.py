"""Every loss against a plain reference in double precision, and what is absent."""

import math

import pytest
import torch
from torch.nn.functional import kl_div, one_hot
from vemo.evaluation.metrics import ccc, distribution_measures
from vemo.finetune.emotion.losses import (
    binary_cross_entropy,
    concordance_loss,
    cross_entropy,
    divergence,
    emotic_loss,
    emotic_weights,
    squared_error,
)

NAN = torch.nan
BATCH, CLASSES = 7, 5
LOSSES = [cross_entropy, divergence, binary_cross_entropy, emotic_loss, squared_error, concordance_loss]


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def outputs():
    return 2 * numbers(BATCH, CLASSES)


@pytest.fixture
def shares():
    return (2 * numbers(BATCH, CLASSES, seed=1)).softmax(1)


@pytest.fixture
def truth():
    return (numbers(BATCH, CLASSES, seed=2) > 0).double()


def test_cross_entropy_is_torchs(outputs, shares):
    classes = torch.arange(BATCH) % CLASSES
    expected = torch.nn.functional.cross_entropy(outputs, classes)
    assert torch.allclose(cross_entropy(outputs, one_hot(classes, CLASSES).double()), expected)
    assert torch.allclose(cross_entropy(outputs, shares), torch.nn.functional.cross_entropy(outputs, shares))


def test_divergence_is_torchs_and_the_metrics(outputs, shares):
    shares[0] = torch.tensor([1.0, 0, 0, 0, 0])  # 0 log 0
    expected = kl_div(outputs.log_softmax(1), shares, reduction="batchmean")
    assert torch.allclose(divergence(outputs, shares), expected)
    assert math.isclose(
        float(divergence(outputs, shares)), distribution_measures(shares, outputs.softmax(1)).means()["kl"]
    )
    assert divergence(shares.clamp(min=1e-30).log(), shares).abs() < 1e-12
    assert divergence(outputs, shares).isfinite()


def test_binary_cross_entropy_by_hand(outputs, truth):
    p = outputs.sigmoid()
    by_hand = -(truth * p.log() + (1 - truth) * (1 - p).log()).mean()
    assert torch.allclose(binary_cross_entropy(outputs, truth), by_hand)


def released_discrete_loss(outputs, truth):
    """Public EMOTIC code's DiscreteLoss("dynamic"), as spec §2.12 states it: a sum over the batch."""
    total = 0.0
    for place in range(truth.shape[1]):
        count = float(truth[:, place].sum())
        weight = 1 / math.log(count + 1.2) if count else 1e-4
        total += weight * sum(
            float(outputs[row, place] - truth[row, place]) ** 2 for row in range(len(truth))
        )
    return total


def test_emotic_dynamic_is_the_released_loss_over_the_size_of_the_batch(outputs, truth):
    truth[:, 3] = 0
    expected = released_discrete_loss(outputs, truth) / BATCH
    assert math.isclose(float(emotic_loss(outputs, truth)), expected, rel_tol=1e-12)


def test_emotic_counts_only_what_is_known(outputs, truth):
    gaps = truth.clone()
    gaps[[1, 4]] = NAN
    kept = [0, 2, 3, 5, 6]
    expected = released_discrete_loss(outputs[kept], truth[kept]) / BATCH
    assert math.isclose(float(emotic_loss(outputs, gaps)), expected, rel_tol=1e-12)


def test_emotic_static_weights_are_the_papers(outputs, truth):
    weights = emotic_weights(torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64))
    assert weights.tolist() == pytest.approx([1 / math.log(1.2 + p) for p in (0, 0.1, 0.5, 0.9, 1)])
    expected = ((outputs - truth) ** 2 * weights).sum() / BATCH
    assert torch.allclose(emotic_loss(outputs, truth, weights), expected)


def test_squared_error_skips_each_value_that_is_not_known(outputs):
    wanted = numbers(BATCH, CLASSES, seed=3)
    wanted[2], wanted[0, 1], wanted[5, 4] = NAN, NAN, NAN
    known = ~wanted.isnan()
    expected = (outputs[known] - wanted[known]).square().sum() / (BATCH * CLASSES)
    assert torch.allclose(squared_error(outputs, wanted), expected)


def test_concordance_is_the_metrics(outputs):
    wanted = numbers(BATCH, CLASSES, seed=3)
    predicted = outputs.tanh()
    expected = sum(1 - ccc(wanted[:, axis], predicted[:, axis]) for axis in range(CLASSES)) / CLASSES
    assert math.isclose(float(concordance_loss(predicted, wanted)), expected, rel_tol=1e-9)


def test_concordance_is_over_the_known_and_weighs_by_them(outputs):
    wanted = numbers(BATCH, 2, seed=3)
    wanted[[0, 5], 0], wanted[:, 1] = NAN, NAN
    kept = [1, 2, 3, 4, 6]
    expected = (1 - ccc(wanted[kept, 0], outputs[kept, 0])) * 5 / BATCH / 2
    assert math.isclose(float(concordance_loss(outputs[:, :2], wanted)), expected, rel_tol=1e-9)


def test_concordance_of_perfect_opposite_and_constant():
    wanted = torch.tensor([[0.5], [-0.5], [0.1]])
    assert concordance_loss(wanted, wanted).abs() < 1e-6
    opposite = concordance_loss(torch.tensor([[0.5], [-0.5]]), torch.tensor([[-0.5], [0.5]]))
    assert torch.allclose(opposite, torch.tensor(2.0))
    constant = torch.full((3, 1), 0.3, requires_grad=True)
    loss = concordance_loss(constant, torch.full((3, 1), 0.3))
    loss.backward()
    assert loss == 1 and constant.grad.abs().max() == 0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_absent_rows_add_nothing_and_count_in_the_batch(loss, outputs, shares):
    gaps = torch.cat([shares, torch.full((3, CLASSES), NAN, dtype=torch.float64)])
    more = torch.cat([outputs, numbers(3, CLASSES, seed=4)]).requires_grad_()
    value = loss(more, gaps)
    assert torch.allclose(value, loss(outputs, shares) * BATCH / (BATCH + 3))
    value.backward()
    assert more.grad[BATCH:].abs().max() == 0 and more.grad[:BATCH].abs().min() > 0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_with_nothing_known_it_is_0_with_a_zero_gradient(loss, rows):
    outputs = numbers(rows, CLASSES).requires_grad_()
    value = loss(outputs, torch.full((rows, CLASSES), NAN))
    value.backward()
    assert value.shape == () and value == 0
    assert outputs.grad is not None and not outputs.grad.any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_gradients_are_those_of_finite_differences(loss, outputs, shares):
    shares[1] = NAN
    assert torch.autograd.gradcheck(lambda given: loss(given, shares), outputs.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_sixteen_bits_are_widened(loss, outputs, shares):
    short = outputs.bfloat16()
    assert loss(short, shares.float()).dtype == torch.float32
    assert torch.equal(loss(short, shares.float()), loss(short.float(), shares.float()))


def test_extreme_logits_stay_finite():
    outputs = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    shares = torch.tensor([[0.0, 1.0, 0.0]])
    for loss in (cross_entropy, divergence, binary_cross_entropy):
        value = loss(outputs, shares)
        value.backward()
        assert value.isfinite() and outputs.grad.isfinite().all()
