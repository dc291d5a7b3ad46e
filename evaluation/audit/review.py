"""Review priority: which samples a person should look at first, and why.

One small model weighs all that speaks of a sample's class y (our choice; it is Dawid and Skene's, in which
nobody's skill is known). What people said (the label, votes, the labels of its copies) are shares s of C
classes, and a label is mistaken with probability m: L(y) = (1 − m) s(y) + m (1 − s(y)) / (C − 1). Voices say
p(y): the geometric mean of those that see the same (all that see the picture: they repeat each other), their
product over what tells different things (picture and attributes), divided by the classes' shares as often as
they were counted too often. The posterior is L · p, normalised; the priority is the probability that the
class which stands there is wrong. What it finds and misses is measured by benchmarks/review.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MISTAKEN = 0.1  # how often a label is thought to be wrong before anybody looks; its order hardly matters
FLOOR = 1e-6  # of a voice's probabilities: no voice has a veto


@dataclass(frozen=True, slots=True)
class Voice:
    """What something says of the classes of N samples: probabilities float32 [N, C], NaN where it is silent.

    by: its name in sentences. of: what it looks at; voices of the same are averaged, of different multiplied.
    """

    by: str
    said: Tensor
    of: str = "picture"


@dataclass(frozen=True, slots=True)
class Review:
    """A sample by its place; priority in [0, 1]; why, a sentence; the most probable class."""

    place: int
    priority: float
    why: str
    looks_like: str | None

    def as_line(self, identifier: str, split: str, label: str | None, batch: int | None) -> dict[str, Any]:
        """The line of review.jsonl; batch: its number among those to label next, from 1."""
        line = {"id": identifier, "split": split, "priority": round(self.priority, 5), "why": self.why}
        more = {"labelled": label, "looks like": self.looks_like, "batch": batch}
        return line | {key: value for key, value in more.items() if value is not None}


def posterior(said: Tensor, voices: Sequence[Voice], mistaken: float = MISTAKEN) -> Tensor:
    """Probabilities of the classes, float32 [N, C].

    said: shares of the classes by what people said, [N, C]; a row of zeros where nobody said anything.
    """
    silent = said.sum(1, keepdim=True) == 0
    likelihood = (1 - mistaken) * said + mistaken * (1 - said) / max(1, said.shape[1] - 1)
    return (joined(said, voices) + torch.where(silent, 0, likelihood.clamp_min(FLOOR).log())).softmax(1)


def joined(said: Tensor, voices: Sequence[Voice]) -> Tensor:
    """Log-probabilities [N, C], not normalised, by the voices; by the classes' shares where none speaks."""
    prior = ((said.sum(0) + 1) / (said.sum() + said.shape[1])).log()
    total = prior.repeat(len(said), 1)
    for looked_at in dict.fromkeys(voice.of for voice in voices):
        sums, count = torch.zeros_like(said), torch.zeros(len(said), 1)
        for voice in (each for each in voices if each.of == looked_at):
            speaks = ~voice.said.isnan().any(1, keepdim=True)
            sums += torch.where(speaks, voice.said.clamp_min(FLOOR).log(), 0)
            count += speaks
        total += torch.where(count > 0, (sums / count.clamp_min(1)).log_softmax(1) - prior, 0)
    return total


def reviews(
    labels: Tensor,
    said: Tensor,
    voices: Sequence[Voice],
    names: tuple[str, ...],
    remarks: Sequence[Sequence[str]],
    nothing: dict[int, str],
) -> list[Review]:
    """Every sample, the first to look at first; equals in the order of the set.

    labels: the class that stands there, int64 [N], −1 without one. said: as for `posterior`. remarks: more
    that a person should know of each sample (its copies, its raters); they are said, not weighed again.
    nothing: by place, why an image shows nothing: no label can be right then, so the priority is 1.
    """
    probable = posterior(said, voices)
    best: list[int] = probable.argmax(1).tolist()
    stands = probable.gather(1, labels.clamp_min(0)[:, None]).squeeze(1)
    priority = 1 - torch.where(labels < 0, probable.max(1).values, stands)
    priority[list(nothing)] = 1.0
    spoke = [voice.said.nan_to_num(-1) for voice in voices]
    found: list[Review] = []
    for place in priority.argsort(descending=True, stable=True).tolist():
        label = names[int(labels[place])] if labels[place] >= 0 else None
        told = [_told(voice.by, row[place], names) for voice, row in zip(voices, spoke) if row[place, 0] >= 0]
        parts = [f"{nothing[place]}: shows nothing"] if place in nothing else []
        parts += [", ".join([*told, f"label says {label}" if label else "no label"]), *remarks[place]]
        known = bool(told) or bool(said[place].sum() > 0)
        looks = names[best[place]] if known else None
        found.append(Review(place, float(priority[place]), "; ".join(parts), looks))
    return found


def _told(by: str, row: Tensor, names: tuple[str, ...]) -> str:
    best = int(row.argmax())
    return f"{by} say{'' if by == 'attributes' else 's'} {names[best]} {float(row[best]):.2f}"
