"""What is known beside the records: the audit's queue and copies, and what a model said."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..foundation.errors import UserError
from ..foundation.files import read_json_lines

if TYPE_CHECKING:
    from ..evaluation.predictions import Kind

# As `evaluation.audit` writes them; said again, because importing it brings torch, which nothing else needs.
REVIEW, DUPLICATES = "review.jsonl", "duplicates.jsonl"

Fields = dict[str, str]
"""Of the App: a field's dotted path → str, int, float, bool, list (of str), dict, classification,
classifications, detections or vector."""

logger = logging.getLogger(__name__)


class Predicted(NamedTuple):
    """One sample's row of a file of predictions: raw outputs and probabilities (or values), both [C]."""

    classes: tuple[str, ...]
    outputs: np.ndarray
    said: np.ndarray


@dataclass
class Findings:
    """By sample id: fields that need no more than to be written down, and what was predicted, by kind."""

    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    predicted: dict[str, dict["Kind", Predicted]] = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)

    def add(self, identifier: str, **values: Any) -> None:
        self.known.setdefault(identifier, {}).update(values)


def audit_files(folder: Path) -> list[Path]:
    """The audit's files that are shown, those that are there."""
    return [path for name in (REVIEW, DUPLICATES) if (path := folder / name).exists()]


def read_findings(audit: Path, predictions: tuple[Path, ...], space: str | None, shards: str) -> Findings:
    """Everything that is known of samples; an audit of other data or labels is shown with a warning.

    space: the label space that is shown. shards: the fingerprint of the shard set. Raises UserError:
    predictions that are missing, damaged, of other classes, or two for one sample.
    """
    found = Findings()
    if audit_files(audit):
        _warn_of_other_data(audit, space, shards)
        _read_queue(audit / REVIEW, found)
        _read_copies(audit / DUPLICATES, found)
    for path in predictions:
        _read_predictions(path, space, found)
    return found


def _warn_of_other_data(audit: Path, space: str | None, shards: str) -> None:
    try:
        report = json.loads((audit / "audit.json").read_bytes())
    except (OSError, ValueError):
        report = {}
    if report.get("fingerprint") != shards:
        logger.warning("%s: made of other shards or edits; `vemo shards audit` makes it again", audit)
    if report.get("label_space") != space:
        logger.warning("%s: its queue is of %s, shown is %s", audit, report.get("label_space"), space)


def _read_queue(path: Path, found: Findings) -> None:
    for line in read_json_lines(path):
        found.fields |= {"review_priority": "float", "review_why": "str", "looks_like": "str", "batch": "int"}
        known = {"looks_like": line.get("looks like"), "batch": line.get("batch")}
        found.add(line["id"], review_priority=line["priority"], review_why=line["why"], **known)


def _read_copies(path: Path, found: Findings) -> None:
    """Clusters get a number each; a cluster of near copies holds the identical ones, too, and wins."""
    lines = sorted(read_json_lines(path), key=lambda line: line["kind"] == "near")
    for number, line in enumerate(lines):
        found.fields |= {"copies": "str", "leak": "bool"}
        leak = len({each["split"] for each in line["samples"]}) > 1
        for each in line["samples"]:
            found.add(each["id"], copies=f"{line['kind']} {number:05d}", leak=leak)


def _read_predictions(path: Path, space: str | None, found: Findings) -> None:
    from ..evaluation.predictions import load_predictions

    predictions = load_predictions(path)
    if predictions.kind == "vad":
        found.fields |= {f"predicted_{axis}": "float" for axis in predictions.classes}
    elif predictions.space != space:
        raise UserError(f"{path}: predicts {predictions.space}, shown is {space}; give label_space")
    else:
        several = predictions.kind == "multilabel"
        found.fields["prediction"] = "classifications" if several else "classification"
    rows = zip(predictions.ids, predictions.outputs.numpy(), predictions.said.numpy())
    for identifier, outputs, said in rows:
        kinds = found.predicted.setdefault(identifier, {})
        if predictions.kind in kinds:
            raise UserError(f"{path}: predicts {identifier}, and so does another of the files")
        kinds[predictions.kind] = Predicted(predictions.classes, outputs, said)
