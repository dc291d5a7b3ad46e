"""The model card: a page of Markdown made from what release.json says, with nothing added by hand."""

from collections.abc import Iterator
from typing import Any

from ..foundation.terminal import markdown_table
from .document import ReleaseDocument
from .reference import REFERENCE, TOLERANCE
from .registry import Metric

INTENDED_USE = {
    "encoder": "Features of pictures, to fine-tune or to probe for visual emotion research.",
    "emotion": "Research on how people label pictures; suggestions that a person checks.",
    "art": "Research on what people feel before paintings and how they explain it.",
}
LIMITS = {
    "encoder": ("It was measured on the data named here only; measure it on yours before you rely on it.",),
    "emotion": (
        "It names a class for any picture, also for one unlike all it was trained on.",
        "It was measured on the data named here only; on other pictures expect less.",
    ),
    "art": (
        "Its sentences are in the manner of its annotators and may state what is not in the painting.",
        "It was measured on the data named here only; on other pictures expect less.",
    ),
}
PERCEIVED = (
    "Labels are how people perceived a picture or an expression; they are not what anyone in it feels, and "
    "no model can read that off a face. Do not use this model to infer anyone's inner state, health, "
    "truthfulness or intentions, to decide about people, to identify them, or to watch them."
)
LAW = (
    "In the European Union, inferring people's emotions at work or in education is prohibited, but for "
    "medical or safety reasons (AI Act, Regulation (EU) 2024/1689, Art. 5(1)(f)). Attributes such as age, "
    "gender or origin are no input and no output; they serve audits, where somebody asks for them."
)
SPDX = {"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc0-1.0"}
USAGE = {
    "encoder": "features = model.features(images)  # float32 [N, width]",
    "emotion": "predictions = model.predict(images)  # one each: by head a label and probabilities",
    "art": "predictions = model.predict(images)  # one each: a label and probabilities",
}


def card(document: ReleaseDocument) -> str:
    """README.md of a release, with the header that model hubs read."""
    return "\n\n".join(part.rstrip() for part in _parts(document)) + "\n"


def _parts(about: ReleaseDocument) -> Iterator[str]:
    yield _header(about)
    stored = f"{about.parameters:,} numbers, stored in {about.dtype}"
    architecture = about.architecture.get("name", "a model")
    yield f"# {about.name}\n\nKind: {about.kind} · {architecture} · {stored} · a release of vemo."
    yield f"**Intended use.** {about.intended_use}"
    yield "**Limits.**\n\n" + "\n".join(f"- {line}" for line in about.limits)
    usage = f'import vemo\nmodel = vemo.load("{about.name}")  # or the release\'s folder\n{USAGE[about.kind]}'
    fetch = f"vemo checkpoints download {about.name}  # prints FOLDER\nvemo checkpoints verify {about.name}"
    yield f"## How to load it\n\n```bash\n{fetch}\n```\n\n```python\n{usage}\n```"
    yield _input_and_output(about)
    yield f"## Results\n\n{_results(about.metrics)}"
    yield f"## Calibration\n\n{_calibration(about)}"
    yield f"## Fairness\n\n{_fairness(about)}"
    yield f"## Training\n\n{_training(about)}"
    yield f"## Licence\n\n{about.licence}. Weights are bound by the data they were trained on."
    yield "## Ethics\n\n" + "\n\n".join([PERCEIVED, *([LAW] if about.faces else [])])
    yield _what_is_checked(about)


def _header(about: ReleaseDocument) -> str:
    known = about.licence.lower() if about.licence.lower() in SPDX else "other"
    task = "image-feature-extraction" if about.kind == "encoder" else "image-classification"
    lines = ["---", f"license: {known}", "library_name: vemo", f"pipeline_tag: {task}"]
    return "\n".join([*lines, "tags: [visual-emotion]", "---"])


def _input_and_output(about: ReleaseDocument) -> str:
    given = about.preprocessing
    numbers = [", ".join(f"{value:.4g}" for value in values) for values in (given.mean, given.std)]
    share = "" if given.crop_fraction == 1 else f" of {given.crop_fraction:.0%} of the shorter side"
    lines = [
        f"In: the middle square{share} of a picture, {given.image_size} pixels a side "
        f"({given.interpolation}), RGB in [0, 1] minus ({numbers[0]}), over ({numbers[1]}); the model "
        "does the latter by itself."
    ]
    for name, head in about.heads.items():
        space = f"label space {head.space} (version {head.version})" if head.space else "no label space"
        lines.append(f"Out, `{name}` ({head.kind}, {space}), in this order: {', '.join(head.classes)}.")
    if not about.heads:
        lines.append("Out: one feature vector a picture; it has no labels.")
    return "## What goes in and what comes out\n\n" + "\n\n".join(lines)


def _results(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "Not measured."
    rows = [
        (
            each.head or "features",
            each.metric,
            f"{each.value:.3f}",
            f"{each.low:.3f} to {each.high:.3f}"
            if each.low is not None and each.high is not None
            else "not made",
            f"{each.data}, {each.split}" + (f" ({each.samples:,})" if each.samples else ""),
            "not known" if each.seed is None else str(each.seed),
            each.date.isoformat(),
        )
        for each in metrics
    ]
    columns = ("of", "score", "value", "95 % interval", "data", "seed", "date")
    table = markdown_table(columns, rows)
    return (
        f"{table}\n\nIntervals are over test images; what another training seed would give, they do not say."
    )


def _calibration(about: ReleaseDocument) -> str:
    rows: list[tuple[Any, ...]] = []
    for head, found in about.calibration.items():
        for when, name in (("before", "as it is"), ("after", "with its temperature")):
            if scores := found.get(when):
                values = (f"{scores[key]:.3f}" for key in ("ece", "classwise_ece", "nll", "brier"))
                rows.append((head, name, *values))
    if not rows:
        return "Not measured." if about.heads else "An encoder states no probabilities."
    lines = [markdown_table(("head", "outputs", "ECE", "class-wise ECE", "NLL", "Brier"), rows)]
    for head, found in about.calibration.items():
        if temperature := found.get("temperature"):
            value = f"{temperature['value']:.3f}, which loading applies"
            said = value if temperature["identified"] else "none: the validation samples identify none"
            lines.append(f"Temperature of `{head}`, from the validation split: {said}.")
    return "\n\n".join(lines)


def _fairness(about: ReleaseDocument) -> str:
    found = about.fairness
    if found is None:
        return "**Not audited.** Whether it serves some people worse than others nobody has looked at."
    asked = ", ".join(found.attributes) or "none: no group was compared"
    by = f" (annotated by {found.annotated_by})" if found.annotated_by else ""
    opening = f"Audited on {found.samples:,} samples, {found.date}; attributes: {asked}{by}."
    lines = "\n".join(f"- {line}" for line in found.findings)
    return f"{opening}\n\n{lines}\n\nWhat an audit does not find may still be there."


def _training(about: ReleaseDocument) -> str:
    """The data, and what is said of the run in a word or a number."""
    plain = {key: said for key, said in about.training.items() if isinstance(said, str | int | float)}
    lines = [f"- {key.replace('_', ' ')}: {said}" for key, said in plain.items()]
    return "\n".join([f"- data: {about.training_data}", *lines])


def _what_is_checked(about: ReleaseDocument) -> str:
    rows = [(file.path, file.bytes, f"`{file.sha256}`") for file in about.files]
    versions = ", ".join(f"{name} {version}" for name, version in about.made.get("versions", {}).items())
    change = ""
    if about.storage_change is not None:
        change = f" Storing in {about.dtype} moved the outputs by {about.storage_change:.1e} of it."
    return (
        f"## Files\n\n{markdown_table(('file', 'bytes', 'sha256'), rows)}\n\n`{REFERENCE}` holds what the "
        f"model says of pictures drawn from a seed. `vemo checkpoints verify` draws them again, and allows a "
        f"difference of {TOLERANCE:g} of the outputs' root mean square.{change} "
        f"Made {about.made.get('date', '')} with {versions}."
    )
