"""What the report says in sentences, the worst first: what a person reads before any table."""

from typing import Any

Finding = tuple[str, str]  # "bad" | "look" | "good", sentence


def findings(report: dict[str, Any]) -> list[Finding]:
    """One sentence for each check of a report of `audit`."""
    said = [
        *_copies(report["duplicates"]),
        *_between(report["between datasets"]),
        *_faults(report),
        *_leakage(report["leakage"]),
        *_doubts(report["doubts"]),
        *_balance(report),
        *_light(report["light"]),
        *_agreement(report["agreement"]),
    ]
    return sorted(said, key=lambda finding: ("bad", "look", "good").index(finding[0]))


def _copies(duplicates: dict[str, Any]) -> list[Finding]:
    same, alike = duplicates["identical"], duplicates["identical or near"]
    if not alike["groups"]:
        return [("good", "No copies: no two images are identical or nearly so.")]
    counts = (
        f"{alike['groups']:,} groups of copies ({alike['images']:,} images, the largest {alike['largest']}); "
        f"{same['groups']:,} of identical images"
    )
    if alike["groups across splits"]:
        return [
            (
                "bad",
                f"{alike['groups across splits']:,} groups of copies lie in more than one split "
                f"({same['groups across splits']:,} of identical images): "
                "scores on the later splits are too high.",
            ),
            ("look", f"{counts}."),
        ]
    return [("look", f"{counts}; none across splits.")]


def _between(between: dict[str, Any]) -> list[Finding]:
    return [
        ("bad" if found["pairs"] else "good", f"{found['pairs']:,} images are also in {name}.")
        for name, found in between.items()
    ]


def _faults(report: dict[str, Any]) -> list[Finding]:
    said: list[Finding] = []
    if report["placeholders"]:
        said.append(
            ("bad", f"{len(report['placeholders']):,} images show nothing (flat, tiny or a placeholder).")
        )
    if report["failures"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report["failures"].items())
        said.append(("look", f"Not in the shards because they failed: {reasons}."))
    return said


def _leakage(leakage: dict[str, Any]) -> list[Finding]:
    telling = [
        (key, found)
        for key, found in leakage.items()
        if key != "all attributes" and found["held out"] > found["prior"] + 0.1
    ]
    telling.sort(key=lambda item: -(item[1]["held out"] - item[1]["prior"]))
    return [
        (
            "look",
            f"The attribute {key} alone predicts the label of {found['held out']:.0%} of the images "
            f"that have it, {found['prior']:.0%} being the commonest class: "
            "report results beside this baseline.",
        )
        for key, found in telling[:3]
    ]


def _doubts(doubts: dict[str, Any]) -> list[Finding]:
    if "skipped" in doubts:
        return [("look", f"Label doubts were not computed: {doubts['skipped']}.")]
    return [
        (
            "look",
            f"{doubts['contradicted']:,} labels are contradicted, the most doubtful come first, by a "
            f"probe that gets {doubts['accuracy of the probe']:.0%} right "
            f"(majority {doubts['accuracy of the majority']:.0%}). It sees {doubts['features']}.",
        )
    ]


def _balance(report: dict[str, Any]) -> list[Finding]:
    said: list[Finding] = []
    ratio = report["balance"]["largest over smallest class"]
    if ratio and ratio > 3:
        said.append(("look", f"The largest class is {ratio:.1f} times the smallest: report macro-F1 or UAR."))
    absent = [
        f"{name} in {split}"
        for split, counts in report["balance"]["splits"].items()
        for name, count in counts.items()
        if not count and any(counts.values())
    ]
    if 0 < len(absent) <= 8:
        said.append(("look", f"No image of {', '.join(absent)}."))
    return said


def _light(light: dict[str, Any]) -> list[Finding]:
    return [
        (
            "look" if found["more than 0.2 apart"] > 0.05 else "good",
            f"Annotated {key} against measured: correlation {found['correlation']:.2f}, mean difference "
            f"{found['mean difference']:.2f}.",
        )
        for key, found in light.items()
        if found["correlation"] is not None
    ]


def _agreement(agreement: dict[str, Any]) -> list[Finding]:
    said: list[Finding] = []
    for name, found in agreement.items():
        alpha = found["krippendorff alpha"]
        agreed = f"Krippendorff's alpha {alpha:.2f}, " if alpha is not None else ""
        said.append(
            (
                "look" if alpha is not None and alpha < 0.667 else "good",
                f"Raters ({name}): {agreed}{found['no majority']:.0%} of the images have no majority, "
                f"{found['tied']:.0%} are tied.",
            )
        )
    return said
