"""`vemo curate merge`: several raters' overlays into one, with votes, soft labels and a queue of doubts."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ... import __version__
from ...foundation.errors import UserError
from ...foundation.files import write_atomically, write_json
from ...foundation.terminal import table_text
from ..stream import ShardSet
from ..stream.overlay import read_overlay
from .dawid_skene import SMOOTHING, DawidSkene, dawid_skene
from .notes import notes_of
from .tables import doubts, tables
from .votes import Gathered, Standing, Votes, gather, votes_of

MERGED_BY = "vemo curate merge"
REPORT, QUEUE = "merge.json", "queue.jsonl"
TIED = 1e-6  # probabilities that differ by less: no sample's class hangs on the last steps of an iteration
DIGITS = 6

LabelKind = Literal["votes", "distribution", "class"]


@dataclass(frozen=True)
class MergeReport:
    """out: the overlay. content: merge.json beside it."""

    out: Path
    content: dict[str, Any]

    @property
    def summary(self) -> str:
        """Raters and agreement of each label space, what deserves a look, and where things lie."""
        lines: list[str] = []
        for name, found in self.content["spaces"].items():
            alpha = found["agreement"]["krippendorff_alpha"]
            lines += [
                f"{name}: {found['samples']:,} samples, {found['answers']:,} answers, Krippendorff's alpha "
                f"{'—' if alpha is None else format(alpha, '.2f')}; {found['tied']:,} tied, "
                f"{found['not_the_majority']:,} where skill outweighs the majority",
                table_text(("rater", "answers", "blind", "est. right", "on gold"), _rows(found["raters"])),
            ]
        lines += [f"note: {note}" for note in self.content["notes"]]
        return "\n".join([*lines, f"{self.out}, {self.out.parent / REPORT}, {self.out.parent / QUEUE}"])


def merge(
    overlays: Sequence[Path],
    out: Path,
    gold: Path | None = None,
    shards: Path | None = None,
    label: LabelKind = "votes",
) -> MergeReport:
    """Merge the raters' classes in `overlays` into the overlay `out`; beside it merge.json and queue.jsonl.

    Each edit sets `labels.SPACE` of one sample and carries, beside who, when and why: `votes` (by class),
    `soft` (probabilities by class, of Dawid and Skene's model), `class` (the most probable; null where tied).
    queue.jsonl has every sample whose answer is not known, the most doubtful first.

    Args:
        gold: an overlay with the answers that are known: it measures raters, and its classes stand.
        shards: the set that was rated, to refuse ids that it does not hold, and to count accepted samples as
            votes for the class that stands there.
        label: what an edit sets. votes: what was said (its class is the majority's, none where that is tied);
            distribution: the probabilities; class: the most probable one (votes where it is tied).

    Raises:
        UserError: as `gather`; `out` is one of the inputs or holds edits that no merge wrote; no answers.
    """
    read = [read_overlay(path) for path in overlays]
    known = read_overlay(gold) if gold else None
    _refuse_to_overwrite(out, [*overlays, *([gold] if gold else [])])
    opened = ShardSet(shards) if shards else None
    standing = _standing(opened) if opened else None
    gathered = gather(read, standing)
    truth = gather([known], standing, rater="gold") if known else Gathered((), Counter(), Counter())
    when = datetime.now(UTC).isoformat(timespec="seconds")
    spaces: dict[str, Any] = {}
    edits: list[dict[str, Any]] = []
    queue: list[dict[str, Any]] = []
    for space in sorted({answer.space for answer in gathered.answers if answer.name is not None}):
        votes = votes_of(space, gathered.answers)
        answers = _truth(votes, truth)
        model = dawid_skene(votes.items, votes.who, votes.classes, votes.shape, answers)
        merged = [
            _edit(votes, model, item, label if answers[item] < 0 else "class", when)
            for item in range(len(votes.ids))
        ]
        edits += merged
        queue += doubts(votes, model, answers, merged)
        spaces[space] = tables(votes, model, answers, gathered, [edit["class"] for edit in merged])
    if not spaces:
        raise UserError(f"{', '.join(map(str, overlays))}: no edit sets a class: there is nothing to merge")
    queue.sort(key=lambda line: (-line["entropy"], -line["disagreement"], line["id"], line["space"]))
    content = {
        "format": 1,
        "vemo": __version__,
        "when": when,
        "label": label,
        "smoothing": SMOOTHING,
        "overlays": [overlay.facts() for overlay in read],
        "gold": known.facts() if known else None,
        "shards": opened.shards_fingerprint if opened else None,
        "spaces": spaces,
        "not_merged": dict(sorted(gathered.unmerged.items())),
        "notes": notes_of(gathered, truth, spaces, opened is not None),
    }
    _write_lines(out, edits)
    _write_lines(out.parent / QUEUE, queue)
    write_json(out.parent / REPORT, content)
    return MergeReport(out, content)


def _standing(shards: ShardSet) -> Standing:
    records = (record for split in shards.splits for record in shards.records(split))
    return {
        record["id"]: {
            space: label["class"] for space, label in record.get("labels", {}).items() if "class" in label
        }
        for record in records
    }


def _truth(votes: Votes, gold: Gathered) -> np.ndarray:
    """The known class of each sample, int64 [N], −1 where it is not known."""
    names = {answer.id: answer.name for answer in gold.answers if answer.space == votes.space.name}
    places = (names.get(identifier) for identifier in votes.ids)
    return np.array([-1 if name is None else votes.space.names.index(name) for name in places], np.int64)


def _edit(votes: Votes, model: DawidSkene, item: int, label: LabelKind, when: str) -> dict[str, Any]:
    """The edit of one sample, all that its answers say."""
    counts, soft = votes.counts[item], np.round(model.posterior[item], DIGITS)
    names = votes.space.names
    said = {names[place]: int(counts[place]) for place in np.argsort(-counts, kind="stable") if counts[place]}
    second, first = np.sort(model.posterior[item])[-2:]
    best = names[int(model.posterior[item].argmax())] if first - second > TIED else None
    value = {"votes": counts.tolist()}
    if label == "distribution":
        value = {"distribution": soft.tolist()}
    elif label == "class" and best is not None:
        value = {"class": best}
    raters = [votes.raters[rater] for rater in np.flatnonzero(votes.table[item] >= 0)]
    return {
        "id": votes.ids[item],
        "set": {f"labels.{votes.space.name}": value},
        "by": MERGED_BY,
        "when": when,
        "why": f"{', '.join(raters)}: {', '.join(f'{name} {count}' for name, count in said.items())}",
        "votes": said,
        "soft": {name: float(share) for name, share in zip(names, soft) if share > 0},
        "class": best,
    }


def _rows(raters: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{rater['answers']:,}",
            f"{rater['blind']:,}",
            f"{rater['estimated_accuracy']:.2f}",
            f"{rater['gold']['right']} of {rater['gold']['samples']}" if rater["gold"] else "—",
        )
        for name, rater in raters.items()
    ]


def _refuse_to_overwrite(out: Path, inputs: Sequence[Path]) -> None:
    if out.name == QUEUE:
        raise UserError(f"{out}: {QUEUE} is written beside the overlay; give it another name")
    if out.resolve() in {path.resolve() for path in inputs}:
        raise UserError(f"{out}: is one of the overlays to merge; choose another file")
    edits = [edit for each in read_overlay(out).edits.values() for edit in each] if out.exists() else []
    if any(edit.get("by") != MERGED_BY for edit in edits):
        raise UserError(f"{out}: holds edits that are not of a merge; choose another file")


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    with write_atomically(path) as stream:
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
