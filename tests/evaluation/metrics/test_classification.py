"""Top-k against scikit-learn with ties, and the histogram of predictions."""

import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from vemo.evaluation.metrics import class_histogram, confusion_matrix, top_k_accuracy, top_k_hits


@pytest.mark.parametrize("samples", [1, 2, 300])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("decimals", [0, 6])  # at 0 most rows hold ties
def test_top_k_agrees_with_scikit_learn(samples: int, k: int, decimals: int) -> None:
    """scikit-learn lets the higher number win a tie, we the lower: it is asked with the classes reversed."""
    generator = torch.Generator().manual_seed(samples + k)
    labels = torch.randint(6, (samples,), generator=generator)
    logits = torch.randn(samples, 6, generator=generator, dtype=torch.float64).round(decimals=decimals)
    expected = top_k_accuracy_score((5 - labels).numpy(), logits.flip(1).numpy(), k=k, labels=range(6))
    assert top_k_accuracy(labels, logits, k) == pytest.approx(expected, abs=1e-9)


def test_ties_go_to_the_lower_number_as_argmax_does() -> None:
    constant = torch.zeros(6, 6)
    labels = torch.arange(6)
    assert top_k_hits(labels, constant, 1).tolist() == (constant.argmax(1) == labels).tolist()
    assert top_k_accuracy(labels, constant, 1) == pytest.approx(1 / 6)
    assert top_k_accuracy(labels, constant, 3) == pytest.approx(3 / 6)
    assert top_k_accuracy(labels, constant, 6) == 1
    assert top_k_accuracy(labels, constant, 9) == 1


def test_classes_that_are_ruled_out_rank_last() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -5.0]])
    assert [top_k_accuracy(torch.tensor([each]), logits, 2) for each in range(3)] == [0, 1, 1]


def test_near_logits_are_not_merged_by_a_far_one() -> None:
    """A softmax would round the two leaders to one."""
    logits = torch.tensor([[1.0, 1.0 + 1e-15, 800.0]], dtype=torch.float64)
    assert top_k_accuracy(torch.tensor([1]), logits, 2) == 1
    assert top_k_accuracy(torch.tensor([0]), logits, 2) == 0


def test_histogram() -> None:
    labels = torch.tensor([0, 0, 1, 1, 1, 3, 3, 3, 3, 3])
    found = class_histogram(confusion_matrix(labels, torch.zeros_like(labels), 4))
    assert found.true == (0.2, 0.3, 0.0, 0.5)
    assert found.predicted == (1.0, 0.0, 0.0, 0.0)
    assert found.total_variation == pytest.approx(0.8)
    assert class_histogram(confusion_matrix(labels, labels.flip(0), 4)).total_variation == 0
    with pytest.raises(ValueError, match="no samples"):
        class_histogram(torch.zeros(3, 3))
