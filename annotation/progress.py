"""The App's panel on the review, as a text in Markdown."""

from collections import Counter
from typing import Any

from .documents import REVIEW
from .load import noted, touched_since

SHOWN = 10  # confusions


def progress_text(dataset: Any) -> str:
    """How far the review is, edits by rater, agreement, and where people and model differ most."""
    import fiftyone as fo  # pyright: ignore[reportMissingImports]

    facts = noted(dataset) or {}
    counts = dataset.count_values("review_status")
    done = {status: counts.get(status, 0) for status in REVIEW}
    touched = touched_since(fo, dataset, facts["loaded_at"]).count()
    names = [name for name, _ in facts.get("sittings") or [] if name]
    lines = [
        f"**{sum(done.values()):,} of {len(dataset):,} reviewed**: "
        + ", ".join(f"{count:,} {status}" for status, count in done.items()),
        f"{touched:,} samples touched since loading; now at work: {names[-1] if names else '—'}",
        *_people(facts.get("people") or {}),
    ]
    schema = dataset.get_field_schema()
    if "prediction" in schema and "emotion" in schema:
        lines += _confusion(dataset)
    return "\n\n".join(lines)


def _people(people: dict[str, Any]) -> list[str]:
    if not people.get("edits"):
        return []
    edits = ", ".join(f"{name} {count:,}" for name, count in people["edits"].items())
    lines = [f"**Edits before**: {edits}"]
    if "unclear" in people:
        lines.append(f"Agreement cannot be told: {people['unclear']}")
    elif people.get("samples"):
        alpha = people["alpha"]
        said = "—" if alpha is None else f"{alpha:.2f}"
        lines.append(f"**Agreement** on {people['samples']:,} samples: Krippendorff's alpha {said}")
        rows = [
            f"| {one} | {other} | {count:,} | {'—' if kappa is None else format(kappa, '.2f')} |"
            for one, other, count, kappa in people["pairs"]
        ]
        lines.append("\n".join(["| rater | rater | both | Cohen's kappa |", "|---|---|---:|---:|", *rows]))
    return lines


def _confusion(dataset: Any) -> list[str]:
    both = zip(*dataset.exists("prediction").values(["emotion.label", "prediction.label"]))
    pairs = Counter((label, said) for label, said in both if label)
    if not pairs:
        return []
    unlike = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
    agree = sum(pairs.values()) - sum(count for _, count in unlike)
    rows = [f"| {label} | {said} | {count:,} |" for (label, said), count in unlike[:SHOWN]]
    return [
        f"**People and model** agree on {agree:,} of {sum(pairs.values()):,}; most often they differ so:",
        "\n".join(["| label | model | samples |", "|---|---|---:|", *rows]),
    ]
