"""What the report says in sentences, the worst first: what a person reads before any table."""

from collections.abc import Iterator
from typing import Any

from ..reports.document import number, share
from .group_findings import Finding, amount, group_findings, level, points, score_of

WELL_CALIBRATED = 0.05  # ECE up to which nothing is said of calibration, our choice
ORDER = ("bad", "look", "good")


def findings(report: dict[str, Any]) -> list[Finding]:
    """Sentences on everything in a report of `audit`."""
    said = [
        *(each for partition in report["partitions"] for each in group_findings(report, partition)),
        *_robustness(report["robustness"]),
        *_calibration(report["calibration"]),
        *_abstention(report),
    ]
    return sorted(said, key=lambda finding: ORDER.index(finding[0]))


def _robustness(found: dict[str, Any] | None) -> Iterator[Finding]:
    if found is None:
        return
    score = found["score"]
    report = {"score": score}
    strongest: dict[str, dict[str, Any]] = {}
    for each in found["conditions"]:
        strongest[each["corruption"]] = each  # conditions come with growing severity
    worst = max(strongest.values(), key=lambda each: abs(each["change"][score]["value"]))
    low, high = (amount(report, worst["change"][score][end]).split(" ")[0] for end in ("low", "high"))
    yield (
        "look",
        f"What costs most is {_name(worst)} at severity {worst['severity']}: {score_of(report)} "
        f"{level(report, worst['scores'][score])} instead of {level(report, found['clean'][score])}, "
        f"{amount(report, worst['change'][score]['value'])} (95 % interval {low} to {high}).",
    )
    harmless = [
        _name(each)
        for each in strongest.values()
        if each["change"][score]["low"] <= 0 <= each["change"][score]["high"]
    ]
    if harmless:
        yield (
            "good",
            f"Even at the greatest severity that was tried, no change can be told from chance: "
            f"{', '.join(harmless)}.",
        )
    surer = [each for each in found["conditions"] if each["scores"]["ece"] > found["clean"]["ece"] + 0.1]
    if surer:
        top = max(surer, key=lambda each: each["scores"]["ece"])
        yield (
            "look",
            f"Confidence does not follow: at {len(surer)} of {len(found['conditions'])} corruptions the "
            f"calibration error is more than 10 points above that of clean images; most, "
            f"{points(top['scores']['ece'], signed=False)}, for {_name(top)} at severity "
            f"{top['severity']}.",
        )


def _name(condition: dict[str, Any]) -> str:
    return condition["corruption"].replace("_", " ").replace("jpeg", "JPEG")


def _calibration(found: dict[str, Any] | None) -> Iterator[Finding]:
    if found is None:
        return
    before, after = found["before"]["ece"], found.get("after")
    if after is None:
        kind = "good" if before <= WELL_CALIBRATED else "look"
        yield (
            kind,
            f"Calibration error (ECE) {points(before, signed=False)}; no validation split to mend it on.",
        )
        return
    mended = after["ece"]
    temperature = found["temperature"]["value"]
    kind = "good" if mended <= WELL_CALIBRATED else "look"
    yield (
        kind,
        f"Calibration error (ECE) {points(before, signed=False)} as it is, {points(mended, signed=False)} at "
        f"the temperature {number(temperature, 2)} that the validation split chose; all confidences here are "
        "at this temperature.",
    )


def _abstention(report: dict[str, Any]) -> Iterator[Finding]:
    found = report["overall"]
    left = 1 - found["answered"]
    right, answered = found["right"], found["right_where_answered"]
    if answered is None:
        yield "look", f"At a threshold of {report['threshold']:g} the model would never answer."
        return
    what = "right" if report["kind"] == "single" else "people agree"
    yield (
        "good" if answered >= right else "look",
        f"Answering only from a confidence of {report['threshold']:g} on leaves {share(left)} unanswered; "
        f"{what} {share(answered, 1)} of the time instead of {share(right, 1)}.",
    )
