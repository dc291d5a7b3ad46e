"""Whether errors stay within the positive or the negative half of a label space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...datasets.taxonomy import Ambiguous, LabelSpace, label_map, label_space

NO_POLARITY = -1


@dataclass(frozen=True, slots=True)
class ValenceConfusion:
    """How an error relates to polarity. Shares lie in [0, 1]; None where there is nothing to take them of.

    Errors are judged where both the label and the prediction have a polarity. Were they to fall evenly on all
    other classes of mikels8, `within` would be 3/7.
    """

    errors: int
    judged: int  # errors between two classes that have a polarity
    within: float | None  # of the judged errors: the polarity is right all the same
    within_positive: float | None  # of the judged errors on positive images
    within_negative: float | None  # of the judged errors on negative images
    polarity_accuracy: float | None  # of images with a polarity: predicted as a class of the same


def polarities(space: LabelSpace, ambiguous: Ambiguous = "drop") -> Tensor:
    """Of every class 1 (positive), 0 (negative) or -1 (neither), int64 [C], by the label map to polarity2.

    Ambiguous classes (surprise) have none, or with "map" the map's first choice. Raises UserError where the
    space has no map to polarity2.
    """
    target = label_space("polarity2")
    if space.name == target.name:
        return torch.arange(len(target))
    table = label_map(space.name, target.name)
    mapped = [table.apply({"class": name}, ambiguous) for name in space.names]
    return torch.tensor([target.index(to["class"]) if to else NO_POLARITY for to in mapped])


def valence_confusion(confusion: Tensor, polarity: Tensor) -> ValenceConfusion:
    """Shares of the errors in a confusion matrix [C, C] (rows: reference); `polarity` as from `polarities`.

    A prediction without polarity counts as wrong in `polarity_accuracy`. Our choice of measure.
    """
    if confusion.shape != (len(polarity), len(polarity)):
        raise ValueError(f"confusion: shape {list(confusion.shape)}, but {len(polarity)} polarities")
    counts, polarity = confusion.double(), polarity.to(confusion.device)
    known = polarity != NO_POLARITY
    errors = counts * ~torch.eye(len(counts), dtype=torch.bool, device=counts.device)
    judged = errors * (known[:, None] & known)
    same = known[:, None] & (polarity[:, None] == polarity)
    within = errors * same
    positive, negative = polarity == 1, polarity == 0
    return ValenceConfusion(
        errors=int(errors.sum()),
        judged=int(judged.sum()),
        within=_share(within, judged),
        within_positive=_share(within[positive], judged[positive]),
        within_negative=_share(within[negative], judged[negative]),
        polarity_accuracy=_share(counts * same, counts[known]),
    )


def _share(part: Tensor, whole: Tensor) -> float | None:
    return float(part.sum() / whole.sum()) if whole.sum() > 0 else None
