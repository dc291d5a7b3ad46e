"""Who sat at the App when: it has no accounts, so an edit is of whoever had opened it at that time."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..datasets.raters import gather, krippendorff_alpha, votes_of
from ..datasets.raters.agreement import pairwise
from ..datasets.stream.overlay import Overlay
from ..datasets.taxonomy import LabelSpace
from ..foundation.errors import UserError

Sitting = Sequence[Any]  # (rater, since when)


def rater_at(sittings: Sequence[Sitting], when: datetime) -> str:
    """Who sat there; "" where that was not said."""
    sat = [rater for rater, since in sittings if _aware(since) <= _aware(when)]
    return sat[-1] if sat else ""


def people_of(overlays: Sequence[Overlay], space: LabelSpace | None) -> dict[str, Any]:
    """What is known of several raters: edits of each, and how far their classes agree.

    {"edits": {rater: count}, "samples": both or more answered, "alpha": Krippendorff's, "pairs": Cohen's};
    "unclear" instead of figures where who said what cannot be told.
    """
    edits = Counter(
        edit.get("by", "?") for each in overlays for lines in each.edits.values() for edit in lines
    )
    found: dict[str, Any] = {"edits": dict(sorted(edits.items()))}
    if space is None or len(edits) < 2:
        return found
    try:
        votes = votes_of(space.name, gather(overlays).answers)
    except UserError as error:
        return found | {"unclear": str(error).splitlines()[0]}
    if not len(votes.ids):
        return found
    return found | {
        "samples": int((votes.counts.sum(1) > 1).sum()),
        "alpha": krippendorff_alpha(votes.counts),
        "pairs": [[*each["raters"], each["samples"], each["kappa"]] for each in pairwise(votes)],
    }


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
