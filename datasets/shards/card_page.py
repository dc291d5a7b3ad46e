"""A shard set's card as Markdown, section by section; what it says is in `facts`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ... import __version__
from ...foundation.terminal import markdown_table
from ..label_counts import flag_of, share
from ..readers import READERS
from ..taxonomy import KINDS, label_map, label_map_names, label_space
from .config import BuildConfig
from .facts import AUDIT, MEANING, RULED_OUT, Facts
from .report import expectation_warning
from .stats import MANY_CLASSES, UNDECIDED

CROISSANT = "croissant.json"


def card_page(facts: Facts, stated: Mapping[str, Any]) -> str:
    """The whole card. stated: as for `croissant`, what only people know of the dataset."""
    parts = [
        f"# {facts.manifest['dataset']}",
        facts.description,
        f"> {MEANING}",
        *_section("Splits and classes", _splits(facts)),
        *_section("What else is known", _known(facts)),
        *_section("How it was built", _built(facts)),
        *_section("Coverage and failures", _coverage(facts)),
        *_section("Known leaks", _leaks(facts)),
        *_section("Label spaces and maps", _maps(facts)),
        *_section("Licence and citation", _licence(facts, stated)),
        *_section("Uses that are ruled out", [_bullets(RULED_OUT)]),
        *_section("Reading it", _reading(facts)),
        f"*Written by `vemo shards card`, vemo {__version__}, of shards {facts.fingerprint[:16]}.*",
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, parts: Iterable[str]) -> list[str]:
    return [f"## {title}", *parts]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _across(facts: Facts, count: Callable[[dict[str, Any]], int]) -> list[int]:
    """count(counts of a split) for every split and, where there are several, their sum."""
    found = [count(split) for split in facts.splits.values()]
    return [*found, sum(found)] if len(found) > 1 else found


def _columns(facts: Facts) -> list[str]:
    return [*facts.splits, "all"] if len(facts.splits) > 1 else list(facts.splits)


def _splits(facts: Facts) -> Iterator[str]:
    sizes = [
        ["images", *_across(facts, lambda split: split["samples"])],
        ["shards", *_across(facts, lambda split: split["shards"])],
        ["MB", *(size / 1e6 for size in _across(facts, lambda split: split["bytes"]))],
    ]
    yield markdown_table(["", *_columns(facts)], sizes)
    drawn = facts.samples - facts.own_splits
    build = facts.manifest["build"]
    if not drawn:
        yield "The splits are the dataset's own."
    elif build["reader"].get("kind") == "shards":
        yield f"The split of {drawn:,} images was drawn for the shard set that this one was built from."
    else:
        which = "all" if drawn == facts.samples else f"{drawn:,}"
        shares = ", ".join(f"{name} {fraction:g}" for name, fraction in build["splits"].items())
        yield (
            f"The split of {which} images was drawn here, by a hash of their group or id "
            f"({shares}; split_seed {build['split_seed']}): it is not one that others report on."
        )
    for people in (False, True):
        for space in facts.spaces(people):
            yield from _classes(facts, space, people)


def _classes(facts: Facts, space: str, people: bool) -> Iterator[str]:
    """Counts of one label space, of images or of people."""
    key, unit = ("people", "people") if people else ("labels", "images")
    counts = {name: split[key].get(space, {}) for name, split in facts.splits.items()}
    total = sum(map(Counter, counts.values()), Counter())
    names = list(label_space(space).names)
    if len(names) > MANY_CLASSES:
        names = [name for name in names if total[name]]
    names += [UNDECIDED] if total[UNDECIDED] else []
    rows = [
        [name, *_across(facts, lambda split, name=name: split[key].get(space, {}).get(name, 0))]
        for name in names
    ]
    kinds = ", ".join(facts.kinds(space, people))
    yield f"**{space}**: {facts.labelled(space, people):,} {unit} have a label, given as {kinds}."
    yield markdown_table([space, *_columns(facts)], rows)
    if set(facts.kinds(space, people)) & {"votes", "distribution"}:
        yield "Votes and distributions count for their largest entry."
    if "classes" in facts.kinds(space, people):
        yield f"The {unit} with several classes count once for each."


def _known(facts: Facts) -> Iterator[str]:
    attributes = sorted({name for split in facts.splits.values() for name in split["attributes"]})
    rows = [
        [f"attribute {name}", *_across(facts, lambda split, name=name: split["attributes"].get(name, 0))]
        for name in attributes
    ]
    said = {
        "vad": "valence, arousal, dominance",
        "persons": "persons looked for",
        "captions": "captions",
        "group": "group (subject, video, artwork …)",
    }
    rows += [[text, *_across(facts, lambda split, key=key: split[key])] for key, text in said.items()]
    rows = [[*row, share(row[-1], facts.samples)] for row in rows if row[-1]]
    if rows:
        yield markdown_table(["images with", *_columns(facts), "share"], rows)
    else:
        yield "Nothing but the labels."
    if facts.demographics:
        yield f"Records hold demographic attributes ({', '.join(facts.demographics)}): for audits only."
    if facts.sidecars:
        made = [
            [each.name, ", ".join(each.columns), each.made_by.name, each.made_by.licence or "not stated"]
            for each in facts.sidecars
        ]
        yield "Programs, not people, said what the sidecars hold:"
        yield markdown_table(["sidecar", "gives", "made by", "its licence"], made)
    if facts.edits:
        yield "People's edits (`overrides.jsonl`) apply as the set is read; they are not counted here."


def _built(facts: Facts) -> Iterator[str]:
    manifest, build = facts.manifest, facts.manifest["build"]
    if facts.reader:
        yield f"Getting the dataset: {facts.reader.how_to_get}"
    yield f"```yaml\n# {manifest['dataset']}.yaml\n{_settings(build)}```"
    yield f"```bash\nvemo shards build {manifest['dataset']}.yaml root=DATASET out=SHARDS\n```"
    side = build["short_side"]
    bytes_are = (
        "Image bytes are the source's own, untouched."
        if side is None
        else f"Images whose shorter side is above {side} pixels were re-encoded to {side}, as JPEG of "
        f"quality {build['quality']}; boxes were scaled along."
    )
    if build["reader"].get("kind") == "shards":
        bytes_are += " The source was itself a shard set."
    sides = [split["sides"] for split in facts.splits.values() if split["sides"]]
    size = f" Sides run from {min(low for low, _ in sides)} to {max(high for _, high in sides)} pixels."
    yield f"{bytes_are}{size if sides else ''} Every image was decoded once, by {build['codec']}."
    if edits := _applied(manifest.get("origin")):
        yield "People's edits are in its records for good, and each names who made it. They came from:"
        yield _bullets(edits)
    version = manifest.get("vemo", "of a version that did not put it into the manifest")
    yield (
        f"Built by vemo {version}, shard format {manifest['format']}. "
        "The same source and settings give the same bytes."
    )


def _applied(origin: Mapping[str, Any] | None) -> list[str]:
    """What was applied on the way from the first shard set to this one, the earliest first."""
    if origin is None:
        return []
    source = f"shards {origin['fingerprint'][:16]}"
    found = [
        f"`{each['file']}` (sha256 {each['sha256'][:16]}, on {source}), edits: {each['edits']:,}, "
        f"images: {each['samples']:,}, by {', '.join(each['raters']) or 'nobody named'}"
        for each in origin["overlays"]
    ]
    return [*_applied(origin.get("origin")), *found]


def _settings(build: Mapping[str, Any]) -> str:
    """The build's YAML: every setting that is no default."""
    defaults = {key: field.default for key, field in BuildConfig.model_fields.items()}
    given = {
        key: value for key, value in build.items() if key in defaults and value not in (None, defaults[key])
    }
    given["reader"] = _reader_settings(build["reader"])
    return yaml.safe_dump(given, sort_keys=False, allow_unicode=True)


def _reader_settings(reader: Mapping[str, Any]) -> dict[str, Any]:
    """A reader's settings without its defaults; all of them where this version does not know the reader."""
    kind = reader.get("kind")
    try:
        config = READERS[str(kind)].config_class.model_validate(reader)
    except (KeyError, ValidationError):
        return dict(reader)
    return {"kind": kind, **config.model_dump(mode="json", exclude_defaults=True, by_alias=True)}


def _coverage(facts: Facts) -> Iterator[str]:
    coverage = facts.manifest["coverage"]
    yield f"{coverage['line']}."
    if coverage["failed"]:
        rows = list(coverage["failed"].items())
        yield markdown_table(["failed because of", "images"], rows)
        yield "`failures.jsonl` names each of them, with its reason."
    if warning := expectation_warning(facts.manifest["dataset"], coverage["expected"], coverage["listed"]):
        yield f"{warning[0].upper()}{warning[1:]}."
    elif not coverage["expected"]:
        yield "How many images the whole dataset has is not known to vemo."


def _leaks(facts: Facts) -> Iterator[str]:
    found, copies = facts.manifest["leaks"], facts.manifest["copies"]
    yield _bullets(
        [
            f"Identical files in more than one split: {found['images']:,}{_named(found['first'])}.",
            f"Groups in more than one split: {found['groups']:,}{_named(found['first_groups'])}.",
            f"Files that are copies of another anywhere in the set: {copies:,}.",
        ]
    )
    audit = facts.audit
    if audit is None:
        yield (
            "Nobody has looked for near copies, for attributes that give labels away, or for doubtful "
            "labels: `vemo shards audit` does, and this card tells of it when it is written again."
        )
        return
    old = "" if facts.audit_is_current else " **It was made of other shards or edits: audit again.**"
    yield f"The audit of {audit.get('date', 'an unknown date')} (`audit/index.html`).{old}"
    try:
        yield _bullets(_audited(audit))
    except (AttributeError, KeyError, TypeError):
        yield f"{facts.folder / AUDIT} is not as this version writes it: audit again."


def _named(leaks: list[list[list[str]]]) -> str:
    """The first of them, such as ": a (train) = b (test)"."""
    first = "; ".join(
        " = ".join(f"{identifier} ({split})" for identifier, split in leak) for leak in leaks[:3]
    )
    return f", such as {first}" if first else ""


def _audited(audit: Mapping[str, Any]) -> Iterator[str]:
    """What an audit says of leaks, in sentences; parts that it lacks are passed over."""
    alike = audit.get("duplicates", {}).get("identical or near", {})
    if alike:
        yield (
            f"Groups of identical or nearly identical images: {alike['groups']:,} "
            f"({alike['images']:,} images); in more than one split: {alike['groups across splits']:,}."
        )
    for name, between in audit.get("between datasets", {}).items():
        yield f"Images that are also in {Path(name).name}: {between['pairs']:,}."
    telling = sorted(
        (
            (found["held out"] - found["prior"], name, found)
            for name, found in audit.get("leakage", {}).items()
        ),
        key=lambda item: -item[0],
    )
    for gain, name, found in telling[:3]:
        if gain > 0.1:
            yield (
                f"Known {name} alone predicts the label of {found['held out']:.0%} of the images that "
                f"have it; the commonest class is {found['prior']:.0%}."
            )
    if placeholders := audit.get("placeholders"):
        yield f"Images that show nothing: {len(placeholders):,}."
    if "contradicted" in (doubts := audit.get("doubts", {})):
        yield (
            f"Labels that a probe contradicts: {doubts['contradicted']:,}. It gets "
            f"{doubts['accuracy of the probe']:.0%} right: most of these labels may be right as well."
        )


def _maps(facts: Facts) -> Iterator[str]:
    for people in (False, True):
        for name in facts.spaces(people):
            space = label_space(name)
            order = ", ".join(space.names) if not space.tree else f"a tree of {len(space)} nodes"
            source = f"{space.title}. Source: {space.source}"
            yield f"**{name}** v{space.version}, in this order: {order}. {source}."
            key = "people" if people else "labels"
            total = sum((Counter(split[key].get(name, {})) for split in facts.splits.values()), Counter())
            rows = [_map_row(name, target, total) for source, target in label_map_names() if source == name]
            if rows:
                yield f"What {'people' if people else 'images'} count for, when mapped to another space:"
                yield markdown_table(["to", *KINDS], rows)
    labelled = [*facts.spaces(), *facts.spaces(people=True)]
    if labelled:
        yield f"Class by class: `vemo datasets map --from {labelled[0]} --to SPACE --shards DIR`."
    else:
        yield "No labels."


def _map_row(source: str, target: str, total: Mapping[str, int]) -> list[Any]:
    table = label_map(source, target)
    flags = Counter()
    for name, count in total.items():
        flags[flag_of(table, name)] += count
    return [target, *(flags[kind] for kind in KINDS)]


def _licence(facts: Facts, stated: Mapping[str, Any]) -> Iterator[str]:
    rows = [[dataset, licence, count] for (dataset, licence), count in sorted(facts.licences.items())]
    yield markdown_table(["dataset", "licence", "images"], rows)
    yield (
        "The licence is the dataset's; packing it into shards grants nothing. What is not stated is not "
        "allowed: ask its authors, and the owners of the images, before you pass any of it on."
    )
    creators = ", ".join(creator["name"] for creator in stated.get("creator", ()))
    made = [f"made by {creators}" if creators else "", stated.get("datePublished"), stated.get("url")]
    if any(made):
        yield f"{facts.manifest['dataset']}: {', '.join(text for text in made if text)}."
    citation = stated.get("citeAs")
    yield (
        f"```\n{citation.strip()}\n```"
        if citation
        else "How to cite the dataset was not stated; ask its page."
    )


def _reading(facts: Facts) -> Iterator[str]:
    split = "test" if "test" in facts.splits else next(iter(facts.splits))
    yield (
        "```python\n"
        "from vemo.datasets.stream import ShardSet\n\n"
        'shards = ShardSet("DIR")\n'
        f'record, image = shards.read("{split}", 0)  # a dict, and the bytes of the image file\n'
        "```"
    )
    yield (
        f"The tars are WebDataset's (`KEY.jpg`, `KEY.json`); `{CROISSANT}` describes them to programs (set "
        "CROISSANT_CACHE to another folder for each set: mlcroissant keeps unpacked tars by their names). "
        "`vemo shards verify DIR` checks every hash, record and image."
    )
