"""One set of test predictions as a page: scores, classes, calibration, and the samples to look at."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import torch

from ...datasets.stream import ShardSet
from ..predictions import Predictions
from ..scoring import calibration, details, direction, flat_scores
from .diagrams import bar_pairs, confusion_table, reliability_diagram
from .document import NOTHING, bar, number, section, share, table, write_document
from .examples import Look, best_and_worst, examples, find_pictures
from .wording import PERCEIVED, score_name

EXAMPLES = 12  # in each of the two galleries
VALUE_BINS = 10  # of [−1, 1], in the histogram of an axis
KEY = (
    '<p class="note"><span class="key"><i></i>true</span>'
    '<span class="key"><i class="said"></i>said</span></p>'
)


def write_run_page(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    test: Predictions,
    validation: Predictions | None,
    shards: ShardSet | None,
    split: str,
    overlays: Look | None = None,
) -> None:
    """Write one HTML file about `test`; pictures are inside it.

    Args:
        facts: what to say of the run above its scores, name → text.
        validation: chooses the temperature; without it calibration is shown as it is.
        shards: where the pictures of `split` are found by id; None: examples have ids, but no pictures.
        overlays: picture → picture, shown beside each example (see `attention.looking`).
    """
    groups = len(set(test.groups))
    lead = f"{len(test):,} test samples in {groups:,} groups · {len(test.classes)} "
    lead += "axes" if test.kind == "vad" else f"classes ({escape(test.space or test.kind)})"
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    body = f'<dl class="facts">{rows}</dl>' if rows else ""
    if len(test) == 0:
        body += '<ul class="findings"><li class="look">No sample of the test split has a target.</li></ul>'
    else:
        found = details(test)
        body += section("Scores", _scores(test))
        heading = "By axis" if test.kind == "vad" else "By class"
        body += section(heading, _beside(_by_class(test, found["by_class"]), _histograms(test, found)))
        if "confusion" in found:
            valence = _valence(found["valence"], test.space)
            matrix = confusion_table(test.classes, found["confusion"])
            body += section("What is taken for what", _beside(matrix, valence))
        body += section("Calibration", _calibration(test, validation))
        body += _examples(test, shards, split, overlays)
    write_document(path, title, lead, body, PERCEIVED)


def _beside(*parts: str) -> str:
    return f'<div class="side">{"".join(f"<div>{part}</div>" for part in parts if part)}</div>'


def _scores(test: Predictions) -> str:
    boxes = [
        f"<div><b>{number(value)}</b><span>{score_name(name)} {'↓' if direction(name) == 'lowest' else '↑'}"
        "</span></div>"
        for name, value in flat_scores(test).items()
    ]
    return f'<div class="tiles">{"".join(boxes)}</div>'


def _by_class(test: Predictions, found: dict[str, dict[str, Any]]) -> str:
    first = next(iter(found.values()), {})
    rows = [
        (
            name,
            *(
                bar(100 * value, number(value))
                if key in ("f1", "average_precision") and value is not None
                else int(value)
                if key in ("support", "samples", "count") and value is not None
                else value
                for key, value in row.items()
            ),
        )
        for name, row in found.items()
    ]
    return table(("axis" if test.kind == "vad" else "class", *map(score_name, first)), rows)


def _valence(found: dict[str, Any] | None, space: str | None) -> str:
    if found is None:
        return ""
    if not found["judged"]:
        return f"<p>None of {found['errors']:,} errors is between two classes that have a valence.</p>"
    line = (
        f"<p><b>{share(found['within'])}</b> of {found['judged']:,} errors keep the valence: the wrong "
        "emotion, but positive for positive or negative for negative "
        f"({share(found['within_positive'])} on positive images, {share(found['within_negative'])} on "
        "negative ones). The valence itself is right on "
        f"{share(found['polarity_accuracy'], 1)} of the images that have one.</p>"
    )
    if left := found["errors"] - found["judged"]:
        line += (
            f'<p class="note">{left:,} further errors involve a class of {escape(space or "")} '
            "that is neither positive nor negative.</p>"
        )
    return line


def _histograms(test: Predictions, found: dict[str, Any]) -> str:
    if test.kind == "single":
        histogram = found["histogram"]
        note = (
            f'<p class="note">At least {share(histogram["total_variation"], 1)} of the predictions would '
            "have to change for both histograms to be equal (total variation).</p>"
        )
        return KEY + bar_pairs(test.classes, histogram["true"], histogram["predicted"]) + note
    targets, said = test.targets.double(), test.said
    if test.kind == "distribution":
        note = '<p class="note">Mean shares over the test samples.</p>'
        return KEY + bar_pairs(test.classes, targets.mean(0).tolist(), said.mean(0).tolist()) + note
    if test.kind == "multilabel":
        note = '<p class="note">Share of the test samples that have the class; said: above one half.</p>'
        counts = (said > 0.5).double().mean(0).tolist()
        return KEY + bar_pairs(test.classes, targets.mean(0).tolist(), counts) + note
    edges = torch.linspace(-1, 1, VALUE_BINS + 1, dtype=torch.float64)
    names = [
        f"{number(low, 1)} to {number(high, 1)}" for low, high in zip(edges[:-1].tolist(), edges[1:].tolist())
    ]
    parts = []
    for axis, name in enumerate(test.classes):
        known = targets[:, axis].isfinite()
        true, guessed = (_histogram(values[known, axis], edges) for values in (targets, said))
        pairs = bar_pairs(names, true, guessed)
        parts.append(f"<div><h3>{escape(name)}</h3>{pairs}</div>")
    return KEY + f'<div class="side">{"".join(parts)}</div>'


def _histogram(values: torch.Tensor, edges: torch.Tensor) -> list[float]:
    """Shares of the values in each bin; what lies outside of the edges counts in the outermost bins."""
    place = torch.bucketize(values.contiguous(), edges[1:-1])
    return (torch.bincount(place, minlength=len(edges) - 1) / max(1, len(values))).tolist()


def _calibration(test: Predictions, validation: Predictions | None) -> str:
    found = calibration(test, validation)
    note = "Right means the share of people who say so too. " if test.kind == "distribution" else ""
    if found is not None and validation is not None and "temperature" in found:
        temperature = found["temperature"]
        chosen = f"{temperature['value']:.3f}, chosen on {len(validation):,} validation samples"
        note += (
            f"Temperature {chosen}. Above 1: the model was too sure."
            if temperature["identified"]
            else f"No temperature is best on the {len(validation):,} validation samples: none is applied."
        )
    else:
        note += "No validation samples to choose a temperature on."
    return calibrated(found, note)


def calibrated(found: Mapping[str, Any] | None, note: str = "") -> str:
    """What `scoring.calibration` found as a diagram and a table; "" where it found nothing."""
    if found is None:
        return ""
    before, after = found["before"], found.get("after")
    rows = [
        (score_name(name), before[name], *([after[name]] if after else []))
        for name in ("ece", "classwise_ece", "nll", "brier")
    ]
    head = ("", "before", "after temperature") if after else ("", "as it is")
    diagram = reliability_diagram(before["bins"], after["bins"] if after else None)
    legend = '<p class="note"><span class="key"><i></i>before</span>'
    legend += '<span class="key"><i class="said"></i>after temperature</span></p>' if after else "</p>"
    below = f'<p class="note">{note}</p>' if note else ""
    return f'<div class="side"><div>{diagram}{legend}</div><div>{table(head, rows)}{below}</div></div>'


def _examples(test: Predictions, shards: ShardSet | None, split: str, look: Look | None) -> str:
    chosen = best_and_worst(test, EXAMPLES)
    ids = {test.ids[row] for rows in chosen.values() for row in rows}
    pictures = find_pictures(shards, split, ids) if shards is not None else {}
    parts = [section(heading, examples(test, rows, pictures, look)) for heading, rows in chosen.items()]
    if shards is not None and (lost := len(ids) - len(pictures)):
        parts.append(f'<p class="note">{lost} of these samples are not in the shards any more.</p>')
    return "".join(parts) or NOTHING
