"""CIDEr-D (Vedantam et al. 2015) as coco-caption computes it."""

import math
from collections import Counter
from collections.abc import Sequence

from .sentences import Words, ngrams, same_count

ORDERS, SIGMA = 4, 6.0
_Grams = list[Counter[tuple[str, ...]]]


def cider_d(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """Agreement of n-grams that are rare in the references, for each sentence, in [0, 10]; reported is the
    mean.

    Weights are tf · log(N / df), df the number of the N sets of references that have the n-gram, so that a
    score depends on the whole corpus, and is 0 if that is one image. ValueError: nothing said, or no
    reference.
    """
    same_count(said, references)
    written = [[_count(each) for each in every] for every in references]
    frequency = Counter(gram for every in written for gram in {g for one in every for n in one for g in n})
    scale = math.log(len(references))

    def weights(grams: _Grams) -> tuple[list[dict[tuple[str, ...], float]], list[float], int]:
        vectors = [
            {gram: count * (scale - math.log(max(1, frequency[gram]))) for gram, count in each.items()}
            for each in grams
        ]
        norms = [math.sqrt(sum(value**2 for value in vector.values())) for vector in vectors]
        return vectors, norms, sum(grams[1].values())

    found = []
    for sentence, every in zip(said, written):
        own = weights(_count(sentence))
        found.append(10 * sum(_similarity(own, weights(each)) for each in every) / len(every))
    return found


def _count(sentence: Words) -> _Grams:
    return [ngrams(sentence, n) for n in range(1, ORDERS + 1)]


def _similarity(own: tuple, other: tuple) -> float:
    """The mean over n of clipped cosines, times what a difference of length (counted in bigrams) costs."""
    total = 0.0
    for mine, theirs, my_norm, their_norm in zip(own[0], other[0], own[1], other[1]):
        if my_norm > 0 and their_norm > 0:
            common = sum(
                min(value, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, value in mine.items()
            )
            total += common / (my_norm * their_norm)
    return total / ORDERS * math.exp(-((own[2] - other[2]) ** 2) / (2 * SIGMA**2))
