"""What is said of an image and of its mirror image, averaged."""

import pytest
import torch
from vemo.evaluation.predictions import Predictions
from vemo.finetune.scores import mean_of, mirrored


def predictions(kind, outputs):
    outputs = torch.tensor(outputs)
    names = tuple("abc"[: outputs.shape[1]])
    ids = tuple(map(str, range(len(outputs))))
    return Predictions(kind, None, names, ids, ids, outputs, torch.zeros_like(outputs))


@pytest.mark.parametrize("kind", ["single", "distribution"])
def test_probabilities_are_averaged_and_not_logits(kind):
    one, other = predictions(kind, [[0.0, 0.0]]), predictions(kind, [[3.0, -1.0]])
    expected = (torch.tensor([[0.5, 0.5]]) + other.outputs.softmax(1)) / 2
    torch.testing.assert_close(mean_of(one, other).outputs.softmax(1), expected)


def test_several_classes_and_values():
    one, other = predictions("multilabel", [[0.0, 2.0]]), predictions("multilabel", [[1.0, -2.0]])
    expected = (one.outputs.sigmoid() + other.outputs.sigmoid()) / 2
    torch.testing.assert_close(mean_of(one, other).outputs.sigmoid(), expected)
    one, other = predictions("vad", [[0.2, 0.4]]), predictions("vad", [[0.4, -0.4]])
    torch.testing.assert_close(mean_of(one, other).outputs, torch.tensor([[0.3, 0.0]]))


def test_every_view_is_mirrored_and_nothing_else():
    image = torch.arange(12).reshape(1, 1, 3, 4)
    batch = {"image": image, "person": image + 1, "index": torch.tensor([7])}
    (found,) = mirrored([batch])
    assert found["image"][0, 0, 0].tolist() == [3, 2, 1, 0]
    assert torch.equal(found["person"], found["image"] + 1) and found["index"] is batch["index"]
    assert torch.equal(batch["image"], image)
