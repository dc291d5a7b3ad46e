"""What qualifies the suite's tables: differences, curves, transfer, calibration, slices. Each as HTML."""

from collections.abc import Mapping
from html import escape
from typing import Any

from .diagrams import Point, few_shot_curve, interval_mark, transfer_table
from .document import NOTHING, Markup, number, scroll, table
from .suite_table import PARTED, Report, encoder_title, in_order, rows_of, tally, verdict
from .wording import chance, score_name

VERDICTS = {"ahead": "better", "behind": "worse", "undecided": "none"}  # the style's word for each
FROM = "from "  # a transfer row's variant: "from TASK"


def comparisons(report: Report) -> str:
    """The reference minus each other encoder, paired on the same test samples, by protocol."""
    reference = escape(encoder_title(report, report["reference"]))
    parts = []
    for protocol, settings in report["protocols"].items():
        found = in_order(report, report["comparisons"], protocol)
        if not found:
            continue
        made = _differences(report, found)
        if settings["kind"] in PARTED:
            parts.append(
                f"<h3>{escape(protocol)}</h3><details><summary>{len(found):,} comparisons</summary>"
                f"{made}</details>"
            )
        else:
            parts.append(f"<h3>{escape(protocol)}</h3>{_standing(report, protocol)}{made}")
    note = (
        f'<p class="note">{reference} minus each other encoder: the mean over seeds of the paired '
        "difference, its 95 % bootstrap interval over groups of test samples, and p after Holm's correction "
        "over the protocol's comparisons. McNemar: samples that only the one, or only the other, gets "
        "right.</p>"
    )
    return note + "".join(parts) if parts else ""


def _standing(report: Report, protocol: str) -> str:
    rows = "".join(
        f"<dt>against {escape(encoder_title(report, name))}</dt>"
        f"<dd>{' · '.join(_counted(word, count) for word, count in counts.items())}</dd>"
        for name, counts in tally(report, protocol).items()
    )
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def _counted(word: str, count: int) -> str:
    kind = VERDICTS[word] if count else "none"
    return f'<span class="{kind}">{word} on {count}</span>'


def _differences(report: Report, found: list[Mapping[str, Any]]) -> str:
    extents: dict[str, float] = {}
    for each in found:
        reach = max(abs(each["difference"]["low"]), abs(each["difference"]["high"]))
        extents[each["score"]] = max(extents.get(each["score"], 0.0), reach)
    rows = []
    for each in found:
        difference, kind = each["difference"], verdict(report, each)
        values = [number(difference[key], signed=True) for key in ("value", "low", "high")]
        title = f"{values[0]}, 95 % interval {values[1]} to {values[2]}"
        mark = interval_mark(difference, extents[each["score"]], VERDICTS[kind], title)
        task = report["tasks"][each["task"]]
        mcnemar = each["mcnemar"]
        paired = (
            f"{mcnemar['only_first']:,} / {mcnemar['only_second']:,}, p {chance(mcnemar['p_mid'])}"
            if mcnemar
            else NOTHING
        )
        name = f"{task['title']} {each['variant']}".strip()
        rows.append(
            (
                Markup(f"{escape(name)} <small>{score_name(each['score'])}</small>"),
                encoder_title(report, each["second"]),
                Markup(f'<td class="number">{values[0]}</td>'),
                Markup(f"<td>{mark}</td>"),
                f"[{values[1]}, {values[2]}]",
                NOTHING if each["p_holm"] is None else f"p {chance(each['p_holm'])}",
                paired,
                Markup(f'<td class="{VERDICTS[kind]}">{kind}</td>'),
            )
        )
    head = ("task", "against", "difference", "− 0 +", "95 % interval", "Holm", "McNemar", "reference is")
    return table(head, rows, grouped=True)


def few_shot(report: Report) -> str:
    """A curve for each task; to 100 % where a linear protocol of the same settings learnt from everything."""
    parts = []
    for protocol, settings in report["protocols"].items():
        if settings["kind"] != "few_shot":
            continue
        whole = _linear_alike(report, settings)
        figures = "".join(
            f"<figure><figcaption>{escape(task['title'])} <small class='spread'>{score_name(task['main'])}"
            f"{' ↓' if task['direction'] == 'lowest' else ''}</small></figcaption>{curve}</figure>"
            for name, task in report["tasks"].items()
            if (curve := _curves(report, name, task, protocol, whole))
        )
        if figures:
            note = "the linear probe on everything at 100 %; " if whole else ""
            parts.append(
                f'<p class="note">{escape(protocol)}: mean over seeds, each of which draws its own part; the '
                f"band spans the seeds; {note}dashed: majority.</p>"
                f'<div class="charts">{figures}</div>'
            )
    return "".join(parts)


def _linear_alike(report: Report, settings: Mapping[str, Any]) -> str | None:
    """The linear protocol that searches as `settings` does; None where the report does not say how."""
    search = settings.get("linear")
    return next(
        (
            name
            for name, each in report["protocols"].items()
            if search is not None and each["kind"] == "linear" and each.get("linear") == search
        ),
        None,
    )


def _curves(report: Report, name: str, task: Mapping[str, Any], protocol: str, whole: str | None) -> str:
    if task["state"] != "ready":
        return ""
    curves: dict[str, list[Point]] = {encoder: [] for encoder in report["encoders"]}
    for row in report["rows"]:
        if row["task"] != name or row["protocol"] not in (protocol, whole):
            continue
        score = row["scores"].get(task["main"])
        if score is not None and score["mean"] is not None:
            fraction = float(row["variant"]) if row["protocol"] == protocol else 1.0
            point = Point(fraction, score["mean"], min(score["each"]), max(score["each"]))
            curves.setdefault(row["encoder"], []).append(point)
    if all(point.fraction == 1.0 for points in curves.values() for point in points):
        return ""
    lines = [
        (encoder_title(report, encoder), sorted(points, key=lambda point: point.fraction))
        for encoder, points in curves.items()
    ]
    return few_shot_curve(lines, score_name(task["main"]), (task.get("majority") or {}).get(task["main"]))


def transfers(report: Report) -> str:
    """A matrix for each encoder: learnt from the row's task, tested on the column's."""
    parts = []
    for protocol, settings in report["protocols"].items():
        if settings["kind"] != "transfer":
            continue
        whole, rows = _linear_alike(report, settings), rows_of(report, protocol)
        colours = (
            "Colour: from none (no better than the majority) to full (as good as learning from the task "
            "itself, which is framed)."
            if whole
            else "No linear protocol with the same settings to compare with, so no colour."
        )
        made = [
            f"<div><h3>{escape(encoder_title(report, encoder))}</h3>{matrix}</div>"
            for encoder in report["encoders"]
            if (matrix := _matrix(report, encoder, rows, protocol, whole))
        ]
        if made:
            parts.append(
                f'<p class="note">{escape(protocol)}: a linear map learns from the row\'s training '
                "split, labels mapped, and is tested on the column's. Numbers are the column's main score. "
                f"{colours}</p>"
                f'<div class="side">{"".join(made)}</div>'
            )
    return "".join(parts)


def _matrix(
    report: Report, encoder: str, rows: list[Mapping[str, Any]], protocol: str, whole: str | None
) -> str:
    tasks = report["tasks"]
    values, titles = {}, {}
    for row in rows:
        if row["encoder"] == encoder:
            source, main = row["variant"].removeprefix(FROM), tasks[row["task"]]["main"]
            values[source, row["task"]] = row["scores"][main]["mean"]
    if not values:
        return ""
    targets = [name for name in tasks if any(target == name for _, target in values)]
    sources = [name for name in tasks if any(source == name for source, _ in values)]
    for row in report["rows"]:
        if (row["encoder"], row["protocol"]) == (encoder, whole) and row["task"] in targets:
            values.setdefault((row["task"], row["task"]), row["scores"][tasks[row["task"]]["main"]]["mean"])
    sources += [name for name in targets if (name, name) in values and name not in sources]
    for each in report["absent"]:
        if (each["encoder"], each["protocol"]) == (encoder, protocol):
            titles[each["variant"].removeprefix(FROM), each["task"]] = each["reason"]
    shades = {}
    for (source, target), value in values.items():
        main = tasks[target]["main"]
        floor, best = (tasks[target].get("majority") or {}).get(main), values.get((target, target))
        if floor is not None and best is not None and best != floor:
            shades[source, target] = (value - floor) / (best - floor)
        title = f"{score_name(main)} {number(value, 4)} on {tasks[target]['title']}"
        titles[source, target] = f"{title}, learnt from {tasks[source]['title']}"
    headings = {name: task["title"] for name, task in tasks.items()}
    return transfer_table(
        {name: headings[name] for name in sources},
        {name: headings[name] for name in targets},
        values,
        shades,
        titles,
    )


def calibrations(report: Report) -> str:
    """Calibration before and after the temperature, by protocol; variants are left to their own pages."""
    parts = []
    for protocol in report["protocols"]:
        rows = [
            (
                report["tasks"][row["task"]]["title"],
                encoder_title(report, row["encoder"]),
                *(
                    _before_after(row["calibration"], name)
                    for name in ("ece", "classwise_ece", "nll", "brier")
                ),
                row["calibration"].get("temperature"),
            )
            for row in rows_of(report, protocol)
            if row["calibration"] and not row["variant"]
        ]
        head = ("task", "encoder", "ECE", "classwise ECE", "NLL", "Brier score", "temperature")
        parts.append(f"<h3>{escape(protocol)}</h3>{table(head, rows, grouped=True)}" if rows else "")
    note = (
        '<p class="note">Means over seeds: as it is → after the temperature that the validation split '
        "chooses. All: lower is better; a temperature above 1: the model was too sure.</p>"
    )
    return note + "".join(parts) if any(parts) else ""


def _before_after(found: Mapping[str, Any], name: str) -> Markup:
    after = found.get("after")
    then = f" → {number(after[name])}" if after else ""
    return Markup(f'<td class="spaced">{number(found["before"][name])}<span>{then}</span></td>')


def slices(report: Report) -> str:
    """A score on parts of the test split and, beside it, on the rest, by protocol and task."""
    parts = []
    for protocol in report["protocols"]:
        rows = [row for row in rows_of(report, protocol) if row["slices"] and not row["variant"]]
        if not rows:
            continue
        encoders = [name for name in report["encoders"] if any(row["encoder"] == name for row in rows)]
        lines = []
        for task in dict.fromkeys(row["task"] for row in rows):
            lines += _slices_of(report, task, [row for row in rows if row["task"] == task], encoders)
        head = "".join(f"<th>{escape(encoder_title(report, name))}</th>" for name in encoders)
        made = f'<table class="results"><tr><th>slice</th><th>samples</th>{head}</tr>{"".join(lines)}</table>'
        parts.append(f"<h3>{escape(protocol)}</h3>{scroll(made)}")
    note = (
        '<p class="note">The score inside the slice and, small, on all other test samples; means over '
        "seeds. A dash: too few samples for a score.</p>"
    )
    return note + "".join(parts) if parts else ""


def _slices_of(report: Report, task: str, rows: list[Mapping[str, Any]], encoders: list[str]) -> list[str]:
    found = {(each["name"], row["encoder"]): each for row in rows for each in row["slices"]}
    about = report["tasks"][task]
    scores = {each.get("score", about["main"]): None for each in found.values()}
    lines = [
        f'<tr class="group"><td>{escape(about["title"])} '
        f'<span class="spread">{", ".join(map(score_name, scores))}</span></td>'
        f'<td colspan="{len(encoders) + 1}"></td></tr>'
    ]
    for name in dict.fromkeys(name for name, _ in found):
        samples = next(each["samples"] for (other, _), each in found.items() if other == name)
        cells = "".join(_inside_outside(found.get((name, encoder))) for encoder in encoders)
        lines.append(f'<tr><td>{escape(name)}</td><td class="none">{samples:,}</td>{cells}</tr>')
    return lines


def _inside_outside(each: Mapping[str, Any] | None) -> str:
    if each is None:
        return f'<td class="none">{NOTHING}</td>'
    rest = "" if each["outside"] is None else f' <span class="spread">else {number(each["outside"])}</span>'
    return f"<td>{number(each['inside'])}{rest}</td>"
