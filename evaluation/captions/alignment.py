"""Emotional alignment (Achlioptas et al. 2021): does an explanation sound like the emotion most people felt?

A classifier from text to emotion reads it, trained on people's own answers. ArtEmis' is an LSTM on GloVe
(right on 63.4 % of its test answers); ours is a logistic regression on words and pairs of words, so that
nothing has to be downloaded: compare scores with those of the same classifier only.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .sentences import ngrams, words

RARE = 2  # words and pairs in fewer sentences are left out; our choice
PENALTY, STEPS, RATE = 1e-5, 150, 0.1  # λ/2 · |W|², Adam; our choice


@dataclass(frozen=True)
class TextEmotions:
    """Texts → emotions; see `learn_emotions`.

    Attributes:
        columns: word or pair → its column. rarity: float [V], the inverse document frequencies.
        weight, bias: [V, C], [C].
    """

    columns: dict[tuple[str, ...], int]
    rarity: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """log p(emotion | text), float32 [N, C]; of a text without a known word the emotions' frequencies."""
        return (self.features(texts) @ self.weight + self.bias).log_softmax(1)

    def features(self, texts: Sequence[str]) -> Tensor:
        """The rarity of what is in a text, rows of length 1: sparse float32 [N, V]."""
        places: list[tuple[int, int]] = []
        values: list[float] = []
        rarity = self.rarity.tolist()
        for row, text in enumerate(texts):
            known = [self.columns[gram] for gram in grams_of(text) if gram in self.columns]
            length = math.sqrt(sum(rarity[at] ** 2 for at in known))
            places += [(row, at) for at in known]
            values += [rarity[at] / length for at in known]
        indices = torch.tensor(places, dtype=torch.int64).reshape(-1, 2).T
        shape = (len(texts), len(self.rarity))
        found = torch.sparse_coo_tensor(indices, torch.tensor(values), shape, check_invariants=False)
        return found.coalesce()


def learn_emotions(texts: Sequence[str], emotions: Sequence[int], classes: int) -> TextEmotions:
    """A classifier of people's answers: text i was written of emotion `emotions[i]`, below `classes`.

    Deterministic: all texts at every step, weights from 0. ValueError: no texts.
    """
    if not texts or len(texts) != len(emotions):
        raise ValueError(f"{len(texts)} texts, {len(emotions)} emotions")
    found = Counter(gram for text in texts for gram in grams_of(text))
    kept = sorted(gram for gram, count in found.items() if count >= RARE) or sorted(found)
    rarity = torch.tensor([1 + math.log((1 + len(texts)) / (1 + found[gram])) for gram in kept])
    columns = {gram: place for place, gram in enumerate(kept)}
    targets = torch.zeros(len(texts), classes)
    targets[torch.arange(len(texts)), torch.tensor(list(emotions))] = 1
    weight = torch.zeros(len(kept), classes)
    bias = (targets.mean(0) + 1e-3).log()
    features = TextEmotions(columns, rarity, weight, bias).features(texts)
    across = features.t().coalesce()
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    for step in range(1, STEPS + 1):
        slope = (features @ weight + bias).softmax(1).sub_(targets).div_(len(texts))
        gradient = (across @ slope).add_(weight, alpha=PENALTY)
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient.square(), 0.001)
        rate = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS)) / (1 - 0.9**step)
        weight -= rate * first / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    return TextEmotions(columns, rarity, weight, bias)


def grams_of(text: str) -> list[tuple[str, ...]]:
    """Each word and each pair of neighbouring words of a text, once."""
    sentence = words(text)
    return sorted({*ngrams(sentence, 1), *ngrams(sentence, 2)})
