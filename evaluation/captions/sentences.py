"""Sentences as words, and what is counted of them."""

import re
from collections import Counter
from collections.abc import Sequence

Words = Sequence[str]

# The Penn Treebank parts of a contraction stand alone: "don't" is do and n't, "man's" is man and 's.
_CONTRACTIONS = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b")
_WORDS = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|\w+(?:-\w+)*")


def words(text: str) -> list[str]:
    """The words of a sentence in lower case, without punctuation.

    Close to coco-caption, which runs Stanford's tokeniser (Java) and drops a list of marks; on text that is
    tokenised already (ArtEmis' `utterance_spelled`) it hardly matters.
    """
    plain = text.lower().replace("’", "'")
    return _WORDS.findall(_CONTRACTIONS.sub(lambda part: f" {part[0]}", plain))


def ngrams(sentence: Words, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of `n` words occurs."""
    return Counter(zip(*(sentence[start:] for start in range(n))))


def same_count(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> None:
    """ValueError unless every sentence has its own, at least one reference, and there is a sentence."""
    if len(said) != len(references) or not said:
        raise ValueError(f"{len(said)} sentences, {len(references)} sets of references")
    for place, written in enumerate(references):
        if not written:
            raise ValueError(f"references: sentence {place} has none")
