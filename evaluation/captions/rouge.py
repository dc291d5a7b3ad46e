"""ROUGE-L (Lin 2004) as coco-caption computes it, which is not what other libraries do."""

from collections.abc import Sequence

from .sentences import Words, same_count

BETA = 1.2


def rouge_l(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """F of the longest common subsequence, for each sentence, in [0, 1]; the mean is what is reported.

    Precision and recall are each the best over the references, independently; F weighs recall with β = 1.2.
    ValueError: nothing said, or no reference.
    """
    same_count(said, references)
    return [_score(sentence, written) for sentence, written in zip(said, references)]


def _score(sentence: Words, references: Sequence[Words]) -> float:
    common = [longest_common(sentence, each) for each in references]
    precision = max(found / max(len(sentence), 1) for found in common)
    recall = max(found / max(len(each), 1) for found, each in zip(common, references))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common(one: Words, other: Words) -> int:
    """The length of the longest common subsequence of two sentences."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, there in enumerate(other, start=1):
            above = row[place]
            row[place] = diagonal + 1 if word == there else max(above, row[place - 1])
            diagonal = above
    return row[-1]
