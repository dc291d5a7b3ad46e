"""Images that are no pictures, and light that is annotated otherwise than it measures."""

from collections import Counter
from typing import Any

import numpy as np

from .duplicates import FLAT
from .scan import Scan

REPEATED = 3  # identical images under at least so many labels are taken for a placeholder


def placeholders(scan: Scan, labels: list[int | None], identical: list[list[int]]) -> dict[int, str]:
    """Places of images that stand for no picture, and why.

    flat: a single colour. repeated: the same image under several labels, as "this photo is no longer
    available" is. tiny: a side of less than 16 pixels.
    """
    thumbnails = scan.thumbnails.float().flatten(2)
    spread = thumbnails.std(dim=2).amax(dim=1).numpy() if len(scan) else np.zeros(0)
    found = {int(place): "flat" for place in np.flatnonzero(spread < FLAT)}
    for place, record in enumerate(scan.records):
        if min(record["width"], record["height"]) < 16:
            found[place] = "tiny"
    for members in identical:
        if len({labels[place] for place in members} - {None}) >= REPEATED:
            found |= dict.fromkeys(members, "repeated")
    return found


def light_differences(scan: Scan) -> dict[str, Any]:
    """Annotated brightness and colourfulness against measured: correlation, mean difference, worst places."""
    found: dict[str, Any] = {}
    for key, measured in (("brightness", scan.brightness), ("colorfulness", scan.colorfulness)):
        values = {
            place: float(record["attributes"][key])
            for place, record in enumerate(scan.records)
            if isinstance(record.get("attributes", {}).get(key), int | float)
        }
        if len(values) < 2:
            continue
        places = np.array(list(values))
        annotated, seen = np.array(list(values.values())), measured[places].astype(np.float64)
        difference = np.abs(annotated - seen)
        varied = annotated.std() > 0 and seen.std() > 0
        worst = np.argsort(-difference)[:20]
        found[key] = {
            "images": len(values),
            "correlation": float(np.corrcoef(annotated, seen)[0, 1]) if varied else None,
            "mean difference": float(difference.mean()),
            "more than 0.2 apart": float((difference > 0.2).mean()),
            "worst": [
                {
                    "id": scan.records[places[i]]["id"],
                    "annotated": float(annotated[i]),
                    "measured": round(float(seen[i]), 3),
                }
                for i in worst
                if difference[i] > 0.2
            ],
        }
    return found


def failure_counts(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Reasons of failures.jsonl, most frequent first."""
    return dict(Counter(line["reason"] for line in lines).most_common())
