"""Polarity from the label maps, and the shares of a matrix worked out by hand."""

import pytest
import torch
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.metrics import confusion_matrix, polarities, valence_confusion
from vemo.foundation import UserError


def test_polarities_come_from_the_label_maps() -> None:
    assert polarities(label_space("mikels8")).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert polarities(label_space("polarity2")).tolist() == [0, 1]
    assert polarities(label_space("polarity3")).tolist() == [0, -1, 1]
    ekman7 = label_space("ekman7")  # anger disgust fear joy sadness surprise neutral
    assert polarities(ekman7).tolist() == [0, 0, 0, 1, 0, -1, -1]
    assert polarities(ekman7, "map").tolist() == [0, 0, 0, 1, 0, 1, -1]
    with pytest.raises(UserError, match="no label map vad → polarity2"):
        polarities(label_space("vad"))


def test_shares_worked_out_by_hand() -> None:
    ekman7 = label_space("ekman7")
    pairs = [
        ("joy", "joy", 4),  # right
        ("anger", "fear", 3),  # stays negative
        ("sadness", "joy", 1),  # crosses
        ("joy", "anger", 2),  # crosses
        ("fear", "neutral", 5),  # not judged, but no polarity found
        ("surprise", "joy", 6),  # not judged: surprise has none
        ("neutral", "neutral", 7),
    ]
    names = [(ekman7.index(one), ekman7.index(two)) for one, two, count in pairs for _ in range(count)]
    labels, predictions = torch.tensor(names).T
    found = valence_confusion(confusion_matrix(labels, predictions, 7), polarities(ekman7))
    assert (found.errors, found.judged) == (17, 6)
    assert found.within == pytest.approx(3 / 6)
    assert found.within_positive == 0
    assert found.within_negative == pytest.approx(3 / 4)
    assert found.polarity_accuracy == pytest.approx((4 + 3) / (4 + 3 + 1 + 2 + 5))


def test_errors_at_random_are_within_three_times_in_seven() -> None:
    matrix = torch.ones(8, 8) - torch.eye(8)
    found = valence_confusion(matrix, polarities(label_space("mikels8")))
    assert found.within == pytest.approx(3 / 7)
    assert found.within_positive == found.within_negative == pytest.approx(3 / 7)


def test_nothing_to_take_a_share_of_is_none() -> None:
    polarity = polarities(label_space("mikels8"))
    right = valence_confusion(torch.eye(8), polarity)
    assert (right.errors, right.judged, right.within, right.polarity_accuracy) == (0, 0, None, 1)
    empty = valence_confusion(torch.zeros(8, 8), polarity)
    assert empty.polarity_accuracy is None
    single = valence_confusion(confusion_matrix(torch.tensor([0]), torch.tensor([1]), 8), polarity)
    assert (single.within, single.within_positive, single.within_negative) == (1, 1, None)
    with pytest.raises(ValueError, match="8 polarities"):
        valence_confusion(torch.eye(7), polarity)
