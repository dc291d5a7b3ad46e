"""Text to emotion: learnt from answers, deterministic, the prior where a text says nothing it knows."""

import sys

import pytest
import torch
from vemo.evaluation.captions import learn_emotions, meteor, missing_for_meteor
from vemo.evaluation.captions.alignment import grams_of
from vemo.foundation import UserError

TEXTS = [
    "the calm water is soothing", "a calm and gentle evening", "soothing colours , calm sea",
    "the dark figure is scary", "a scary dark wood", "dark and scary eyes",
    "the woman cries alone", "alone she cries", "he cries , all alone",
]  # fmt: skip
FELT = [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_words_and_pairs_once():
    assert set(grams_of("A b a b")) == {("a",), ("b",), ("a", "b"), ("b", "a")}
    assert grams_of("") == []


def test_it_learns_and_is_deterministic():
    reader = learn_emotions(TEXTS, FELT, 4)
    said = reader([*TEXTS, "a calm lake", "scary , dark thing", "they cries alone"])
    assert said.exp().sum(1).allclose(torch.ones(12))
    assert said.argmax(1).tolist() == [*FELT, 0, 1, 2]
    assert said[:, 3].exp().max() < 0.1, "nobody felt the fourth"
    again = learn_emotions(TEXTS, FELT, 4)
    assert reader.weight.equal(again.weight)
    assert ("water",) not in reader.columns and ("calm",) in reader.columns, "what occurs once is left out"


def test_a_text_without_known_words_has_the_prior():
    reader = learn_emotions(TEXTS[:7], FELT[:7], 3)
    (said,) = reader(["xyzzy"]).exp()
    assert said.tolist() == pytest.approx([3 / 7, 3 / 7, 1 / 7], abs=5e-3)
    assert reader([]).shape == (0, 3)


def test_rows_are_of_length_one():
    reader = learn_emotions(TEXTS, FELT, 3)
    features = reader.features(["calm dark calm", "unknown"]).to_dense()
    assert features.norm(dim=1).tolist() == pytest.approx([1, 0])


def test_without_texts():
    with pytest.raises(ValueError, match="0 texts"):
        learn_emotions([], [], 3)
    with pytest.raises(ValueError, match="9 texts, 2 emotions"):
        learn_emotions(TEXTS, [0, 1], 3)


def test_meteor():
    if lacking := missing_for_meteor():
        pytest.skip(lacking)
    assert meteor(["the cat sits on the mat"], [["the cat sits on the mat"]]) > 0.95
    assert meteor(["the cat sits"], [["a dog runs away quickly"]]) < 0.2


def test_what_meteor_lacks_is_said(monkeypatch):
    module = sys.modules[meteor.__module__]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'vemo\[meteor\]'"):
        meteor(["a"], [["a"]])
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert "Java" in (missing_for_meteor() or "")
