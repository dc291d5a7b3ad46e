"""Scores against values worked out by hand, and against torchmetrics where the conventions agree."""

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from vemo.evaluation.metrics import confusion_matrix, per_class, scores


def test_hand_computed() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    predictions = torch.tensor([0, 0, 1, 1, 0, 0])
    matrix = confusion_matrix(labels, predictions, 3)
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    found = scores(matrix)
    assert found["accuracy"] == pytest.approx(3 / 6)
    # F1: 4/7 (two hits of 3 and 4), 2/4, and 0 for the class that nobody predicted
    assert found["macro_f1"] == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    assert found["uar"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    table = per_class(matrix, ("joy", "fear", "awe"))
    assert table["joy"] == pytest.approx({"precision": 0.5, "recall": 2 / 3, "f1": 4 / 7, "support": 3})
    assert table["awe"]["f1"] == 0


def test_classes_that_nobody_labelled_do_not_count() -> None:
    """Three classes of four occur; one is predicted without occurring. That costs precision only."""
    labels, predictions = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 3, 1, 1])
    found = scores(confusion_matrix(labels, predictions, 4))
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert "awe" not in per_class(confusion_matrix(labels, predictions, 4), ("joy", "fear", "awe", "rage"))


def test_the_majority_of_the_tweets_scores_what_arithmetic_says() -> None:
    labels = torch.tensor([0] * 2388 + [1] * 1193 + [2] * 419)
    found = scores(confusion_matrix(labels, torch.zeros_like(labels), 3))
    assert found["accuracy"] == pytest.approx(0.597)
    assert found["macro_f1"] == pytest.approx(2 * 2388 / (4000 + 2388) / 3)
    assert found["uar"] == pytest.approx(1 / 3)


def test_agrees_with_torchmetrics_and_works_on_many_matrices_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, first, second = torch.randint(5, (3, 200), generator=generator)
    together = scores(torch.stack([confusion_matrix(labels, each, 5) for each in (first, second)]))
    for row, predictions in enumerate((first, second)):
        f1 = multiclass_f1_score(predictions, labels, num_classes=5, average="macro")
        uar = multiclass_accuracy(predictions, labels, num_classes=5, average="macro")
        assert together["macro_f1"][row] == pytest.approx(float(f1), abs=1e-6)
        assert together["uar"][row] == pytest.approx(float(uar), abs=1e-6)
