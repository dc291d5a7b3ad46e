"""What a merge says of its raters and of the samples that they disagree on."""

from collections import Counter
from typing import Any

import numpy as np

from ..taxonomy import class_index
from .agreement import krippendorff_alpha, pairwise
from .dawid_skene import DawidSkene
from .votes import Gathered, Votes

DIGITS = 4
Z95 = 1.959964


def tables(
    votes: Votes, model: DawidSkene, truth: np.ndarray, gathered: Gathered, classes: list[str | None]
) -> dict[str, Any]:
    """What merge.json says of one label space. truth: int64 [N], −1 unknown; classes: what was merged [N]."""
    space = votes.space
    majority = [majority_class(votes, item) for item in range(len(votes.ids))]
    return {
        "version": space.version,
        "classes": list(space.names),
        "samples": len(votes.ids),
        "answers": len(votes.items),
        "gold": int((truth >= 0).sum()),
        "tied": sum(each is None for each in classes),
        "without_majority": sum(each is None for each in majority),
        "not_the_majority": sum(
            each is not None and most is not None and each != most for each, most in zip(classes, majority)
        ),
        "prevalence": _rounded(model.prevalence),
        "iterations": model.iterations,
        "converged": model.converged,
        "agreement": {"krippendorff_alpha": krippendorff_alpha(votes.counts), "pairs": pairwise(votes)},
        "raters": {
            name: _rater(votes, model, truth, gathered, rater) for rater, name in enumerate(votes.raters)
        },
    }


def _rater(
    votes: Votes, model: DawidSkene, truth: np.ndarray, gathered: Gathered, rater: int
) -> dict[str, Any]:
    """confusion: P(answer | class), a row a class; gold: the same counted on samples whose class is known."""
    name, space = votes.raters[rater], votes.space.name
    mine = [each for each in gathered.answers if each.rater == name and each.space == space]
    given = votes.table[:, rater]
    known = (given >= 0) & (truth >= 0)
    times = sorted(each.when for each in mine if each.when)
    return {
        "answers": int((given >= 0).sum()),
        "without_class": sum(each.name is None for each in mine),
        "revised": gathered.revised[name, space],
        "blind": sum(each.edit.get("blind") is True for each in mine),
        "sessions": dict(sorted(Counter(each.edit.get("session", "") for each in mine).items())),
        "first": times[0].isoformat() if times else None,
        "last": times[-1].isoformat() if times else None,
        "estimated_accuracy": round(float(model.accuracy[rater]), DIGITS),
        "confusion": _rounded(model.confusion[rater]),
        "gold": _on_gold(truth[known], given[known], len(votes.space)) if known.any() else None,
    }


def _on_gold(truth: np.ndarray, given: np.ndarray, classes: int) -> dict[str, Any]:
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, given), 1)
    right, samples = int(np.trace(confusion)), len(truth)
    low, high = wilson(right, samples)
    return {
        "samples": samples,
        "right": right,
        "accuracy": round(right / samples, DIGITS),
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
        "confusion": confusion.tolist(),
    }


def wilson(right: int, samples: int) -> tuple[float, float]:
    """The 95 % interval of a share, Wilson 1927: sound for few samples, too."""
    share, square = right / samples, Z95**2
    middle = share + square / (2 * samples)
    reach = Z95 * (share * (1 - share) / samples + square / (4 * samples**2)) ** 0.5
    scale = 1 + square / samples
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def majority_class(votes: Votes, item: int) -> str | None:
    """What most raters say of a sample; None where that is tied."""
    place = class_index({"labels": {votes.space.name: {"votes": votes.counts[item].tolist()}}}, votes.space)
    return None if place is None else votes.space.names[place]


def entropies(shares: np.ndarray) -> np.ndarray:
    """Of rows that sum to 1, in nats, [N]."""
    return -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(1)


def doubts(
    votes: Votes, model: DawidSkene, truth: np.ndarray, merged: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Samples whose class is not known, and how doubtful what was merged is: for whoever decides.

    entropy: of the probabilities, disagreement: of the votes' shares; both in nats.
    """
    entropy = np.round(entropies(model.posterior), DIGITS)
    split = np.round(entropies(votes.counts / votes.counts.sum(1, keepdims=True)), DIGITS)
    return [
        {
            "id": votes.ids[item],
            "space": votes.space.name,
            "entropy": float(entropy[item]),
            "disagreement": float(split[item]),
            **{key: merged[item][key] for key in ("votes", "soft", "class")},
            "majority": majority_class(votes, item),
        }
        for item in np.flatnonzero(truth < 0).tolist()
    ]


def _rounded(values: np.ndarray) -> Any:
    return np.round(values, DIGITS).tolist()
