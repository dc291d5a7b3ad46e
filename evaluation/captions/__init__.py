"""Scores of generated sentences beside what people wrote: BLEU, ROUGE-L, CIDEr-D, and how varied they are.

The definitions are coco-caption's, which papers on captions report, in plain Python: no Java, nothing is
downloaded. Sentences are lists of words (`words` makes them); every hypothesis has one or more references.
METEOR is run where Java and its package are (`meteor`); SPICE is not here: it needs Java and a download.
`alignment` reads an explanation's emotion.
"""

from .alignment import TextEmotions, learn_emotions
from .bleu import bleu
from .cider import cider_d
from .meteor import meteor, missing_for_meteor
from .rouge import rouge_l
from .scores import caption_scores, strong_majority
from .sentences import words

__all__ = [
    "TextEmotions",
    "bleu",
    "caption_scores",
    "cider_d",
    "learn_emotions",
    "meteor",
    "missing_for_meteor",
    "rouge_l",
    "strong_majority",
    "words",
]
