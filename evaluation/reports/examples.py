"""Which test samples to look at, the best and the worst, and each in a few lines of HTML."""

from collections.abc import Callable, Iterable, Mapping
from html import escape

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...datasets.stream import ShardSet
from ...datasets.stream.decode import decode
from ..metrics import distribution_measures
from ..predictions import Predictions
from .diagrams import bar_pairs, value_mark
from .document import gallery, number, share, thumbnail

Look = Callable[[Tensor], Tensor]  # a picture, uint8 [3, H, W], to the same with something drawn on it
SHOWN_CLASSES = 9  # in a caption's little bars and lists


def best_and_worst(predictions: Predictions, count: int) -> dict[str, list[int]]:
    """Heading → rows to show under it, at most `count` and one of a group, the most telling first.

    Of single the most confident, right and wrong; of the other kinds those of the lowest and highest error:
    KL, cross-entropy (mean over classes), root mean square over the axes that are known.
    """
    if predictions.kind == "single":
        confidence, guesses = predictions.said.max(1)
        right = guesses == predictions.labels
        order = confidence.argsort(descending=True, stable=True)
        return {
            "Surest and right": _apart(predictions, order[right[order]].tolist(), count),
            "Surest and wrong": _apart(predictions, order[~right[order]].tolist(), count),
        }
    name = {"distribution": "KL", "multilabel": "cross-entropy", "vad": "distance"}[predictions.kind]
    order = errors(predictions).argsort(stable=True).tolist()
    best = _apart(predictions, order[: (len(order) + 1) // 2], count)
    worst = _apart(predictions, order[: (len(order) + 1) // 2 - 1 : -1], count)
    return {f"Lowest {name}": best, f"Highest {name}": worst}


def errors(predictions: Predictions) -> Tensor:
    """How far off each sample is, float64 [N], 0 is best; of the kinds but single (see `best_and_worst`)."""
    targets, said = predictions.targets.double(), predictions.said
    if predictions.kind == "distribution":
        return distribution_measures(targets, said).kl
    if predictions.kind == "multilabel":
        losses = binary_cross_entropy_with_logits(predictions.outputs.double(), targets, reduction="none")
        return losses.mean(1)
    return (said - targets).square().nanmean(1).sqrt()


def examples(
    predictions: Predictions, rows: Iterable[int], pictures: Mapping[str, Tensor], look: Look | None
) -> str:
    """A gallery of samples; one without a picture has its id."""
    return gallery(_figure(predictions, row, pictures.get(predictions.ids[row]), look) for row in rows)


def find_pictures(shards: ShardSet, split: str, ids: set[str]) -> dict[str, Tensor]:
    """The decoded pictures of the samples with these ids, as far as the split has them."""
    found: dict[str, Tensor] = {}
    for place, record in enumerate(shards.records(split)):
        if record["id"] in ids:
            found[record["id"]] = decode(shards.read(split, place)[1])
            if len(found) == len(ids):
                break
    return found


def _apart(predictions: Predictions, order: list[int], count: int) -> list[int]:
    firsts: dict[str, int] = {}
    for row in order:
        firsts.setdefault(predictions.groups[row], row)
        if len(firsts) == count:
            break
    return list(firsts.values())


def _figure(predictions: Predictions, row: int, picture: Tensor | None, look: Look | None) -> tuple[str, ...]:
    name = predictions.ids[row]
    shown = f"<code>{escape(name)}</code>"
    if picture is not None:
        shown = thumbnail(picture, name) + (thumbnail(look(picture), f"{name}, looked at") if look else "")
    return shown, *_caption(predictions, row)


def _caption(predictions: Predictions, row: int) -> list[str]:
    names, target, said = predictions.classes, predictions.targets[row].double(), predictions.said[row]
    if predictions.kind == "single":
        guess, label = int(said.argmax()), int(target.argmax())
        lines = [f"said <b>{escape(names[guess])}</b> {share(float(said[guess]))}"]
        if guess != label:
            lines.append(f"true <b>{escape(names[label])}</b> {share(float(said[label]))}")
        return lines
    error = float(errors(_only(predictions, row))[0])
    if predictions.kind == "distribution":
        order = (
            torch.maximum(target, said).argsort(descending=True, stable=True)[:SHOWN_CLASSES].sort().values
        )
        kept = [names[place] for place in order.tolist()]
        return [
            f"KL {number(error)}" + bar_pairs(kept, target[order].tolist(), said[order].tolist(), tiny=True)
        ]
    if predictions.kind == "multilabel":
        there = _listed(names, said, (target > 0).nonzero().flatten())
        alone = _listed(names, said, ((said > 0.5) & (target == 0)).nonzero().flatten())
        return [f"true: {there}", f"said besides: {alone}", f"cross-entropy {number(error)}"]
    return ["".join(_axis(name, float(t), float(s)) for name, t, s in zip(names, target, said))]


def _only(predictions: Predictions, row: int) -> Predictions:
    place = slice(row, row + 1)
    return Predictions(
        predictions.kind,
        predictions.space,
        predictions.classes,
        predictions.ids[place],
        predictions.groups[place],
        predictions.outputs[place],
        predictions.targets[place],
    )


def _listed(names: tuple[str, ...], said: Tensor, places: Tensor) -> str:
    """Classes with their probabilities, the likeliest first; those that are said in bold."""
    order = sorted(places.tolist(), key=lambda place: -float(said[place]))
    words = [
        f"<b>{escape(names[place])}</b> {share(float(said[place]))}"
        if said[place] > 0.5
        else f"{escape(names[place])} {share(float(said[place]))}"
        for place in order[:SHOWN_CLASSES]
    ]
    more = f" and {len(order) - SHOWN_CLASSES} more" if len(order) > SHOWN_CLASSES else ""
    return ", ".join(words) + more if words else "none"


def _axis(name: str, true: float, said: float) -> str:
    known = true if true == true else None
    true_text = "not known" if known is None else number(known, 2, signed=True)
    text = f"{name} {true_text}, said {number(said, 2, signed=True)}"
    return escape(text) + value_mark(known, said, text)
