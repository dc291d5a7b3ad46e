"""Scores of hard predictions, all computed from confusion matrices.

Conventions, stated once: rows of a confusion matrix are the reference, columns the prediction. Macro-F1 and
UAR are plain means over the classes that *occur in the reference*: a class that nobody labelled cannot be got
right, and a class that occurs but is never predicted counts as 0. (scikit-learn's and torchmetrics' macro-F1
also average classes that were only predicted, as 0; all agree whenever every class of the space occurs.)
"""

import torch
from torch import Tensor

from .inputs import class_numbers, same_length

SCORES = ("accuracy", "macro_f1", "uar")


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """Counts int64 [classes, classes]; `labels` and `predictions` are int64 [N] in [0, classes).

    No samples give zeros. Raises ValueError for classes outside the range and for unequal lengths.
    """
    same_length(labels=labels, predictions=predictions)
    cells = class_numbers("labels", labels, classes) * classes
    cells += class_numbers("predictions", predictions, classes)
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def scores(confusion: Tensor) -> dict[str, Tensor]:
    """Accuracy, macro-F1 and UAR (unweighted average recall), each in [0, 1] and of shape [...].

    `confusion` is [..., C, C]: any number of matrices at once, which is how the bootstrap and the search over
    learning rates stay fast. An empty matrix scores 0.
    """
    counts = confusion.double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    support, predicted = counts.sum(-1), counts.sum(-2)
    occurs = support > 0
    classes = occurs.sum(-1).clamp(min=1)
    f1 = 2 * hits / (support + predicted).clamp(min=1)
    recall = hits / support.clamp(min=1)
    return {
        "accuracy": hits.sum(-1) / support.sum(-1).clamp(min=1),
        "macro_f1": (f1 * occurs).sum(-1) / classes,
        "uar": (recall * occurs).sum(-1) / classes,
    }


def per_class(confusion: Tensor, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1, support of each class that was labelled or predicted; `confusion` is [C, C]."""
    counts = confusion.double()
    hits, support, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    table = {
        "precision": hits / predicted.clamp(min=1),
        "recall": hits / support.clamp(min=1),
        "f1": 2 * hits / (support + predicted).clamp(min=1),
        "support": support,
    }
    return {
        name: {key: float(values[index]) for key, values in table.items()}
        for index, name in enumerate(names)
        if support[index] or predicted[index]
    }
