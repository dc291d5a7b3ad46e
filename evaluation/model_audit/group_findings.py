"""What is said of the groups of one partition, in sentences; of two groups from the side of the worse."""

from collections.abc import Iterator
from typing import Any

from ..reports.document import number, share
from ..reports.wording import chance

Finding = tuple[str, str]  # "bad" | "look" | "good", sentence
Report = dict[str, Any]


def group_findings(report: Report, partition: dict[str, Any]) -> Iterator[Finding]:
    """Sentences on a partition of a report of `audit`.

    Of an attribute one for every group that stands out, of two at once one for all of these: they mostly
    repeat what each attribute says by itself.
    """
    name, groups = partition["name"], partition["groups"]
    alone = len(partition["attributes"]) == 1
    yield from _left_out(report, partition, alone)
    if not partition["gaps"]:
        yield "look", f"{name}: nothing to compare, {len(groups)} group is large enough."
        return
    found = [
        *(_each_group(report, partition) if alone else _all_groups(report, partition)),
        *_sureness(report, partition, alone),
        *_by_class(report, partition),
    ]
    yield from found or [_nothing(report, partition)]


def _left_out(report: Report, partition: dict[str, Any], alone: bool) -> Iterator[Finding]:
    if small := partition["too_small"]:
        listed = ", ".join(f"{each['name']} ({each['samples']})" for each in small[:8])
        listed += f" and {len(small) - 8} more" if len(small) > 8 else ""
        yield (
            "look",
            f"{partition['name']}: too small to compare (fewer than {report['minimum']} samples or "
            f"{report['fewest_dataset_groups']} dataset groups): {listed}.",
        )
    if alone and (unknown := partition["not_known"]["samples"]):
        yield (
            "look",
            f"{partition['name']}: {unknown:,} of {report['samples']:,} samples "
            f"({share(unknown / report['samples'])}) have no value; no comparison includes them.",
        )


def _each_group(report: Report, partition: dict[str, Any]) -> Iterator[Finding]:
    verdicts = {each["group"]: each["verdict"] for each in partition["verdicts"]}
    one_stands_out = any(verdict != "none" for group, verdict in verdicts.items() if group is not None)
    for group, verdict in verdicts.items():
        if verdict == "none" or (group is None and one_stands_out):
            continue
        raw, equal = gap_of(partition, "raw", group), gap_of(partition, "standardised", group)
        shown, against = group, "the rest"
        if group is not None and len(partition["groups"]) == 2:
            shown, against, turned = _from_the_worse_side(report, partition, group, raw)
            raw, equal = (_negative(each) if turned and each else each for each in (raw, equal))
        kind = "bad" if _is_worse(report, raw, equal, verdict) and verdict != "class mix" else "look"
        subject = f"{partition['name']} {shown}" if shown else f"{partition['name']}, groups farthest apart"
        yield kind, f"{subject}: {_gap(report, partition, shown, against, raw, equal, verdict)}"


def _gap(
    report: Report,
    partition: dict[str, Any],
    group: str | None,
    against: str,
    raw: Any,
    equal: Any,
    verdict: str,
) -> str:
    if verdict == "hidden":
        return (
            f"{score_of(report)} differs by {_with_interval(report, equal)} at the same class mix; the plain "
            f"difference, {amount(report, raw['value'])}, hides it."
        )
    said = f"{_levels(report, partition, group, against, raw)}, {_with_interval(report, raw)}. "
    if equal is None:
        return f"{said}Too few samples of each class to tell whether the class mix explains it."
    left = _with_interval(report, equal)
    return (
        said
        + {
            "gap": f"At the same class mix it is {left}: the classes do not explain it.",
            "class mix": f"At the same class mix {left} is left: mostly, the groups' classes are of unequal "
            "difficulty.",
            "unsettled": f"At the same class mix {left} is left, which cannot be told from chance: whether "
            "the class mix explains it is open.",
        }[verdict]
    )


def _all_groups(report: Report, partition: dict[str, Any]) -> Iterator[Finding]:
    """Of two attributes at once: who is served worse than the rest, in one sentence."""
    worse, verdicts = [], {each["group"]: each["verdict"] for each in partition["verdicts"]}
    for group, verdict in verdicts.items():
        raw, equal = gap_of(partition, "raw", group), gap_of(partition, "standardised", group)
        if verdict in ("none", "class mix") or group is None or not _is_worse(report, raw, equal, verdict):
            continue
        shown = equal if verdict == "hidden" else raw
        text = f"{group} {_short(report, shown)}"
        if equal and verdict != "hidden":
            text += f", at the same class mix {amount(report, equal['value'])}"
            text += "" if equal["found"] else " (not to be told from chance)"
        worse.append(f"{text} (at the same class mix)" if verdict == "hidden" else text)
    if worse:
        yield (
            "bad",
            f"{partition['name']}: {score_of(report)} is worse than the rest's for {'; '.join(worse)}.",
        )
    elif any(verdict != "none" for verdict in verdicts.values()):
        yield (
            "look",
            f"{partition['name']}: groups differ, none is found to be worse than the rest; see below.",
        )


def _is_worse(report: Report, raw: Any, equal: Any, verdict: str) -> bool:
    """Of a gap (group minus rest, or a widest gap, which has a worse side by itself)."""
    gap = equal if verdict == "hidden" else raw
    if gap["group"] is None:
        return True
    return gap["value"] < 0 if report["score"] == "accuracy" else gap["value"] > 0


def _from_the_worse_side(
    report: Report, partition: dict[str, Any], group: str, raw: Any
) -> tuple[str, str, bool]:
    """(group to speak of, group it is compared with, whether the gap changes its sign) of two groups."""
    other = next(each["name"] for each in partition["groups"] if each["name"] != group)
    turned = not _is_worse(report, raw, None, "")
    return (other, group, True) if turned else (group, other, False)


def _negative(gap: dict[str, Any]) -> dict[str, Any]:
    low, high = (None if gap[end] is None else -gap[end] for end in ("high", "low"))
    return {**gap, "value": -gap["value"], "low": low, "high": high}


def _levels(report: Report, partition: dict[str, Any], group: str | None, against: str, raw: Any) -> str:
    if group is None:
        low, high = partition["summary"]["worst"], partition["summary"]["best"]
        return f"{score_of(report)} from {level(report, low)} to {level(report, high)}"
    own = next(each for each in partition["groups"] if each["name"] == group)[report["score"]]["value"]
    rest = level(report, own - raw["value"])
    return f"{score_of(report)} {level(report, own)} against {rest} of {against}"


def _with_interval(report: Report, gap: Any) -> str:
    low, high = (amount(report, gap[end]).split(" ")[0] for end in ("low", "high"))
    return f"{amount(report, gap['value'])} (95 % interval {low} to {high}; p {chance(gap['p_holm'])})"


def _short(report: Report, gap: Any) -> str:
    low, high = (amount(report, gap[end]).split(" ")[0] for end in ("low", "high"))
    return f"{amount(report, gap['value'])} ({low} to {high})"


def _sureness(report: Report, partition: dict[str, Any], alone: bool) -> Iterator[Finding]:
    """Groups of which the model is too sure, compared with others; of two, the one of which more."""
    pair = len(partition["groups"]) == 2
    surer = []
    for gap in partition["gaps"]:
        if gap["measure"] != "sureness" or not gap["found"] or gap["group"] is None:
            continue
        group = gap["group"]
        if pair and gap["value"] < 0:
            group = next(each["name"] for each in partition["groups"] if each["name"] != group)
            gap = _negative(gap)
        if gap["value"] > 0:
            low, high = (number(100 * gap[end], 1, True) for end in ("low", "high"))
            surer.append(f"{group} ({points(gap['value'])}, {low} to {high})")
    if surer:
        than = "the other group" if pair else "the rest"
        right = "accuracy" if report["kind"] == "single" else "agreement"
        yield (
            "bad" if alone else "look",
            f"{partition['name']}: compared with {than}, confidence minus {right} is greater for "
            f"{'; '.join(surer)}: one threshold does not mean the same for all.",
        )


def _by_class(report: Report, partition: dict[str, Any]) -> Iterator[Finding]:
    gap = gap_of(partition, "by_class", None)
    if gap is None or not gap["found"]:
        return
    name, low, high = _widest_class(report, partition)
    what = "recall" if report["score"] == "accuracy" else "KL"
    yield (
        "bad",
        f"{partition['name']}: {what} of the same class differs between groups, by "
        f"{amount(report, gap['value'], signed=False)} on average over the classes "
        f"({amount(report, gap['by_chance'], signed=False)} by chance; p {chance(gap['p_holm'])}); "
        f"most for {name}: {level(report, low)} to {level(report, high)}.",
    )


def _widest_class(report: Report, partition: dict[str, Any]) -> tuple[str, float, float]:
    spans = []
    for place, name in enumerate(report["classes"]):
        values = [each["by_class"][place] for each in partition["groups"]]
        values = [value for value in values if value is not None]
        if len(values) > 1:
            spans.append((max(values) - min(values), name, min(values), max(values)))
    return max(spans)[1:]


def _nothing(report: Report, partition: dict[str, Any]) -> Finding:
    """Nothing found is not nothing there: how wide a gap the data would still allow."""
    raw = [each for each in partition["gaps"] if each["measure"] == "raw" and each["group"] is not None]
    ends = [abs(each[end]) for each in raw for end in ("low", "high") if each[end] is not None]
    most = amount(report, max(ends, default=None), signed=False)
    return (
        "good",
        f"{partition['name']}: no difference between its {len(partition['groups'])} groups can be told from "
        f"chance; gaps in {score_of(report)} of up to {most} would still fit the data.",
    )


def gap_of(partition: dict[str, Any], measure: str, group: str | None) -> dict[str, Any] | None:
    """A gap of a partition of the report; None where it was not tested."""
    wanted = (measure, group)
    return next((each for each in partition["gaps"] if (each["measure"], each["group"]) == wanted), None)


def amount(report: Report, value: float | None, signed: bool = True) -> str:
    """A difference of the report's score: percentage points of accuracy, or nats of KL."""
    if report["score"] == "accuracy":
        return points(value, signed)
    return f"{number(value, 3, signed)} nats"


def points(value: float | None, signed: bool = True) -> str:
    """A difference of shares in percentage points."""
    return f"{number(None if value is None else 100 * value, 1, signed)} points"


def level(report: Report, value: float | None) -> str:
    """A value of the report's score: accuracy in per cent, KL in nats."""
    return share(value, 1) if report["score"] == "accuracy" else number(value)


def score_of(report: Report) -> str:
    """The report's score in words."""
    return "accuracy" if report["score"] == "accuracy" else "KL"
