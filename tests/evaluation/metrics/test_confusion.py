"""Scores against values worked out by hand, against scikit-learn, and against torchmetrics."""

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from vemo.evaluation.metrics import SCORES, confusion_matrix, per_class, scores


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


@pytest.mark.parametrize(("samples", "classes"), [(1, 1), (1, 6), (2, 6), (7, 26), (500, 8)])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(samples: int, classes: int, seed: int) -> None:
    """Classes are missing from labels and from predictions in the small cases."""
    generator = torch.Generator().manual_seed(seed)
    labels, predictions = torch.randint(classes, (2, samples), generator=generator)
    matrix = confusion_matrix(labels, predictions, classes)
    truth, guess, every = labels.numpy(), predictions.numpy(), range(classes)
    assert (matrix.numpy() == sklearn_metrics.confusion_matrix(truth, guess, labels=every)).all()
    found = scores(matrix)
    occurring = labels.unique().tolist()
    options = {"labels": occurring, "average": "macro", "zero_division": 0}
    expected = (
        sklearn_metrics.accuracy_score(truth, guess),
        sklearn_metrics.f1_score(truth, guess, **options),
        sklearn_metrics.recall_score(truth, guess, **options),
    )
    for name, value in zip(SCORES, expected):
        assert float(found[name]) == pytest.approx(value, abs=1e-9)
    columns = sklearn_metrics.precision_recall_fscore_support(truth, guess, labels=every, zero_division=0)
    table = per_class(matrix, tuple(map(str, every)))
    assert set(table) == {str(each) for each in (*labels.tolist(), *predictions.tolist())}
    for name, row in table.items():
        assert list(row.values()) == pytest.approx([column[int(name)] for column in columns], abs=1e-9)


def test_no_samples_are_zeros_and_bad_classes_are_refused() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]
    assert float(scores(confusion_matrix(nothing, nothing, 2))["macro_f1"]) == 0
    with pytest.raises(ValueError, match=r"predictions: 2 at \[1\]; there are 2 classes"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 2]), 2)
    with pytest.raises(ValueError, match="labels 1, predictions 2"):
        confusion_matrix(torch.tensor([0]), torch.tensor([0, 1]), 2)
