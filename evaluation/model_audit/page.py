"""The audit of a model as one HTML file: findings first, then what they are made of."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from ..reports.document import number, section, table, write_document
from ..reports.run_page import calibrated
from ..reports.wording import PERCEIVED, score_name
from .charts import Line, line_chart, share_ticks
from .page_groups import group_rows, partition_section
from .page_robustness import robustness_content

WHOSE = (
    "The attributes are annotations by {who}, often guesses from looks: not what these people say of "
    "themselves. They are used for this comparison and for nothing else. This audit must not be used to "
    "infer or record anyone's attributes, to treat people by them, to choose training samples, or to claim "
    "that a model is fair: what is not found may still be there, and groups that nobody annotated were not "
    "looked at."
)
SOFT_NAMES = {"entropy_spearman": "Spearman, of the entropies"}
RULED_OUT = (
    f"{PERCEIVED} In the European Union, inferring emotions of people at work or in education is forbidden "
    "except for medical or safety reasons (AI Act, Art. 5(1)(f))."
)


def write_page(path: Path, report: dict[str, Any], shown: Sequence[tuple[str, Tensor]]) -> None:
    """Write the page of a report of `audit`. `shown`: one sample as it is and corrupted, with names."""
    said = "".join(f'<li class="{each["kind"]}">{escape(each["text"])}</li>' for each in report["findings"])
    body = f'<ul class="findings">{said}</ul>'
    if report["partitions"]:
        who = report["annotated_by"] or "others"
        body += f"<p>{escape(WHOSE.format(who=who))}</p>"
    body += section("All samples", _overall(report), report["samples"])
    body += "".join(partition_section(report, each) for each in report["partitions"])
    body += section("Calibration", calibrated(report["calibration"]))
    body += section("Abstention", _abstention(report))
    body += section("Corrupted images", robustness_content(report["robustness"], shown))
    body += section("How this was tested", _method(report))
    lead = f"{report['samples']:,} samples in {report['dataset_groups']:,} dataset groups · "
    lead += (
        f"{len(report['classes'])} classes ({escape(report['space'] or report['kind'])}) · {report['date']}"
    )
    lead += f"<br>{escape(report['predictions'])}"
    write_document(path, "Audit of a model", lead, body, f"vemo {report['vemo']}. {RULED_OUT}")


def _overall(report: dict[str, Any]) -> str:
    found = report["overall"]
    made = group_rows(report, [("all", found)])
    made += (
        '<p class="note">Below a score: its 95 % interval; below samples: dataset groups. '
        "− right: confidence minus how often it is right, "
        f"in points. ≥ {report['threshold']:g}: samples whose confidence reaches that threshold; right "
        "there: how often the model is right about these.</p>"
    )
    if soft := found["soft_labels"]:
        made += "<h3>Against people's shares</h3>"
        made += table(
            ("mean over the samples", ""),
            [(SOFT_NAMES.get(name) or score_name(name), value) for name, value in soft.items()],
        )
    return made


def _abstention(report: dict[str, Any]) -> str:
    whole = report["overall"]["abstention"]
    wrong = "wrong" if report["kind"] == "single" else "not what people say"
    alone = [each for each in report["partitions"] if len(each["attributes"]) == 1 and each["abstention"]]
    figures = [("All samples", [_curve("all", whole, plain=False)])]
    figures += [
        (
            partition["name"],
            [
                _curve("all", whole, plain=True),
                *(_curve(name, curve, plain=False) for name, curve in partition["abstention"].items()),
            ],
        )
        for partition in alone
    ]
    x_ticks = [(place / 4, f"{place / 4:.0%}") for place in range(5)]
    made = []
    for name, lines in figures:
        # The surest few are as good as chance makes them: they do not set the scale.
        most = max(y for line in lines for x, y in line.points if x >= 0.1)
        chart = line_chart(f"{name}: {wrong} by coverage", lines, x_ticks, share_ticks(0, most), "answered")
        caption = f"{escape(name)}: {wrong}, of what is answered"
        made.append(f"<figure><figcaption>{caption}</figcaption>{chart}</figure>")
    area = number(whole["aurc"])
    note = f"From the surest answers to all of them. Area under the curve of all samples: {area}."
    return f'<div class="charts">{"".join(made)}</div><p class="note">{note}</p>'


def _curve(name: str, curve: dict[str, Any], plain: bool) -> Line:
    """From a twentieth of the samples on: below that, the line is noise."""
    kept = [(x, y) for x, y in zip(curve["coverage"], curve["risk"]) if x >= 0.05]
    return Line(name, kept or [(1.0, curve["risk"][-1])], plain=plain)


def _method(report: dict[str, Any]) -> str:
    rows = [
        "Intervals: 95 % percentile bootstrap over dataset groups (subjects, videos, clusters of copies), "
        f"{report['resamples']:,} resamples; weights are held fixed. Of widest gaps, which are above 0 by "
        "chance alone, the bias that resampling adds is taken away."
    ]
    if report["partitions"]:
        few = report["fewest_of_a_class"]["standardised"]
        rows += [
            "Tests: the groups' names are permuted over dataset groups, "
            f"{report['permutations']:,} times from seed {report['seed']}; for gaps at the same class mix, "
            "and class by class, among dataset groups of the same class. Where a dataset group holds several "
            "groups, names move within it.",
            f"A finding has p ≤ {report['level']:g} after Holm's correction over all {report['tests']} "
            "tests: the chance of one false finding or more on this page is at most that.",
            "At the same class mix: class by class, group minus rest, weighted by how common the class is in "
            f"all samples; classes with fewer than {few} samples on either side are left out, and the share "
            "of the samples that remains is stated.",
        ]
    return "".join(f'<p class="note">{row}</p>' for row in rows)
