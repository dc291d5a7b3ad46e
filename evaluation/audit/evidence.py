"""What an audit knows of labels, as `review` weighs it: what people said, what models saw, what to remark."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets.taxonomy import LabelSpace, distribution
from ...foundation.errors import UserError
from ..predictions import load_predictions
from .batches import next_batches, uncertainty
from .review import Voice, posterior, reviews
from .scan import Scan


def answers(record: dict[str, Any], label: int | None, space: LabelSpace) -> list[float] | None:
    """Shares of the classes by what people said of a sample: its votes or shares, its raters' classes, else
    its class; None where nobody said one."""
    known = record.get("labels", {}).get(space.name) or {}
    if "votes" in known or "distribution" in known:
        return distribution(record, space)
    said = Counter(
        name
        for each in record.get("annotations") or []
        if (name := (each.get("labels", {}).get(space.name) or {}).get("class"))
    )
    if said:
        return [said[name] / said.total() for name in space.names]
    return None if label is None else [float(place == label) for place in range(len(space))]


def what_people_said(
    seen: Scan, labels: Sequence[int | None], space: LabelSpace, copies: Sequence[Sequence[int]]
) -> Tensor:
    """Shares float32 [N, C]; copies of one picture share what was said of any of them; zeros: nobody did."""
    said = torch.zeros(len(seen), len(space))
    for place, (record, label) in enumerate(zip(seen.records, labels)):
        if (shares := answers(record, label, space)) is not None:
            said[place] = torch.tensor(shares)
    for members in copies:
        rows = said[list(members)]
        said[list(members)] = rows.sum(0) / (rows.sum(1) > 0).sum().clamp_min(1)
    return said


def model_voices(paths: Sequence[Path], seen: Scan, space: LabelSpace) -> list[Voice]:
    """Each file of predictions as a voice. Raises UserError: other classes, or none of these samples."""
    places = {record["id"]: place for place, record in enumerate(seen.records)}
    voices: list[Voice] = []
    for path in paths:
        found = load_predictions(path)
        if found.space != space.name or found.kind not in ("single", "distribution"):
            what = f"{found.kind} of {found.space}"
            raise UserError(f"{path}: predicts {what}, the audit needs one class of {space.name}")
        said = torch.full((len(seen), len(space)), torch.nan)
        for identifier, row in zip(found.ids, found.said.float()):
            if identifier in places:
                said[places[identifier]] = row
        if bool(said.isnan().all()):
            raise UserError(f"{path}: predicts none of the samples of this shard set")
        voices.append(Voice("model" if len(paths) == 1 else path.stem, said))
    return voices


def remarks(
    seen: Scan, labels: Sequence[int | None], space: LabelSpace, copies: Sequence[Sequence[int]]
) -> list[list[str]]:
    """Of each sample: how raters are split, that a copy has another label, that a copy lies elsewhere."""
    found: list[list[str]] = [[] for _ in range(len(seen))]
    for place, record in enumerate(seen.records):
        shares = answers(record, None, space)
        if shares is not None and max(shares) < 1:
            said = sorted(((share, name) for share, name in zip(shares, space.names) if share), reverse=True)
            found[place].append("raters say " + ", ".join(f"{name} {share:.2f}" for share, name in said))
    for members in copies:
        for place in members:
            others = {labels[other] for other in members} - {labels[place]}
            said = [space.names[each] for each in others if each is not None]
            if said and labels[place] is not None:
                found[place].append(f"a copy's label says {', '.join(sorted(said))}")
            splits = {seen.splits[other] for other in members} - {seen.splits[place]}
            if splits:
                found[place].append(f"a copy lies in {', '.join(sorted(splits))}")
    return found


def review_lines(
    seen: Scan,
    labels: Sequence[int | None],
    copies: Sequence[Sequence[int]],
    space: LabelSpace,
    voices: Sequence[Voice],
    features: Tensor | None,
    placeholders: dict[int, str],
    batches: tuple[int, int],
) -> list[dict[str, Any]]:
    """The lines of review.jsonl, what to look at first comes first.

    features [N, D] tell how alike samples are; None: no batches are proposed. batches: (samples, how many).
    """
    said = what_people_said(seen, labels, space, copies)
    numbers = torch.tensor([-1 if label is None else label for label in labels], dtype=torch.int64)
    batch_of: dict[int, int] = {}
    if features is not None:
        worth = uncertainty(posterior(said, voices))
        worth[list(placeholders)] = 0
        proposed = next_batches(worth, features, *batches)
        batch_of = {place: number for number, places in enumerate(proposed, 1) for place in places}
    told = remarks(seen, labels, space, copies)
    lines: list[dict[str, Any]] = []
    for review in reviews(numbers, said, voices, space.names, told, placeholders):
        place, label = review.place, labels[review.place]
        name = None if label is None else space.names[label]
        lines.append(review.as_line(seen.records[place]["id"], seen.splits[place], name, batch_of.get(place)))
    return lines
