"""The hierarchical distance on Mikels' wheel, pinned, and the accuracies that use it."""

import pytest
import torch
from vemo.datasets.taxonomy import LabelSpace, label_space
from vemo.evaluation.metrics import confusion_matrix, wheel_distances, wheel_scores
from vemo.evaluation.metrics.wheel import WHEEL

MIKELS = label_space("mikels8")


def distance(one: str, other: str) -> int:
    return int(wheel_distances(MIKELS)[MIKELS.index(one), MIKELS.index(other)])


def test_distances_are_those_of_the_paper() -> None:
    """Rows of amusement, excitement and fear in the order of the wheel, as in Zhao et al. 2024."""
    rows = {
        "amusement": [1, 2, 3, 4, 8, 7, 6, 5],
        "excitement": [4, 3, 2, 1, 5, 6, 7, 8],
        "fear": [8, 7, 6, 5, 1, 2, 3, 4],
    }
    for name, expected in rows.items():
        assert [distance(name, other) for other in WHEEL] == expected
    assert distance("excitement", "anger") > distance("excitement", "awe")  # the paper's own example


def test_distances_are_symmetric_and_hierarchical() -> None:
    table = wheel_distances(MIKELS)
    assert (table == table.T).all()
    assert (table.diagonal() == 1).all()
    positive, across = table[:4, :4], table[:4, 4:]
    assert positive.max() < across.min()
    assert across.max() == 8


def test_the_order_of_the_space_does_not_matter() -> None:
    wheel = LabelSpace("wheel", 1, WHEEL)
    places = [MIKELS.index(name) for name in WHEEL]
    assert (wheel_distances(wheel) == wheel_distances(MIKELS)[places][:, places]).all()


def test_spaces_off_the_wheel_are_refused() -> None:
    with pytest.raises(ValueError, match="label space artemis9: something else is not on Mikels' wheel"):
        wheel_distances(label_space("artemis9"))


def test_scores_worked_out_by_hand() -> None:
    pairs = [("awe", "awe")] * 5 + [("excitement", "awe")] * 3 + [("excitement", "anger")] * 2
    labels, predictions = torch.tensor([[MIKELS.index(name) for name in pair] for pair in pairs]).T
    found = wheel_scores(confusion_matrix(labels, predictions, 8), wheel_distances(MIKELS))
    assert found.ecc == pytest.approx((5 + 3 / 2 + 2 / 8) / 10)
    assert found.emc == pytest.approx((3 / 1 + 2 / 7) / 5)
    assert found.error_distance == pytest.approx((3 * 2 + 2 * 8) / 5)


def test_one_right_sample_and_none_at_all() -> None:
    right = wheel_scores(confusion_matrix(torch.tensor([2]), torch.tensor([2]), 8), wheel_distances(MIKELS))
    assert right.ecc == 1
    assert right.emc is right.error_distance is None
    with pytest.raises(ValueError, match="no samples"):
        wheel_scores(torch.zeros(8, 8), wheel_distances(MIKELS))
