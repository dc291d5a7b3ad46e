"""Robustness on the page: curves by severity, what corruptions look like, all figures."""

from collections.abc import Sequence
from html import escape
from typing import Any

from torch import Tensor

from ..reports.document import Markup, gallery, share, table, thumbnail
from ..reports.wording import score_name
from .charts import Line, line_chart, number_ticks, share_ticks
from .corruptions import PARAMETERS
from .group_findings import amount, level
from .page_groups import cell


def robustness_content(found: dict[str, Any] | None, shown: Sequence[tuple[str, Tensor]]) -> str:
    """HTML of the report's `robustness`; "" where there is none. `shown` as in `write_page`."""
    if found is None:
        return ""
    report, score = {"score": found["score"]}, found["score"]
    kinds = list(dict.fromkeys(each["corruption"] for each in found["conditions"]))
    values = [found["clean"][score], *(each["scores"][score] for each in found["conditions"])]
    y_ticks = (
        share_ticks(min(values), max(values))
        if score == "accuracy"
        else number_ticks(min(values), max(values))
    )
    severities = sorted({each["severity"] for each in found["conditions"]})
    x_ticks = [(0.0, "none"), *((float(each), str(each)) for each in severities)]
    lines = []
    for kind in kinds:
        each = [one for one in found["conditions"] if one["corruption"] == kind]
        at = [(0.0, found["clean"][score]), *((float(one["severity"]), one["scores"][score]) for one in each)]
        titles = [f"{_kind(kind)} {x:.0f}: {level(report, y)}" for x, y in at]
        lines.append(Line(_kind(kind), at, titles))
    halves = [lines[: (len(lines) + 1) // 2], lines[(len(lines) + 1) // 2 :]]
    charts = "".join(
        "<figure><figcaption>"
        f"{'Accuracy' if score == 'accuracy' else 'KL'} by severity</figcaption>"
        f"{line_chart('by severity', half, x_ticks, y_ticks, 'severity', found['clean'][score])}</figure>"
        for half in halves
        if half
    )
    pictures = gallery((thumbnail(image, name), escape(_kind(name))) for name, image in shown)
    rows = [
        (
            _kind(each["corruption"]),
            each["severity"],
            f"{each['parameter']:g}",
            cell(level(report, each["scores"][score])),
            _change(report, each["change"][score]),
            *([cell(share(each["scores"]["uar"], 1))] if "uar" in each["scores"] else []),
            cell(share(each["scores"]["ece"], 1)),
            cell(share(each["scores"]["confidence"], 1)),
        )
        for each in found["conditions"]
    ]
    head = ["corruption", "severity", "parameter", score_name(score), "change"]
    head += [*(["UAR"] if "uar" in found["clean"] else []), "ECE", "confidence"]
    parameters = "; ".join(f"{_kind(kind)}: {PARAMETERS[kind][0]}" for kind in kinds)
    return (
        f"<p>{found['samples']:,} of {found['of']:,} samples of {escape(found['split'])}, each corrupted as "
        "the model sees it (after cropping and resizing). As they are: "
        f"{score_name(score)} {level(report, found['clean'][score])}, ECE "
        f"{share(found['clean']['ece'], 1)}.</p>"
        f'<div class="charts">{charts}</div>{pictures}'
        f'<p class="note">{"Pictures: severity 3. " if shown else ""}Parameters, our choice: '
        f"{escape(parameters)}.</p>"
        f"<details><summary>All figures</summary>{table(head, rows, grouped=True)}</details>"
    )


def _kind(name: str) -> str:
    return name.replace("_", " ").replace("jpeg", "JPEG")


def _change(report: dict[str, Any], found: dict[str, float]) -> Markup:
    value = amount(report, found["value"]).split(" ")[0]
    low, high = (amount(report, found[end]).split(" ")[0] for end in ("low", "high"))
    return cell(f'{value} <span class="spread">{low} … {high}</span>')
