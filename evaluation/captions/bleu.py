"""BLEU (Papineni et al. 2002) over a corpus, as coco-caption computes it."""

import math
from collections.abc import Sequence

from .sentences import Words, ngrams, same_count

ORDERS = 4
# Numerators and denominators that are 0 are kept off by these, as in coco-caption.
_TINY, _SMALL = 1e-15, 1e-9


def bleu(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> tuple[float, ...]:
    """(BLEU-1, …, BLEU-4) in [0, 1]: the geometric mean of clipped precisions, times the brevity penalty.

    An n-gram counts at most as often as in the reference that has most of it. Of the references the one of
    the closest length is compared with, of two the shorter. ValueError: nothing said, or no reference.
    """
    same_count(said, references)
    right, total = [0] * ORDERS, [0] * ORDERS
    length = wanted = 0
    for sentence, written in zip(said, references):
        length += len(sentence)
        wanted += min((abs(len(each) - len(sentence)), len(each)) for each in written)[1]
        for n in range(1, ORDERS + 1):
            counts = [ngrams(each, n) for each in written]
            own = ngrams(sentence, n)
            right[n - 1] += sum(min(count, max(c[gram] for c in counts)) for gram, count in own.items())
            total[n - 1] += max(0, len(sentence) - n + 1)
    ratio = (length + _TINY) / (wanted + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    found, product = [], 1.0
    for n in range(ORDERS):
        product *= (right[n] + _TINY) / (total[n] + _SMALL)
        found.append(product ** (1 / (n + 1)) * penalty)
    return tuple(found)
