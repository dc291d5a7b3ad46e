"""The builder: a plan, a pool of workers that each own a shard, and a manifest written last.

Kill the build anywhere and run it again: what is done is kept, what is half done is redone, and the set comes
out the same to the byte. What is done, and how that is known, is for `local_set` and `remote_set` to say.
"""

import json
from contextlib import closing
from typing import Any

from ... import __version__
from ...foundation.errors import UserError
from ...foundation.files import json_bytes
from ...foundation.progress import Progress
from ..readers import Reader
from ..remote import is_url
from ..remote.mirror import mirror_of
from .config import BuildConfig, refuse_other_settings, settings_of
from .layout import FAILURES, FORMAT, MANIFEST, SHARDS, json_line
from .local_set import Line, LocalSet
from .plan import Plan, make_plan
from .remote_set import RemoteSet
from .report import BuildReport, count_reasons, coverage_line, expectation_warning
from .source import open_reader
from .splits import Leaks, find_leaks
from .worker import ShardSpec, cached_reader

AnySet = LocalSet | RemoteSet


def build(config: BuildConfig) -> BuildReport:
    """Build (or finish, or find finished) the shard set `config.out`.

    Raises UserError: no dataset at `root`, other settings or another source than those the set was begun
    with, a disk that is full or cannot be written, a place that cannot be reached, an image in two of the
    splits drawn here.
    """
    cached_reader.cache_clear()
    reader = open_reader(config.reader, config.root, config.mirror, config.sha256)
    target = RemoteSet(config) if is_url(config.out) else LocalSet(config)
    try:
        with target.held():
            return _build(config, reader, target)
    except OSError as error:
        where = error.filename or config.out
        raise UserError(
            f"{where}: {error.strerror or error}; mend that and run the same command again"
        ) from None


def _build(config: BuildConfig, reader: Reader, target: AnySet) -> BuildReport:
    settings = settings_of(config)
    begun = target.begun()
    if begun:
        refuse_other_settings(config.out, begun["build"], settings)
    target.work.mkdir(exist_ok=True)
    target.warm_up()
    plan = make_plan(
        reader.rows(),
        target.work / "plan.jsonl",
        config.samples_per_shard,
        config.splits,
        config.split_seed,
        reader.fingerprint,
    )
    if not plan.rows:
        target.abandon()
        raise UserError(f"{config.root}: no samples of {reader.dataset} here. {reader.how_to_get}")
    if begun and begun["plan"] != plan.digest:
        target.abandon()
        raise UserError(
            f"{config.out}: {config.root} does not list the samples this set was begun with, or says other "
            "things of them; choose another out, or remove the folder"
        )
    done = target.done(plan.shards)
    if not (target.finished and len(done) == len(plan.shards)):
        target.begin({"build": settings, "plan": plan.digest}, done)
        lines = _pack_shards(config, target, plan, done)
        _finish(config, target, reader, plan, settings, lines)
    target.leave()
    return _report(config, json.loads(target.read(MANIFEST)))


def _pack_shards(config: BuildConfig, target: AnySet, plan: Plan, done: dict[str, Line]) -> dict[str, Line]:
    """Pack what is not done; the lines of all shards."""
    specs = [
        ShardSpec(
            shard=shard,
            plan=plan.path,
            out=target.folder,
            root=config.root,
            reader=config.reader.model_dump_json(),
            short_side=config.short_side,
            quality=config.quality,
            max_pixels=config.max_pixels,
            mirror=mirror_of(config.root, config.mirror),
            sha256=config.sha256,
        )
        for shard in plan.shards
        if shard.name not in done
    ]
    lines = dict(done)
    start = plan.rows - sum(spec.shard.samples for spec in specs)
    failed = sum(len(line["failures"]) for line in done.values())
    with Progress("packing", plan.rows, start=start) as progress, closing(target.pack(specs)) as packed:
        for spec, line in packed:
            lines[spec.shard.name] = line
            failed += len(line["failures"])
            progress.update(spec.shard.samples, failed=failed)
    return lines


def _finish(
    config: BuildConfig,
    target: AnySet,
    reader: Reader,
    plan: Plan,
    settings: dict[str, Any],
    lines: dict[str, Line],
) -> None:
    """Look for leaks, then write shards.jsonl in order, failures.jsonl and, last, the manifest."""
    leaks = _leaks(config, target, plan, lines)
    in_order = [lines[shard.name] for shard in plan.shards]
    failures = [{**failure, "shard": line["name"]} for line in in_order for failure in line["failures"]]
    target.write(SHARDS, b"".join(map(json_line, in_order)))
    target.write(FAILURES, b"".join(map(json_line, failures)))
    splits = {split: {"samples": 0, "shards": 0} for split in plan.listed}
    for line in lines.values():
        splits[line["split"]]["samples"] += line["samples"]
        splits[line["split"]]["shards"] += 1
    failed = count_reasons(lines.values())
    packed = sum(split["samples"] for split in splits.values())
    manifest = {
        "format": FORMAT,
        "vemo": __version__,
        "dataset": reader.dataset,
        "licence": reader.licence,
        "spaces": list(reader.spaces),
        **({"origin": reader.origin} if reader.origin else {}),
        "splits": splits,
        "build": settings,
        "plan": plan.digest,
        "coverage": {
            "listed": plan.listed,
            "expected": reader.expected,
            "failed": failed,
            "line": coverage_line(packed, plan.rows, failed),
        },
        "copies": leaks.copies,
        "leaks": leaks.to_json()
        | {"groups": plan.straddling_groups, "first_groups": list(plan.first_straddling)},
    }
    target.write(MANIFEST, json_bytes(manifest))


def _leaks(config: BuildConfig, target: AnySet, plan: Plan, lines: dict[str, Line]) -> Leaks:
    names = [shard.name for shard in plan.shards]
    hashes = target.image_hashes(names)
    leaks = find_leaks((target.tar(name), lines[name]["split"], hashes[name]) for name in names)
    if leaks.ours and config.on_leak == "error":
        pair = " and ".join(f"{identifier} ({split})" for identifier, split in leaks.first[0])
        raise UserError(
            f"{config.out}: {leaks.ours} images lie in more than one of the splits drawn here, such as "
            f"{pair}; let the reader give copies one group, remove them, or accept this with on_leak=warn"
        )
    return leaks


def _report(config: BuildConfig, manifest: dict[str, Any]) -> BuildReport:
    coverage, leaks = manifest["coverage"], manifest["leaks"]
    warnings = [expectation_warning(manifest["dataset"], coverage["expected"], coverage["listed"])]
    if leaks["images"]:
        named = "; ".join(" = ".join(f"{i} ({s})" for i, s in leak) for leak in leaks["first"][:3])
        warnings.append(f"{leaks['images']:,} identical images lie in more than one split: {named}")
    if leaks["groups"]:
        named = "; ".join(" ~ ".join(f"{i} ({s})" for i, s in leak) for leak in leaks["first_groups"][:3])
        warnings.append(f"{leaks['groups']:,} groups lie in more than one split: {named}")
    return BuildReport(
        out=config.out,
        splits=manifest["splits"],
        listed=sum(coverage["listed"].values()),
        failed=coverage["failed"],
        warnings=tuple(text for text in warnings if text),
        tolerance=config.tolerance,
    )
