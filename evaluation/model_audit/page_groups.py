"""The groups of one attribute, or of two, on the page: scores, gaps, class mixes."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ..reports.diagrams import interval_mark
from ..reports.document import NOTHING, Markup, number, scroll, section, share, table
from ..reports.wording import chance, score_name
from .group_findings import amount, gap_of, level, points, score_of

VERDICTS = {
    "gap": ("gap", "found, and found at the same class mix"),
    "class mix": ("class mix", "found, but at the same class mix not, and less than half as wide"),
    "unsettled": ("open", "found; whether the class mix explains it cannot be told"),
    "hidden": ("hidden", "found at the same class mix only"),
    "none": ("not found", "cannot be told from chance"),
}


def group_rows(report: dict[str, Any], rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """A table with a row for each (name, what `Said.describe` says of it)."""
    scores = ("accuracy", "uar", "macro_f1") if report["kind"] == "single" else ("kl",)
    head = ["", "samples", *map(score_name, scores), "ECE", "confidence", "− right"]
    head += [f"≥ {report['threshold']:g}", "right there"]
    return table(
        head,
        [
            (
                name,
                cell(f'{each["samples"]:,}<br><span class="spread">{each["dataset_groups"]:,} groups</span>'),
                *(_range(report, each[score]) for score in scores),
                cell(share(each["ece"], 1)),
                cell(share(each["confidence"], 1)),
                cell(number(100 * (each["confidence"] - each["right"]), 1, signed=True)),
                cell(share(each["answered"])),
                cell(share(each["right_where_answered"], 1)),
            )
            for name, each in rows
        ],
        grouped=True,
    )


def partition_section(report: dict[str, Any], partition: dict[str, Any]) -> str:
    """The section of one partition of the report."""
    rows = [(each["name"], each) for each in partition["groups"]]
    alone = len(partition["attributes"]) == 1
    if alone and partition["not_known"]["samples"]:
        rows.append(("not known", partition["not_known"]))
    made = group_rows(report, rows) + _too_small(report, partition) + _gaps(report, partition)
    if partition["groups"]:
        details = _classes(report, partition) + _summary(report, partition)
        made += details if alone else f"<details><summary>Class by class</summary>{details}</details>"
    return section(partition["name"], made, name=partition["name"].replace(" ", ""))


def _too_small(report: dict[str, Any], partition: dict[str, Any]) -> str:
    if not partition["too_small"]:
        return ""
    listed = ", ".join(
        f"{escape(each['name'])} ({each['samples']} samples, {each['dataset_groups']} dataset groups)"
        for each in partition["too_small"]
    )
    return (
        f'<p class="note">Too small to compare, fewer than {report["minimum"]} samples or '
        f"{report['fewest_dataset_groups']} dataset groups: {listed}.</p>"
    )


def _gaps(report: dict[str, Any], partition: dict[str, Any]) -> str:
    if not partition["gaps"]:
        return '<p class="note">Nothing to compare.</p>'
    rows = []
    for each in partition["verdicts"]:
        group, (verdict, title) = each["group"], VERDICTS[each["verdict"]]
        name = escape(_asked(partition, group))
        cells: list[Any] = [Markup(f'{name}<br><span class="spread" title="{title}">{verdict}</span>')]
        for measure in ("raw", "standardised", "sureness"):
            cells += _gap(report, partition, measure, group)
        rows.append(cells)
    score = score_of(report)
    head = ["", f"gap in {score}", "", "same class mix", "", "sureness", ""]
    note = (
        f"Group minus rest{', in points' if score == 'accuracy' else ''}; left of the line is "
        f"{'worse' if score == 'accuracy' else 'better'}. Sureness: confidence minus how often it is "
        "right, in points; right of the line is surer. Bars are 95 % intervals, each by itself; p is Holm's, "
        f"over all {report['tests']} tests of this page. "
    )
    if any(each["mix"] < 0.995 for each in partition["gaps"]):
        note += "A share beside p: of the samples, those of classes that both sides have enough of. "
    said = {each["verdict"] for each in partition["verdicts"]} - {"none"}
    note += " ".join(f"<b>{VERDICTS[each][0]}</b>: {VERDICTS[each][1]}." for each in VERDICTS if each in said)
    by_class = gap_of(partition, "by_class", None)
    if by_class is not None:
        note += (
            f" The same class between groups: {amount(report, by_class['value'], signed=False)} apart on "
            f"average over the classes ({amount(report, by_class['by_chance'], signed=False)} by chance, p "
            f"{chance(by_class['p_holm'])})."
        )
    return table(head, rows, grouped=True) + f'<p class="note">{note}</p>'


def _asked(partition: dict[str, Any], group: str | None) -> str:
    if group is None:
        return "widest gap"
    others = [each["name"] for each in partition["groups"] if each["name"] != group]
    return f"{group} − {others[0]}" if len(others) == 1 else group


def _gap(report: dict[str, Any], partition: dict[str, Any], measure: str, group: str | None) -> list[Any]:
    """Two cells: the number with its p, and its interval on the scale of its column."""
    gap = gap_of(partition, measure, group)
    if gap is None:
        return [None, None]
    alike = [each for each in partition["gaps"] if (each["measure"] == "sureness") == (measure == "sureness")]
    ends = [abs(each[end]) for each in alike for end in ("low", "high") if each[end] is not None]
    value = points(gap["value"]) if measure == "sureness" else amount(report, gap["value"])
    title = f"{value}; p {chance(gap['p'])} before Holm"
    below = f"p {chance(gap['p_holm'])}"
    if gap["mix"] < 0.995:
        below += f" · {share(gap['mix'])}"
        title += "; the other samples are of classes that are too few on one side"
    mark = interval_mark(gap, max(ends), _colour(report, gap), title) if gap["low"] is not None else ""
    text = value.replace(" points", "").replace(" nats", "")
    return [cell(f'{text}<br><span class="spread">{below}</span>'), Markup(f"<td>{mark}</td>")]


def _colour(report: dict[str, Any], gap: dict[str, Any]) -> str:
    """Of what is found; a widest gap has a worse side by itself."""
    if not gap["found"]:
        return "none"
    rises_for_the_better = gap["measure"] != "sureness" and report["score"] == "accuracy"
    better = gap["group"] is not None and (gap["value"] > 0) == rises_for_the_better
    return "better" if better else "worse"


def _classes(report: dict[str, Any], partition: dict[str, Any]) -> str:
    what = "Recall" if report["score"] == "accuracy" else "KL"
    by_class = [(each["name"], each["by_class"], each["support"]) for each in partition["groups"]]
    mixes = [(each["name"], each["class_mix"], each["support"]) for each in partition["groups"]]
    few = report["fewest_of_a_class"]["by_class"]
    note = f"A gap may be that of the classes. {what} of fewer than {few} samples is not shown."
    left = _heat(report["classes"], mixes, shares=True)
    right = _heat(report["classes"], by_class, shares=what == "Recall")
    return (
        f'<div class="side"><div><h3>How common each class is</h3>{left}</div>'
        f"<div><h3>{what} by class</h3>{right}</div></div>"
        f'<p class="note">{note}</p>'
    )


def _heat(
    classes: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None], Sequence[int]]],
    shares: bool,
) -> str:
    """Groups × classes; shaded by value, relative to the greatest. Counts under the pointer."""
    most = max((value for _, values, _ in rows for value in values if value is not None), default=1.0) or 1.0
    head = "".join(f'<th class="top"><span>{escape(name)}</span></th>' for name in classes)
    made = []
    for name, values, counts in rows:
        cells = []
        for value, count in zip(values, counts):
            text = NOTHING if value is None else f"{100 * value:.0f}" if shares else number(value, 2)
            kind = "empty" if value is None else ""
            shade = 0.0 if value is None else value / most
            cells.append(f'<td class="{kind}" style="--h:{shade:.3f}" title="{count:,} samples">{text}</td>')
        made.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    corner = "per cent" if shares else "nats"
    return scroll(f'<table class="heat"><tr><th>{corner}</th>{head}</tr>{"".join(made)}</table>')


def _summary(report: dict[str, Any], partition: dict[str, Any]) -> str:
    found = partition["summary"]
    parts = [
        f"Worst group {level(report, found['worst'])}, best {level(report, found['best'])}",
        "statistical parity (how unequally often a class is said, mean over classes) "
        f"{points(found['parity'], False)}",
        f"Cramér's V of group and class {number(found['cramers_v'], 2)}",
    ]
    if "group_averaged_macro_f1" in found:
        parts.insert(1, f"group-averaged macro-F1 {number(found['group_averaged_macro_f1'])}")
    return f'<p class="note">{"; ".join(parts)}.</p>'


def cell(text: str) -> Markup:
    """Text (HTML) at the right of its column."""
    return Markup(f'<td class="number">{text}</td>')


def _range(report: dict[str, Any], found: dict[str, float] | None) -> Markup:
    if found is None:
        return Markup(NOTHING)
    low, high = (level(report, found[end]) for end in ("low", "high"))
    return cell(f'{level(report, found["value"])}<br><span class="spread">{low} … {high}</span>')
