"""mAP, F1 and Jaccard against scikit-learn: ties, empty classes, empty sets, single samples."""

import warnings

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from vemo.evaluation.metrics import average_precision, multilabel_scores


def random_case(samples: int, classes: int, decimals: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets with rare, empty and full classes, scores in [0, 1] with ties where decimals are few."""
    generator = torch.Generator().manual_seed(seed)
    rates = torch.linspace(0, 1, classes)
    targets = (torch.rand(samples, classes, generator=generator) < rates).long()
    targets[0, -1] = 1
    scores = torch.rand(samples, classes, generator=generator, dtype=torch.float64)
    return targets, (0.7 * scores + 0.3 * targets).round(decimals=decimals)


@pytest.mark.parametrize(("samples", "classes"), [(1, 1), (1, 5), (3, 26), (300, 26)])
@pytest.mark.parametrize("decimals", [1, 6])
def test_agrees_with_scikit_learn(samples: int, classes: int, decimals: int) -> None:
    targets, scores = random_case(samples, classes, decimals, seed=samples)
    truth, said = targets.numpy(), (scores > 0.5).numpy()
    occurring = [each for each in range(classes) if truth[:, each].any()]
    found = multilabel_scores(targets, scores)
    for each in range(classes):
        if each in occurring:
            expected = sklearn_metrics.average_precision_score(truth[:, each], scores[:, each].numpy())
            assert found.average_precision[each] == pytest.approx(expected, abs=1e-9)
        else:
            assert found.average_precision[each] is None
    if len(occurring) > 1:
        expected = sklearn_metrics.average_precision_score(truth[:, occurring], scores[:, occurring].numpy())
        assert found.mean_average_precision == pytest.approx(expected, abs=1e-9)
    if classes > 1:
        options = {"zero_division": 0}
        micro = sklearn_metrics.f1_score(truth, said, average="micro", **options)
        macro = sklearn_metrics.f1_score(truth, said, average="macro", labels=occurring, **options)
        jaccard = sklearn_metrics.jaccard_score(truth, said, average="samples", zero_division=1)
        assert found.micro_f1 == pytest.approx(micro, abs=1e-9)
        assert found.macro_f1 == pytest.approx(macro, abs=1e-9)
        assert found.jaccard == pytest.approx(jaccard, abs=1e-9)


def test_equal_scores_are_one_threshold() -> None:
    """A constant score is worth the share of positives, wherever the positives stand."""
    targets = torch.tensor([[1], [0], [0], [0]])
    for turn in range(4):
        assert average_precision(targets.roll(turn, 0), torch.zeros(4, 1)).item() == pytest.approx(0.25)


def test_worked_out_by_hand() -> None:
    targets = torch.tensor([[1, 0], [0, 0], [1, 1], [0, 0]])
    scores = torch.tensor([[0.9, 0.4], [0.8, 0.3], [0.5, 0.6], [0.1, 0.5]])
    found = multilabel_scores(targets, scores)
    assert found.average_precision == pytest.approx(((1 + 2 / 3) / 2, 1.0))
    # said: {0}, {0}, {1}, {}: 0.5 is not above 0.5
    assert found.micro_f1 == pytest.approx(2 * 2 / (3 + 3))
    assert found.macro_f1 == pytest.approx((2 * 1 / 4 + 1) / 2)
    assert found.jaccard == pytest.approx((1 + 0 + 1 / 2 + 1) / 4)
    lower = multilabel_scores(targets, scores, torch.tensor([0.45, 0.55]))
    assert lower.macro_f1 == pytest.approx((2 * 2 / 5 + 1) / 2)


def test_a_class_without_positives_does_not_drag_the_mean_down() -> None:
    targets, scores = random_case(50, 6, 6, seed=3)
    wider = torch.zeros(50, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = multilabel_scores(targets[:, 1:], scores[:, 1:])
        two = multilabel_scores(torch.cat([targets[:, 1:], wider], 1), torch.cat([scores[:, 1:], wider], 1))
    assert two.mean_average_precision == pytest.approx(one.mean_average_precision)
    assert two.macro_f1 == pytest.approx(one.macro_f1)
    with pytest.raises(ValueError, match="no class has a positive"):
        multilabel_scores(wider, wider)


def test_targets_other_than_zero_and_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets: 2.0 at \[0, 1\]; every value must be 0 or 1"):
        average_precision(torch.tensor([[0, 2]]), torch.rand(1, 2))
    with pytest.raises(ValueError, match=r"targets: shape \[1, 2\], scores \[1, 3\]"):
        average_precision(torch.zeros(1, 2), torch.rand(1, 3))
