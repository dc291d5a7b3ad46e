"""The builder: a plan, a pool of workers that each own a shard, and a manifest written last.

A shard is done iff its line stands in shards.jsonl (and its files are there). Kill the build anywhere and
run it again: what is done is kept, what is half done is removed and redone, and the set comes out the same
to the byte.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import __version__
from ...foundation.errors import UserError
from ...foundation.files import append_json_line, read_json_lines, write_atomically, write_json
from ...foundation.progress import Progress
from ..readers import Reader, make_reader
from .config import BuildConfig, refuse_other_settings, settings_of
from .layout import FAILURES, FORMAT, MANIFEST, SHARD_FILE, SHARDS, WORK, finished_shards, json_line
from .plan import Plan, make_plan
from .pool import map_over_processes, only_build_in
from .ray_pool import map_over_ray
from .report import BuildReport, count_reasons, coverage_line, expectation_warning
from .splits import Leaks, find_leaks, image_hashes
from .tar import index_path
from .worker import ShardReport, ShardSpec, build_shard, cached_reader


def build(config: BuildConfig) -> BuildReport:
    """Build (or finish, or find finished) the shard set `config.out`.

    Raises UserError: no dataset at `root`, other settings or another source than those the folder was begun
    with, a disk that is full or cannot be written, an image in two of the splits drawn here.
    """
    cached_reader.cache_clear()
    reader = make_reader(config.reader, config.root)
    try:
        _make_folder(config.out)
        with only_build_in(config.out):
            return _build(config, reader)
    except OSError as error:
        where = error.filename or config.out
        raise UserError(
            f"{where}: {error.strerror or error}; mend that and run the same command again"
        ) from None


def _build(config: BuildConfig, reader: Reader) -> BuildReport:
    out, settings = config.out, settings_of(config)
    begun = _begun(out)
    if begun:
        refuse_other_settings(out, begun["build"], settings)
    (out / WORK).mkdir(exist_ok=True)
    plan = make_plan(
        reader.rows(), out / WORK / "plan.jsonl", config.samples_per_shard, config.splits, config.split_seed
    )
    if not plan.rows:
        shutil.rmtree(out / WORK)
        raise UserError(f"{config.root}: no samples of {reader.dataset} here. {reader.how_to_get}")
    if begun and begun["plan"] != plan.digest:
        if (out / MANIFEST).exists():
            shutil.rmtree(out / WORK)
        raise UserError(
            f"{out}: {config.root} does not list the samples this set was begun with; choose another out, "
            "or remove the folder"
        )
    done = _done(out, plan)
    finished = (out / MANIFEST).exists() and len(done) == len(plan.shards)
    if not finished:
        write_json(out / WORK / "begun.json", {"build": settings, "plan": plan.digest})
        (out / MANIFEST).unlink(missing_ok=True)
        _remove_leftovers(out, done)
        _pack_shards(config, plan, done)
        _finish(config, reader, plan, settings)
    shutil.rmtree(out / WORK)
    return _report(config)


def _pack_shards(config: BuildConfig, plan: Plan, done: dict[str, dict[str, Any]]) -> None:
    specs = [
        ShardSpec(
            shard=shard,
            plan=plan.path,
            out=config.out,
            root=config.root,
            reader=config.reader.model_dump_json(),
            short_side=config.short_side,
            quality=config.quality,
            max_pixels=config.max_pixels,
        )
        for shard in plan.shards
        if shard.name not in done
    ]
    start = plan.rows - sum(spec.shard.samples for spec in specs)
    failed = sum(len(line["failures"]) for line in done.values())
    try:
        with (
            Progress("packing", plan.rows, start=start) as progress,
            closing(_map(config, build_shard, specs)) as reports,
        ):
            for spec, report in reports:
                append_json_line(config.out / SHARDS, asdict(report))
                failed += len(report.failures)
                progress.update(spec.shard.samples, failed=failed)
    finally:
        for part in config.out.glob("*.part"):  # of workers that were stopped; a full disk needs the room
            part.unlink()


def _map(config: BuildConfig, function: Callable[[Any], Any], tasks: list[Any]) -> Any:
    """(task, function(task)) as they are done, by the engine that was asked for; close it when leaving."""
    if config.engine == "ray":
        return map_over_ray(function, tasks, config.workers, config.ray_address)
    return map_over_processes(function, tasks, config.workers, lock=config.out)


def _finish(config: BuildConfig, reader: Reader, plan: Plan, settings: dict[str, Any]) -> None:
    """Look for leaks, then write shards.jsonl in order, failures.jsonl and, last, the manifest."""
    out, lines = config.out, finished_shards(config.out)
    leaks = _leaks(config, plan, lines)
    with write_atomically(out / SHARDS) as shards, write_atomically(out / FAILURES) as failures:
        for shard in plan.shards:
            line = lines[shard.name]
            shards.write(json_line(line))
            for failure in line["failures"]:
                failures.write(json_line({**failure, "shard": shard.name}))
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
    write_json(out / MANIFEST, manifest)


def _leaks(config: BuildConfig, plan: Plan, lines: dict[str, dict[str, Any]]) -> Leaks:
    tars = [config.out / f"{shard.name}.tar" for shard in plan.shards]
    with closing(_map(config, image_hashes, tars)) as results:
        hashes = dict(results)
    leaks = find_leaks((tar, lines[tar.stem]["split"], hashes[tar]) for tar in tars)
    if leaks.ours and config.on_leak == "error":
        pair = " and ".join(f"{identifier} ({split})" for identifier, split in leaks.first[0])
        raise UserError(
            f"{config.out}: {leaks.ours} images lie in more than one of the splits drawn here, such as "
            f"{pair}; let the reader give copies one group, remove them, or accept this with on_leak=warn"
        )
    return leaks


def _report(config: BuildConfig) -> BuildReport:
    manifest = json.loads((config.out / MANIFEST).read_bytes())
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


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{out}: out must be a folder, and a file is in its way") from None
    begun = (out / MANIFEST).exists() or (out / WORK).is_dir()
    strangers = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if strangers and not begun:
        raise UserError(
            f"{out}: holds {strangers[0]}, but no shard set; choose a new or empty folder for out"
        )


def _begun(out: Path) -> dict[str, Any] | None:
    """{"build": settings, "plan": digest} of the set that was begun or finished here."""
    for path in (out / MANIFEST, out / WORK / "begun.json"):
        if path.exists():
            try:
                begun = json.loads(path.read_bytes())
                return {"build": dict(begun["build"]), "plan": str(begun["plan"])}
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{path}: damaged; remove {out} and build again") from None
    return None


def _done(out: Path, plan: Plan) -> dict[str, dict[str, Any]]:
    """The lines of shards that need no more work: every sample accounted for, tar and index there."""
    done = {}
    lines = finished_shards(out)
    for shard in plan.shards:
        tar = out / f"{shard.name}.tar"
        try:
            report = ShardReport(**lines[shard.name])
            whole = tar.stat().st_size == report.bytes and index_path(tar).is_file()
            if whole and report.samples + len(report.failures) == shard.samples:
                done[shard.name] = lines[shard.name]
        except (KeyError, OSError, TypeError):
            continue
    return done


def _remove_leftovers(out: Path, done: dict[str, dict[str, Any]]) -> None:
    """Parts, and tars without a line, that a killed build left behind."""
    for path in out.iterdir():
        if SHARD_FILE.match(path.name) and (path.suffix == ".part" or path.name.split(".")[0] not in done):
            path.unlink()
    if len(done) != len(list(read_json_lines(out / SHARDS))):
        with write_atomically(out / SHARDS) as stream:
            for line in done.values():
                stream.write(json_line(line))
