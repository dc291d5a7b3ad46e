"""Scores of sentences against numbers worked out by hand, and against coco-caption where it is installed."""

import contextlib
import io
import math
import random

import pytest
import torch
from vemo.evaluation.captions import bleu, caption_scores, cider_d, rouge_l, strong_majority, words


def split(*sentences):
    return [sentence.split() for sentence in sentences]


def test_words_are_those_of_the_penn_treebank_without_marks():
    assert words("The man's hat, it doesn't fit -- it’s too big!") == (
        ["the", "man", "'s", "hat", "it", "does", "n't", "fit", "it", "'s", "too", "big"]
    )
    assert words("well-known (1890)") == ["well-known", "1890"]
    assert words("") == []


def test_bleu_by_hand():
    found = bleu(split("a b c d"), [split("a b c e")])
    assert found[:3] == pytest.approx((3 / 4, (3 / 4 * 2 / 3) ** 0.5, (3 / 4 * 2 / 3 / 2) ** (1 / 3)))
    assert found[3] < 1e-3
    # clipped: the second "a" is in no reference; brevity: 2 words against 3
    assert bleu(split("a a"), [split("a b c")])[0] == pytest.approx(0.5 * math.exp(1 - 3 / 2))
    # of two references as close, the shorter counts
    assert bleu(split("a b c"), [split("a b", "a b c d")])[0] == pytest.approx(1)
    # over a corpus, not a mean over sentences
    assert bleu(split("a b c", "x"), [split("a b c"), split("y")])[0] == pytest.approx(3 / 4)


def test_rouge_by_hand():
    precision, recall = 3 / 4, 3 / 3
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert rouge_l(split("a b c d"), [split("a c d")]) == pytest.approx([expected])
    # the best precision and the best recall may be of two references
    both = rouge_l(split("a b c d"), [split("a", "a b c d e f g h")])[0]
    assert both == pytest.approx((1 + 1.44) * 1 * 1 / (1 + 1.44))
    assert rouge_l(split("a"), [split("b")]) == [0.0]


def test_cider_by_hand():
    references = [split("a b"), split("c d")]
    assert cider_d(split("a b", "d c"), references)[0] == pytest.approx(5)  # no runs of 3 and 4
    short = cider_d(split("a", "c d"), references)[0]
    assert short == pytest.approx(10 / 4 * math.cos(math.pi / 4) * math.exp(-1 / 72))
    assert cider_d(split("a b c d e", "x"), [split("a b c d e"), split("y")])[0] == pytest.approx(10)
    assert cider_d(split("a b"), [split("a b")]) == [0.0]  # of one image nothing is rare


def test_what_cannot_be_scored():
    for score in (bleu, rouge_l, cider_d):
        with pytest.raises(ValueError, match="sentences"):
            score([], [])
        with pytest.raises(ValueError, match="sentence 1 has none"):
            score(split("a", "b"), [split("a"), []])


def test_all_scores_of_texts():
    found = caption_scores(["A b.", "a b", "c"], [["a b"], ["A b!"], ["d"]])
    assert found["bleu_1"] == pytest.approx(4 / 5)
    assert found["unique"] == pytest.approx(2 / 3) and found["words"] == pytest.approx(5 / 3)
    assert found.keys() >= {"bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"}


def test_only_strong_majorities_count():
    shares = torch.tensor([[0.6, 0.4, 0], [0.5, 0.5, 0], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]])
    assert strong_majority(torch.tensor([0, 0, 0, 2, -1]), shares) == (pytest.approx(2 / 3), 3)
    assert strong_majority(torch.tensor([0, 0]), shares[1:3]) == (None, 0)


def test_the_same_as_coco_caption():
    """The exact figures of pycocoevalcap 1.2 (BLEU, ROUGE-L and CIDEr need no Java)."""
    pytest.importorskip("pycocoevalcap", reason="the reference, pycocoevalcap, is not installed")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    rng = random.Random(0)
    vocabulary = [f"w{number}" for number in range(30)]

    def sentence():
        return [rng.choice(vocabulary) for _ in range(rng.randint(1, 15))]

    for _ in range(5):
        count = rng.randint(2, 40)
        said = [sentence() for _ in range(count)]
        references = [[sentence() for _ in range(rng.randint(1, 6))] for _ in range(count)]
        true = {n: [" ".join(each) for each in every] for n, every in enumerate(references)}
        given = {n: [" ".join(each)] for n, each in enumerate(said)}
        with contextlib.redirect_stdout(io.StringIO()):
            blue = Bleu(4).compute_score(true, given)[0]
        assert bleu(said, references) == pytest.approx(blue, abs=1e-6)
        assert rouge_l(said, references) == pytest.approx(Rouge().compute_score(true, given)[1], abs=1e-6)
        assert cider_d(said, references) == pytest.approx(Cider().compute_score(true, given)[1], abs=1e-6)
