"""All that is said of a set of generated explanations."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .bleu import bleu
from .cider import cider_d
from .rouge import rouge_l
from .sentences import words


def caption_scores(said: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """bleu_1 … bleu_4, rouge_l in [0, 1], cider_d in [0, 10], unique (share of different sentences), words
    (the mean length).

    said: one text an image; references: what people wrote of it, at least one. ValueError: see `bleu`.
    """
    sentences = [words(text) for text in said]
    written = [[words(text) for text in every] for every in references]
    found = {f"bleu_{n}": value for n, value in enumerate(bleu(sentences, written), start=1)}
    count = len(sentences)
    return found | {
        "rouge_l": sum(rouge_l(sentences, written)) / count,
        "cider_d": sum(cider_d(sentences, written)) / count,
        "unique": len({tuple(sentence) for sentence in sentences}) / count,
        "words": sum(map(len, sentences)) / count,
    }


def strong_majority(said: Tensor, shares: Tensor) -> tuple[float | None, int]:
    """(accuracy, images): the emotion that is said, int64 [N] with −1 for none that exists, against the one
    that more than half of the annotators chose; images of which no emotion has more than half do not count.

    shares: float [N, C], each row an image's answers. None without such an image. (ArtEmis' protocol.)
    """
    top, emotion = shares.double().max(1)
    strong = top > 0.5
    count = int(strong.sum())
    hits = (said == emotion)[strong]
    return (float(hits.to(torch.float64).mean()) if count else None), count
