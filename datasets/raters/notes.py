"""What a merge's figures do not tell: few samples, answers that saw the label, what was left out."""

from typing import Any

from .dawid_skene import FEW
from .votes import Gathered


def notes_of(gathered: Gathered, gold: Gathered, spaces: dict[str, Any], checked: bool) -> list[str]:
    """What whoever reads the figures ought to know."""
    notes: list[str] = []
    for name, found in spaces.items():
        if found["samples"] < FEW * len(found["classes"]):
            notes.append(
                f"{name}: {found['samples']:,} samples are few for {len(found['classes'])} classes: "
                "probabilities are too sure of themselves, votes are the safer label"
            )
        if len(found["raters"]) < 3 and not found["gold"]:
            notes.append(
                f"{name}: with fewer than three raters and no gold nothing tells whose mistakes a "
                "disagreement shows: the estimates of skill mean little"
            )
    seeing = sum(answer.edit.get("blind") is not True for answer in gathered.answers)
    if seeing:
        notes.append(
            f"{seeing:,} of {len(gathered.answers):,} answers are not marked as blind: whoever sees a label "
            "tends to agree with it, and agreement is overstated"
        )
    silent = sum(answer.name is None for answer in gathered.answers)
    if silent:
        notes.append(f"{silent:,} answers give no class (the label was taken away); they are no votes")
    if gathered.unmerged:
        fields = ", ".join(f"{key} ({count:,})" for key, count in sorted(gathered.unmerged.items()))
        notes.append(f"edits of what is no class are not in the merged overlay: {fields}")
    if gold.unmerged:
        notes.append(f"what gold says beside classes is left out: {', '.join(sorted(gold.unmerged))}")
    answered = {(answer.id, answer.space) for answer in gathered.answers}
    if idle := sum((answer.id, answer.space) not in answered for answer in gold.answers):
        notes.append(f"{idle:,} of {len(gold.answers):,} gold answers are of samples that nobody rated")
    known = {(answer.id, answer.space) for answer in gold.answers}
    planted = {(a.id, a.space) for a in gathered.answers if a.edit.get("gold") is True}
    if missing := len(planted - known):
        notes.append(f"{missing:,} samples were planted as gold, but their answers are not given (--gold)")
    if not checked:
        notes.append(
            "without --shards DIR ids were not checked, and samples accepted as they are gave no votes"
        )
    return notes
