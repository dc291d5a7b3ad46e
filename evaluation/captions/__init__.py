"""Scores of generated sentences beside what people wrote: BLEU, ROUGE-L, CIDEr-D, and how varied they are.

The definitions are coco-caption's, which papers on captions report, in plain Python: no Java, nothing is
downloaded. Sentences are lists of words (`words` makes them); every hypothesis has one or more references.
METEOR and SPICE are not here: both need Java and tables of their own, and no copy gives the same figures.
"""

from .bleu import bleu
from .cider import cider_d
from .rouge import rouge_l
from .scores import caption_scores, strong_majority
from .sentences import words

__all__ = ["bleu", "caption_scores", "cider_d", "rouge_l", "strong_majority", "words"]
