"""Sentences about an artwork made of what its table says: for models that need some, where nobody wrote any.

They say nothing that the table does not: style, title, what is shown, and the emotions that were ticked. Each
is marked with the annotator `template`.
"""

from collections.abc import Mapping, Sequence

ANNOTATOR = "template"
SUBJECTS = {"face": "portrait", "body": "picture of figures", "none": "picture without people"}


def template_answers(
    shares: Mapping[str, float], attributes: Mapping[str, object], count: int
) -> list[dict[str, str]]:
    """`count` captions, their emotions in proportion to `shares` (largest remainders); [] where all are 0.

    attributes: style or period, title, shows, as far as they are known.
    """
    emotions = proportional(shares, count)
    words = {
        "style": str(attributes.get("style") or attributes.get("period") or "unknown").replace("_", " "),
        "subject": SUBJECTS.get(str(attributes.get("shows")), "picture"),
        "title": str(attributes.get("title") or "untitled"),
    }
    found = []
    for number, emotion in enumerate(emotions):
        others = [name for name in dict.fromkeys(emotions) if name != emotion]
        also = f" and some {others[number % len(others)]}" if others else ""
        text = TEMPLATES[number % len(TEMPLATES)].format(emotion=emotion, also=also, **words)
        found.append({"text": text.lower(), "emotion": emotion, "annotator": ANNOTATOR})
    return found


TEMPLATES = (
    "this {subject} in the style of {style} speaks of {emotion}{also}",
    "the {style} {subject} called {title} evokes {emotion}",
    "there is {emotion}{also} in this {style} {subject}",
)


def proportional(shares: Mapping[str, float], count: int) -> Sequence[str]:
    """`count` names in proportion to their shares, the largest first; of equal remainders the earlier."""
    total = sum(shares.values())
    if total <= 0:
        return []
    exact = {name: share / total * count for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: -(exact[name] - counts[name]))
    for name in order[: count - sum(counts.values())]:
        counts[name] += 1
    return [name for name in sorted(counts, key=lambda name: -counts[name]) for _ in range(counts[name])]
