"""Votes out of overlays: who called which sample what, each rater's last word, and what cannot be settled."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from ...foundation.errors import UserError
from ..stream.overlay import Overlay, refusal
from ..taxonomy import LabelSpace, label_space

STATUS, ACCEPTED = "attributes.review_status", "accept"  # what a rater says of a label that may stay

Standing = Mapping[str, Mapping[str, str]]
"""Of each sample there is: label space → the class that stands in its record."""


@dataclass(frozen=True)
class Answer:
    """One rater's answer to one sample in one label space ("": a status); `name` None: none can be given.

    overlay, place: which overlay it is of and where it stands in it among the edits of its sample.
    """

    id: str
    space: str
    rater: str
    name: str | None
    overlay: int
    place: int
    edit: dict[str, Any]

    @property
    def when(self) -> datetime | None:
        """None where it is not said, or is no ISO 8601; without a zone UTC is meant (our choice)."""
        try:
            when = datetime.fromisoformat(self.edit.get("when") or "")
        except (ValueError, TypeError):
            return None
        return when if when.tzinfo else when.replace(tzinfo=UTC)

    def follows(self, other: "Answer") -> bool:
        """Whether it was certainly given after `other`: lines of a file stand in order, unless their times
        say otherwise; between files only times can tell."""
        mine, theirs = self.when, other.when
        if self.overlay == other.overlay:
            return self.place > other.place and not (mine and theirs and mine < theirs)
        return bool(mine and theirs and mine > theirs)


@dataclass(frozen=True)
class Gathered:
    """answers: the last of each rater, sample and space. revised: by (rater, space), how many they took back.

    unmerged: edits of what is no class, by field, all raters together.
    """

    answers: tuple[Answer, ...]
    revised: Counter[tuple[str, str]]
    unmerged: Counter[str]


@dataclass(frozen=True)
class Votes:
    """Answers in one label space: answer n is classes[n] of sample items[n] by raters[who[n]]; int64 [A]."""

    space: LabelSpace
    ids: tuple[str, ...]
    raters: tuple[str, ...]
    items: np.ndarray
    who: np.ndarray
    classes: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(samples, raters, classes)."""
        return len(self.ids), len(self.raters), len(self.space)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many raters gave each sample each class, int64 [N, C]."""
        counts = np.zeros((len(self.ids), len(self.space)), np.int64)
        np.add.at(counts, (self.items, self.classes), 1)
        return counts

    @cached_property
    def table(self) -> np.ndarray:
        """The class that each rater gave each sample, int64 [N, R]; −1: none."""
        table = np.full((len(self.ids), len(self.raters)), -1)
        table[self.items, self.who] = self.classes
        return table


def gather(
    overlays: Sequence[Overlay], standing: Standing | None = None, rater: str | None = None
) -> Gathered:
    """Every rater's last answers. `rater`: all lines are this one's.

    With `standing`, who accepted a sample (`attributes.review_status`) and gave it no class votes for the
    class that stands there, in the spaces in which somebody gave a class.

    Raises UserError naming all faults: an edit that names no rater, an id that is not in `standing`, an
    unknown label space, a class that is not one of its space, and a rater who says two things of a sample,
    with nothing to tell which came last.
    """
    faults: list[str] = []
    unmerged: Counter[str] = Counter()
    given: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    accepted: dict[tuple[str, str, int], Answer] = {}  # the last word of each overlay
    for number, overlay in enumerate(overlays):
        for identifier in overlay.unknown(standing) if standing is not None else ():
            faults.append(f"{identifier}: no such sample ({overlay.path})")
        for answer in _answers(overlay, number, rater, standing is not None, unmerged):
            if not answer.rater:
                faults.append(f'{answer.id}: an edit names no rater ("by": …) ({overlay.path})')
            elif fault := _fault(answer):
                faults.append(f"{answer.id}: {fault} ({answer.rater}, {overlay.path})")
            elif not answer.space:
                accepted[answer.rater, answer.id, number] = answer
            else:
                given[answer.rater, answer.id, answer.space].append(answer)
    voted = {space for _, _, space in given}
    for (who, identifier, _), said in accepted.items():
        if said.name != ACCEPTED:
            unmerged[STATUS] += 1
            continue
        stands = (standing or {}).get(identifier, {})
        for space in voted & stands.keys():
            given.setdefault((who, identifier, space), [replace(said, space=space, name=stands[space])])
    answers: list[Answer] = []
    revised: Counter[tuple[str, str]] = Counter()
    for (who, identifier, space), said in sorted(given.items()):
        last = _last(said)
        if last is None:
            names = " and ".join(dict.fromkeys(str(each.name) for each in said))
            where = ", ".join(dict.fromkeys(str(overlays[each.overlay].path) for each in said))
            faults.append(f"{identifier}: {who} says {names} in {space}, and not which came last ({where})")
            continue
        answers.append(last)
        revised[who, space] += any(each.name != last.name for each in said)
    if faults:
        raise refusal(f"{', '.join(str(each.path) for each in overlays)}: cannot be merged", faults)
    return Gathered(tuple(answers), revised, unmerged)


def votes_of(space: str, answers: Iterable[Answer]) -> Votes:
    """The answers in one space that give a class; samples and raters in alphabetical order."""
    mine = [each for each in answers if each.space == space and each.name is not None]
    vocabulary = label_space(space)
    ids = {name: place for place, name in enumerate(sorted({each.id for each in mine}))}
    raters = {name: place for place, name in enumerate(sorted({each.rater for each in mine}))}
    rows = [(ids[each.id], raters[each.rater], vocabulary.names.index(each.name or "")) for each in mine]
    items, who, classes = np.array(sorted(rows), np.int64).reshape(-1, 3).T
    return Votes(vocabulary, tuple(ids), tuple(raters), items, who, classes)


def _answers(
    overlay: Overlay, number: int, rater: str | None, with_status: bool, unmerged: Counter[str]
) -> Iterable[Answer]:
    for identifier, edits in overlay.edits.items():
        place = 0
        for edit in edits:
            for key, value in edit["set"].items():
                asked = ("", value) if with_status and key == STATUS else _asked(key, value)
                if asked is None:
                    unmerged[key] += 1
                    continue
                by = edit.get("by", "") if rater is None else rater
                yield Answer(identifier, asked[0], by, asked[1], number, place, edit)
                place += 1


def _asked(key: str, value: Any) -> tuple[str, Any] | None:
    """(label space, class or None) where an edit sets or removes a sample's class; None: it does not."""
    match key.split("."):
        case ["labels", space, "class"]:
            return space, value
        case ["labels", space] if value is None:
            return space, None
        case ["labels", space] if isinstance(value, dict) and value.keys() == {"class"}:
            return space, value["class"]
    return None


def _fault(answer: Answer) -> str | None:
    if not answer.space:
        return None
    try:
        space = label_space(answer.space)
        if space.continuous:
            return f"{answer.space} has axes, no classes"
        if answer.name is not None and answer.name not in space.names:
            space.index(answer.name)  # says what is meant, if it is not a spelling of one
            return f"label space {answer.space} spells {answer.name!r} {space.canonical(answer.name)!r}"
    except UserError as error:
        return str(error)
    return None


def _last(said: list[Answer]) -> Answer | None:
    """The answer that follows all that differ from it; None where there is none."""
    return next(
        (one for one in said if all(one.follows(other) for other in said if other.name != one.name)), None
    )
