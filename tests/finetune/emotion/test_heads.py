"""What every head promises: shapes, gradients, parts of a batch, mixtures, autocast; what each kind adds."""

import copy

import pytest
import torch
from emotion_heads import CONFIGS, RECORDS, WHOLE, WIDTH, batch_for, config_of, head_of
from torch import nn
from torch.nn.functional import cross_entropy, one_hot
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.metrics import wheel_distances
from vemo.evaluation.targets import count_targets
from vemo.finetune.emotion import build_head
from vemo.finetune.emotion.multilabel import into_unit_interval
from vemo.foundation import UserError

ALL = [*CONFIGS, *WHOLE]


def features(count=6):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(0))


def loss_of(head, rows=slice(None), soft=None):
    batch = {key: value[rows] for key, value in batch_for(head).items()}
    return head.loss(head(features()[rows]), batch, soft)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_shapes(name, count):
    head = head_of(name)
    outputs = head(features(count))
    assert outputs.shape == (count, len(head.classes))
    predicted = head.predict(outputs)
    assert predicted.shape == outputs.shape and predicted.dtype == torch.float32
    low, high = (-1, 1) if head.config.kind == "vad" else (0, 1)
    assert ((predicted >= low) & (predicted <= high)).all()
    if head.config.kind not in ("vad", "multilabel"):
        assert torch.allclose(predicted.sum(1), torch.ones(count))
    batch = {key: value[:count] for key, value in batch_for(head).items()}
    loss = head.loss(outputs, batch)
    assert loss.shape == () and loss.isfinite() and (count > 0 or loss == 0)


@pytest.mark.parametrize("name", ALL)
def test_a_new_head_is_as_good_as_silent(name):
    torch.manual_seed(0)
    head = build_head("emotion", config_of(**{**CONFIGS, **WHOLE}[name]), 64)
    assert 1e-5 < head.linear.weight.std() < 3e-5 and not head.linear.bias.any()


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_gets_a_gradient(name):
    head = head_of(name)
    loss_of(head).backward()
    for parameter in head.parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0


@pytest.mark.parametrize("name", ALL)
def test_without_targets_every_parameter_takes_part_and_none_moves(name):
    head = head_of(name)
    inputs = features(3).requires_grad_()
    loss = head.loss(head(inputs), batch_for(head, [{}] * 3))
    loss.backward()
    assert loss == 0 and not inputs.grad.any()
    for parameter in head.parameters():
        assert parameter.grad is not None and not parameter.grad.any()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_may_be_cut_into_parts(name):
    """What accumulation and ranks do: the mean over parts of one size."""
    head = head_of(name)
    whole = torch.autograd.grad(loss_of(head), list(head.parameters()))
    for size in (1, 2, 3):
        parts = [slice(start, start + size) for start in range(0, len(RECORDS), size)]
        mean = torch.stack([loss_of(head, rows) for rows in parts]).mean()
        assert torch.allclose(loss_of(head), mean, atol=1e-6)
        for one, other in zip(whole, torch.autograd.grad(mean, list(head.parameters()))):
            assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", WHOLE)
def test_these_two_depend_on_how_a_batch_is_cut(name):
    """Each process and each step of accumulation sees its own part only, and their mean is another loss."""
    head = head_of(name)
    parts = [loss_of(head, slice(start, None, 2)) for start in (0, 1)]
    assert (loss_of(head) - torch.stack(parts).mean()).abs() > 1e-3


def test_concordance_of_single_samples_teaches_nothing():
    head = head_of("vad_ccc", mse=0)
    for row in range(len(RECORDS)):
        (gradient,) = torch.autograd.grad(loss_of(head, slice(row, row + 1)), [head.linear.weight])
        assert not gradient.any()


@pytest.mark.parametrize("name", ALL)
def test_soft_targets_are_what_the_loss_takes_from_the_batch(name):
    head = head_of(name)
    soft, known = head.soft_targets(batch_for(head))
    assert soft.is_floating_point() and known.dtype == torch.bool and len(known) == len(RECORDS)
    assert torch.equal(soft.isfinite().all(1), known if known.ndim == 1 else known.all(1))
    assert torch.equal(loss_of(head), loss_of(head, soft=soft))
    assert not known[3].any()  # the silent record


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"vad", "distribution", "multilabel_static"}))
def test_the_loss_of_a_mixture_is_the_mixture_of_losses(name):
    head = head_of(name)
    batch, order = batch_for(head, RECORDS[:3]), [2, 1, 0]
    soft, _ = head.soft_targets(batch)
    outputs = head(features(3))
    expected = 0.7 * head.loss(outputs, batch, soft) + 0.3 * head.loss(outputs, batch, soft[order])
    assert not torch.allclose(expected, head.loss(outputs, batch), rtol=1e-3)
    assert torch.allclose(head.loss(outputs, batch, soft.lerp(soft[order], 0.3)), expected, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_a_mixture_with_a_silent_sample_is_silent(name):
    head = head_of(name)
    batch = batch_for(head, [RECORDS[1], RECORDS[3]])
    soft, _ = head.soft_targets(batch)
    assert head.loss(head(features(2)), batch) > 0
    assert head.loss(head(features(2)), batch, soft.lerp(soft.flip(0), 0.3)) == 0


@pytest.mark.parametrize("name", ALL)
def test_autocast_costs_no_precision_in_the_loss(name):
    head = head_of(name)
    outputs, batch = head(features()).detach(), batch_for(head)
    plain, predicted = head.loss(outputs, batch), head.predict(outputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head.loss(outputs, batch), plain)
        whole = head.loss(head(features()), batch)
        assert torch.equal(head.predict(outputs), predicted)
    assert whole.dtype == torch.float32
    whole.backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert torch.allclose(whole, plain, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("name", ALL)
def test_a_copy_keeps_its_counts_and_the_state_has_none(name):
    head = head_of(name)
    again = copy.deepcopy(head)
    assert torch.equal(loss_of(again), loss_of(head))
    assert set(head.state_dict()) == {"linear.weight", "linear.bias"}


@pytest.mark.parametrize("name", ALL)
def test_a_head_learns_its_targets(name):
    """From features that tell the records apart, the loss falls to (about) the least it can be."""
    torch.manual_seed(0)
    head = head_of(name, width=len(RECORDS))
    nn.init.zeros_(head.linear.weight)
    batch, inputs = batch_for(head), torch.eye(len(RECORDS))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(head(inputs), batch).backward()
        optimizer.step()
    predicted, (soft, _) = head.predict(head(inputs)), head.soft_targets(batch)
    soft = soft[:, : len(head.classes)]
    if head.config.kind in ("vad", "multilabel"):
        assert (predicted - soft)[soft.isfinite()].abs().max() < 0.05
        return
    known = soft.isfinite().all(1) & ~((soft[:, 0] > 0) & head.needs_counts)  # class 0 was said to be absent
    assert known.sum() >= 2
    best = soft.masked_fill(soft < soft.amax(1, keepdim=True), -1)[known]
    assert (best.gather(1, predicted[known].argmax(1, keepdim=True)) > 0).all()


# Single label


def test_smoothing_is_torchs():
    head = head_of("single")
    batch = batch_for(head)
    expected = cross_entropy(
        head(features()), batch["target_emotion"], ignore_index=-1, label_smoothing=0.1, reduction="sum"
    )
    assert torch.allclose(loss_of(head), expected / len(RECORDS))


def test_weights_are_inverse_to_counts_and_average_to_1():
    head = head_of("single_weights")
    counts = torch.tensor([10.0, 30, 0, 20, 20, 20, 50, 50])
    head.set_counts(counts)
    assert head.class_weights.tolist() == pytest.approx([200 / (7 * n) if n else 0 for n in counts.tolist()])
    assert (head.class_weights * counts).sum() / counts.sum() == pytest.approx(1)
    batch = batch_for(head)
    expected = cross_entropy(
        head(features()), batch["target_emotion"], weight=head.class_weights, ignore_index=-1, reduction="sum"
    )
    assert torch.allclose(loss_of(head), expected / len(RECORDS))


def test_a_weighed_label_is_smoothed_as_a_whole():
    head = head_of("single_weights", label_smoothing=0.2)
    outputs, batch = head(features()), batch_for(head)
    classes = batch["target_emotion"]
    smoothed = cross_entropy(outputs, classes, ignore_index=-1, label_smoothing=0.2, reduction="none")
    expected = (smoothed * head.class_weights[classes.clamp(min=0)]).sum() / len(RECORDS)
    assert torch.allclose(loss_of(head), expected)


def test_logit_adjustment_trains_on_shifted_logits_and_predicts_by_plain_ones():
    head = head_of("single_adjusted", adjustment=1.5)
    counts = torch.tensor([1.0, 9, 30, 10, 10, 10, 10, 20])
    head.set_counts(counts)
    outputs, batch = head(features()), batch_for(head)
    shifted = outputs + 1.5 * (counts / 100).log()
    expected = cross_entropy(shifted, batch["target_emotion"], ignore_index=-1, reduction="sum") / len(
        RECORDS
    )
    assert torch.allclose(head.loss(outputs, batch), expected)
    assert torch.equal(head.predict(outputs), outputs.softmax(1))


def test_logit_adjustment_undoes_the_prior():
    """One feature, classes at 90:10: plain training predicts the prior, adjusted training the balance."""
    records = [{"labels": {"polarity2": {"class": "positive"}}}] * 9
    records += [{"labels": {"polarity2": {"class": "negative"}}}]
    shares = {}
    for imbalance in ("none", "logit_adjustment", "weights"):
        head = build_head("x", config_of(kind="single", space="polarity2", imbalance=imbalance), 1)
        head.set_counts(*count_targets(head.targets, records))
        optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
        for _ in range(300):
            optimizer.zero_grad()
            head.loss(head(torch.ones(10, 1)), batch_for(head, records)).backward()
            optimizer.step()
        shares[imbalance] = head.predict(head(torch.ones(1, 1)))[0, 0].item()
    assert shares["none"] == pytest.approx(0.1, abs=0.01)
    assert shares["logit_adjustment"] == pytest.approx(0.5, abs=0.01)
    assert shares["weights"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", ["single_weights", "single_adjusted", "multilabel_static"])
def test_counts_that_are_missing_or_wrong_are_refused(name):
    head = build_head("emotion", config_of(**CONFIGS[name]), WIDTH)
    assert head.needs_counts
    with pytest.raises(RuntimeError, match=r"heads\.emotion: set_counts was not called"):
        head.loss(head(features()), batch_for(head))
    with pytest.raises(ValueError, match="are not"):
        head.set_counts([1.0, 2.0], samples=3)
    with pytest.raises(UserError, match="no training sample"):
        head.set_counts([0.0] * len(head.classes), samples=3)


def test_the_wheel_spreads_a_label_by_distance():
    head = head_of("single_wheel", wheel_temperature=0.5)
    space = label_space("mikels8")
    hot = one_hot(torch.arange(8), 8).float()
    wanted = head.wanted(hot)
    assert torch.allclose(wanted, (-wheel_distances(space).double() / 0.5).softmax(1).float())
    amusement = dict(zip(space.names, wanted[0].tolist()))
    order = sorted(amusement, key=amusement.get, reverse=True)
    assert order[:4] == ["amusement", "contentment", "awe", "excitement"]
    assert torch.allclose(head_of("single_wheel", wheel_temperature=0.01).wanted(hot), hot)
    assert 0.6 < head_of("single_wheel", wheel_temperature=1).wanted(hot)[0, 0] < 0.65
    batch = batch_for(head)
    known = batch["target_emotion"] >= 0
    expected = cross_entropy(head(features())[known], wanted[batch["target_emotion"][known]], reduction="sum")
    assert torch.allclose(loss_of(head), expected / len(RECORDS))


def test_votes_as_shares():
    head = head_of("single_soft")
    shares = batch_for(head)["target_emotion"]
    known = shares.isfinite().all(1)
    expected = cross_entropy(head(features())[known], shares[known], reduction="sum") / len(RECORDS)
    assert known.sum() == 5 and torch.allclose(loss_of(head), expected)


# Several labels


def test_emotic_by_the_train_split():
    head = head_of("multilabel_static")
    p = torch.tensor([0.0, *range(1, 26)]) / 40
    assert torch.allclose(head.class_weights, 1 / (1.2 + p).log())
    truth = batch_for(head)["target_emotion"][:3].float()
    expected = ((head(features())[:3] - truth) ** 2 * head.class_weights).sum() / len(RECORDS)
    assert torch.allclose(loss_of(head), expected)
    with pytest.raises(ValueError, match="20 samples cannot have"):
        head.set_counts([0.0, *range(1, 26)], samples=20)


def test_emotic_predictions_keep_their_order():
    values = torch.linspace(-3, 4, 2001)
    squeezed = into_unit_interval(values)
    assert (squeezed.diff() > 0).all() and squeezed.min() > 0 and squeezed.max() < 1
    inside = (values >= 1e-3) & (values <= 0.95)
    assert torch.equal(squeezed[inside], values[inside])


# Numbers


def test_vad_is_concordance_and_squared_error_of_tanh():
    head = head_of("vad_ccc", ccc=2.0, mse=0.5)
    both = loss_of(head)
    assert torch.allclose(both, 2 * loss_of(head_of("vad_ccc", mse=0)) + 0.5 * loss_of(head_of("vad")))
    predicted = head(features()).tanh()
    wanted = batch_for(head)["target_emotion"]
    known = wanted.isfinite()
    error = (predicted - wanted)[known].square().sum() / wanted.numel()
    assert torch.allclose(loss_of(head_of("vad")), error)
