"""Several people's answers: gathered from their overlays, weighed by skill, merged into one overlay.

What lives here: votes out of edits, agreement, Dawid and Skene's model of raters, the merge. What does not:
the App in which people answer (`annotation`), what an overlay is and how it applies (`datasets.stream`), and
the disagreement that a published dataset brings along (`evaluation.audit` looks at that).
"""

from .agreement import cohen_kappa, krippendorff_alpha
from .dawid_skene import DawidSkene, dawid_skene
from .merge import MergeReport, merge
from .votes import Votes, gather, votes_of

__all__ = [
    "DawidSkene",
    "MergeReport",
    "Votes",
    "cohen_kappa",
    "dawid_skene",
    "gather",
    "krippendorff_alpha",
    "merge",
    "votes_of",
]
