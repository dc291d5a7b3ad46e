"""METEOR (Denkowski and Lavie 2014) as coco-caption runs it: the authors' own Java program.

Other implementations (NLTK's) give other figures, so there is none here. Library: pycocoevalcap, which brings
the program and its table of paraphrases; Java is the machine's.
"""

import shutil
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from ...foundation.errors import UserError
from .sentences import words


def missing_for_meteor() -> str | None:
    """What METEOR lacks on this machine, and how to mend it; None: nothing."""
    if find_spec("pycocoevalcap") is None:
        return "METEOR needs the package pycocoevalcap: pip install 'vemo[meteor]'"
    if shutil.which("java") is None:
        return "METEOR needs Java 8 or later (the command java)"
    return None


def meteor(said: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """METEOR of a corpus in [0, 1]: one text an image against what people wrote of it.

    Starts Java, which takes some 20 s of one core and a gigabyte. Raises UserError: something is missing.
    """
    if lacking := missing_for_meteor():
        raise UserError(lacking)
    scorer = import_module("pycocoevalcap.meteor.meteor").Meteor()
    hypotheses = {number: [" ".join(words(text))] for number, text in enumerate(said)}
    written = {number: [" ".join(words(each)) for each in every] for number, every in enumerate(references)}
    score, _ = scorer.compute_score(written, hypotheses)
    return float(score)
