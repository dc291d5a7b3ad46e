"""Sentences come from data, and the nearest class wins."""

import pytest
import torch
from vemo.datasets.taxonomy import label_space, label_space_names
from vemo.evaluation.zero_shot import sentences, zero_shot
from vemo.foundation.errors import UserError


class Words:
    """A teacher of three axes that hears only the words negative, neutral, positive."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        heard = [[word in text for word in ("negative", "neutral", "positive")] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(heard).float() + 0.1, dim=1)


def test_every_space_of_classes_has_sentences() -> None:
    for name in label_space_names():
        space = label_space(name)
        found = sentences(space)
        assert len(found) == len(space)
        assert len({tuple(row) for row in found}) == len(space)
        assert all("{" not in sentence for row in found for sentence in row)
    assert sentences(label_space("fer8"))[1][0] == "a photo of a happy face"


def test_nearest_class_wins() -> None:
    embeddings = torch.tensor([[0.0, 0, 3], [1, 0.2, 0], [0.1, 5, 0.1]])
    assert zero_shot(embeddings, Words(), label_space("polarity3")).argmax(1).tolist() == [2, 0, 1]


def test_own_templates() -> None:
    space = label_space("polarity2")
    assert sentences(space, ("how {}!",)) == [["how negative!"], ["how positive!"]]
    with pytest.raises(UserError, match="where the class goes"):
        sentences(space, ("no place",))
