"""`vemo audit`: groups, calibration, abstention, robustness; one JSON and one page."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...datasets.stream import ShardSet
from ...foundation.errors import UserError
from ...foundation.files import write_json
from ..predictions import Predictions, load_predictions, save_predictions
from ..scoring import calibration
from .attributes import Values, open_records, read_attributes
from .compare import Compared, compare, enough
from .config import ModelAuditConfig
from .findings import findings
from .gaps import CLASS_MIX, CLASS_RECALL
from .groups import FEWEST_DATASET_GROUPS, partitions
from .measures import Said, overall, summary
from .page import write_page
from .robustness import Loading, Subject, pictures, robustness

LoadModel = Callable[[Path, str | None, str], Subject]
"""(folder, head or None, device) → a model to audit."""


def audit(config: ModelAuditConfig, load_model: LoadModel) -> dict[str, Any]:
    """Audit predictions, a model, or both; writes audit.json and index.html, returns the JSON's content.

    Raises UserError for missing or damaged files, attributes that nobody gave, and predictions that are
    neither of one class nor of a distribution.
    """
    subject = loading = clean = sturdy = None
    test = _predictions(config.predictions)
    if config.robustness and config.checkpoint is not None and config.shards is not None:
        subject = load_model(config.checkpoint, config.head, config.device)
        _refuse_kind(subject.kind, str(config.checkpoint))
        shards = ShardSet(config.shards, spaces=config.spaces)
        loading = Loading(
            shards, config.split, config.batch_size, config.workers, config.samples, config.seed
        )
        clean, sturdy = robustness(
            subject,
            loading,
            config.corruptions,
            config.severities,
            config.resamples,
            config.folder / "robustness",
        )
        save_predictions(config.folder / "robustness" / "clean.safetensors", clean)
    test = test or clean
    if test is None or len(test) == 0:
        raise UserError(f"{config.predictions}: holds no sample with a target, so there is nothing to audit")
    said = Said(test, _predictions(config.validation))
    report = audited(config, said, _values(config, test)) | {"robustness": sturdy}
    report["findings"] = [{"kind": kind, "text": text} for kind, text in findings(report)]
    write_json(config.folder / "audit.json", report)
    shown = pictures(subject, loading, config.corruptions) if subject and loading else []
    write_page(config.folder / "index.html", report, shown)
    return report


def audited(config: ModelAuditConfig, said: Said, values: Values) -> dict[str, Any]:
    """All that is said of predictions, JSON-able; `values` as of `read_attributes`, {} for no groups."""
    test = said.predictions
    parted = partitions(values, said.units, config.minimum, config.intersections) if values else []
    drawn = max(config.permutations, enough(parted, config.level))
    compared = compare(said.samples, parted, config.level, config.resamples, drawn, config.seed)
    return {
        "format": 1,
        "vemo": __version__,
        "date": datetime.date.today().isoformat(),
        "predictions": str(config.predictions or config.checkpoint),
        "kind": test.kind,
        "space": test.space,
        "classes": list(test.classes),
        "samples": len(test),
        "dataset_groups": len(set(test.groups)),
        "score": said.score,
        "attributes": list(values),
        "annotated_by": config.annotated_by,
        "attributes_from": str(config.table or config.shards) if values else None,
        "threshold": config.threshold,
        "minimum": config.minimum,
        "fewest_dataset_groups": FEWEST_DATASET_GROUPS,
        "fewest_of_a_class": {"standardised": CLASS_MIX, "by_class": CLASS_RECALL},
        "level": config.level,
        "tests": sum(len(each.tested) for each in compared),
        "resamples": config.resamples,
        "permutations": drawn,
        "seed": config.seed,
        "overall": overall(said, config.threshold, config.resamples, config.seed),
        "calibration": calibration(test, said.validation),
        "partitions": [_partition(config, said, each) for each in compared],
    }


def _partition(config: ModelAuditConfig, said: Said, compared: Compared) -> dict[str, Any]:
    partition = compared.partition

    def describe(rows: torch.Tensor) -> dict[str, Any]:
        return said.describe(rows, config.threshold, config.resamples, config.seed)

    groups, curves = [], {}
    for number, name in enumerate(partition.names):
        rows = (partition.number == number).nonzero().flatten()
        groups.append({"name": name, **describe(rows)})
        if len(partition.attributes) == 1:
            curves[name] = said.abstention(rows)
    unknown = (~partition.known).nonzero().flatten()
    return {
        "name": partition.name,
        "attributes": list(partition.attributes),
        "groups": groups,
        "too_small": [{"name": name, **asdict(size)} for name, size in partition.too_small.items()],
        "not_known": {"samples": 0} if len(unknown) == 0 else describe(unknown),
        "summary": summary(partition, groups, said),
        "abstention": curves,
        "gaps": [
            {
                "measure": each.gap.question.measure,
                "group": _name_of(partition.names, each.gap.question.group),
                **{name: _number(getattr(each.gap, name)) for name in ("value", "low", "high")},
                "p": each.gap.p,
                "by_chance": each.gap.by_chance,
                "p_holm": each.p_holm,
                "found": each.found,
                "mix": each.gap.mix,
            }
            for each in compared.tested
        ],
        "verdicts": [
            {"group": _name_of(partition.names, group), "verdict": compared.verdict(group)}
            for group in compared.asked
        ],
    }


def _name_of(names: Sequence[str], group: int | None) -> str | None:
    return None if group is None else names[group]


def _number(value: float) -> float | None:
    return None if value != value else value


def _values(config: ModelAuditConfig, test: Predictions) -> Values:
    if not config.attributes:
        return {}
    shards = config.shards if config.table is None else None
    records, where = open_records(shards, config.split, config.sidecars)
    return read_attributes(config.attributes, test.ids, config.table, records, config.bins, where)


def _predictions(path: Path | None) -> Predictions | None:
    if path is None:
        return None
    found = load_predictions(path)
    _refuse_kind(found.kind, str(path))
    return found


def _refuse_kind(kind: str, where: str) -> None:
    if kind not in ("single", "distribution"):
        raise UserError(
            f"{where}: predictions of the kind {kind}; an audit takes those of one class or of a distribution"
        )
