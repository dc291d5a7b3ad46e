"""The verifier: every hash, count, header, record, image and sidecar of a shard set against what it says."""

import hashlib
import json
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from ...foundation.progress import Progress
from ..readers import SampleError
from ..remote import download, list_folder, path_or_url, read_if_there
from ..remote.places import is_web
from ..sample import Sample
from .images import MAX_PIXELS, probe_image
from .layout import FAILURES, FORMAT, MANIFEST, SHARD_FILE, SHARDS, member_key, read_index, sha256_of_text
from .pool import map_over_processes
from .tar import BLOCK, index_path, parse_header
from .worker import ShardReport

SHOWN = 20


@dataclass(frozen=True)
class VerifyReport:
    """Faults, each a sentence that begins with the file and, where it is one sample's, names it."""

    folder: Path | str
    shards: int
    samples: int
    faults: tuple[str, ...]
    sidecars: tuple[str, ...] = ()
    unchecked: str = ""  # what was not looked at, and why

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def summary(self) -> str:
        """One line when all is well; otherwise the first faults and their number."""
        head = f"{self.folder}: {self.samples:,} samples in {self.shards:,} shards"
        if self.sidecars:
            head += f", sidecars {', '.join(self.sidecars)}"
        if self.unchecked:
            head += f" ({self.unchecked})"
        if self.ok:
            return f"{head}, every one sound"
        more = [f"... and {len(self.faults) - SHOWN:,} more"] if len(self.faults) > SHOWN else []
        count = f"{len(self.faults):,} fault{'s' * (len(self.faults) != 1)}"
        return "\n".join([f"{head}, {count}:", *self.faults[:SHOWN], *more])


@dataclass(frozen=True)
class _Task:
    folder: Path
    shard: ShardReport
    decode: bool
    untouched: bool  # the images are the source's own bytes, so source.sha256 is theirs
    max_pixels: int
    url: str | None = None  # of the set: the shard is fetched into a folder of its own


def verify(folder: Path | str, decode: bool = True, workers: int = -1) -> VerifyReport:
    """Check a shard set and its sidecars; never raises on damage. `decode=False` leaves out decoding images.

    Of a set behind a URL every tar is fetched once, and kept no longer than it is looked at; its sidecars are
    not checked, and the report says so.

    Raises UserError only when `folder` is no shard set at all, or cannot be reached.
    """
    folder = path_or_url(folder)
    if isinstance(folder, Path):
        return _verify(folder, sorted(path.name for path in _entries(folder)), decode, workers)
    url = folder.rstrip("/")
    names = [] if is_web(url) else sorted(list_folder(url))  # a web server lists nothing
    with tempfile.TemporaryDirectory(prefix="vemo-verify-") as scratch:
        for name in (MANIFEST, SHARDS, FAILURES):
            if (content := read_if_there(f"{url}/{name}")) is not None:
                (Path(scratch) / name).write_bytes(content)
        return _verify(Path(scratch), names, decode, workers, url)


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _verify(
    folder: Path, names: list[str], decode: bool, workers: int, url: str | None = None
) -> VerifyReport:
    """Check the set whose manifest lies in `folder` and whose tars lie there as well, or behind `url`."""
    where = url or folder
    if not (folder / MANIFEST).exists() and not (folder / SHARDS).exists():
        raise UserError(f"{where}: no shard set (neither {MANIFEST} nor {SHARDS})")
    faults: list[str] = []
    shards = list(_shard_lines(folder, names, faults.append))
    manifest = _manifest(folder, shards, faults.append)
    settings = _section(manifest, "build")
    reader = _section(settings, "reader")
    untouched = "short_side" in settings and settings["short_side"] is None and reader.get("kind") != "shards"
    limit = settings.get("max_pixels")
    tasks = [
        _Task(folder, shard, decode, untouched, limit if isinstance(limit, int) else MAX_PIXELS, url)
        for shard in shards
    ]
    found: dict[str, list[str]] = {}
    hashes = [np.empty(0, np.uint64)]
    samples = sum(shard.samples for shard in shards)
    with (
        Progress("verifying", samples) as progress,
        closing(map_over_processes(check_shard, tasks, workers)) as results,
    ):
        for task, (shard_faults, ids) in results:
            found[task.shard.name] = shard_faults
            hashes.append(ids)
            progress.update(task.shard.samples, faults=sum(map(len, found.values())) + len(faults))
    for shard in shards:
        faults += found[shard.name]
    ids = np.concatenate(hashes)
    if repeated := len(ids) - len(np.unique(ids)):
        faults.append(f"{SHARDS}: {repeated:,} samples have an id that another sample has, too")
    if url is not None:
        unchecked = "sidecars not checked, that takes a local copy" if "sidecars" in names else ""
        return VerifyReport(url, len(shards), samples, tuple(faults), unchecked=unchecked)
    from ..sidecars.checking import check_sidecars  # here: it reads shards with the means of this room

    names, more = check_sidecars(folder, shards, workers)
    return VerifyReport(folder, len(shards), samples, (*faults, *more), tuple(names))


def _section(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """tree[key] if that is a dict, {} otherwise."""
    section = tree.get(key)
    return section if isinstance(section, dict) else {}


def check_shard(task: _Task) -> tuple[list[str], np.ndarray]:
    """(faults, hashes of the ids) of one shard."""
    faults: list[str] = []
    ids: list[int] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            for identifier in _check_remote_shard(task, faults.append):
                ids.append(int.from_bytes(sha256_of_text(identifier)[:8]))
    except Exception as error:  # whatever damage does to us, the other shards are to be checked, too
        faults.append(f"{task.shard.name}.tar: cannot be checked to its end: {type(error).__name__}: {error}")
    return faults, np.array(ids, np.uint64)


def _check_remote_shard(task: _Task, fault: Callable[[str], None]) -> Iterator[str]:
    """`_check_shard`, the shard fetched first where that is needed."""
    if task.url is None:
        yield from _check_shard(task, fault)
        return
    with tempfile.TemporaryDirectory(prefix="vemo-verify-") as scratch:
        tar = Path(scratch) / f"{task.shard.name}.tar"
        for path in (tar, index_path(tar)):
            try:
                download(f"{task.url}/{path.name}", path)
            except UserError as error:
                fault(f"{path.name}: {str(error).removeprefix(f'{task.url}/{path.name}: ')}")
        yield from _check_shard(replace(task, folder=Path(scratch)), fault)


def _check_shard(task: _Task, fault: Callable[[str], None]) -> Iterator[str]:
    shard, path = task.shard, task.folder / f"{task.shard.name}.tar"
    if not path.is_file():
        fault(f"{path.name}: missing, and with it {shard.samples:,} samples")
        return
    size = path.stat().st_size
    if size != shard.bytes:
        cut = ": cut off" if size < shard.bytes else ""
        fault(f"{path.name}: {size:,} bytes, {SHARDS} says {shard.bytes:,}{cut}")
    elif sha256_of(path) != shard.sha256:
        fault(f"{path.name}: damaged, its sha256 is not the one in {SHARDS}")
    side = index_path(path)
    try:
        if sha256_of(side) != shard.index_sha256:
            fault(f"{side.name}: damaged, its sha256 is not the one in {SHARDS}")
        index = read_index(path)
    except (OSError, ValueError) as error:
        fault(f"{side.name}: unreadable: {error}")
        return
    if len(index) != shard.samples:
        fault(f"{side.name}: lists {len(index):,} samples, {SHARDS} says {shard.samples:,}")
    whole = (index[:, (0, 2)] + index[:, (1, 3)]).max(axis=1, initial=0) <= size
    if not whole.all():
        fault(
            f"{path.name}: {int((~whole).sum()):,} of {len(index):,} samples lie beyond its end and are lost"
        )
    with path.open("rb") as stream:
        for place in np.flatnonzero(whole).tolist():
            identifier = _check_sample(task, stream.fileno(), place, index[place].tolist(), fault)
            if identifier is not None:
                yield identifier


def _check_sample(
    task: _Task, descriptor: int, place: int, offsets: list[int], fault: Callable[[str], None]
) -> str | None:
    """The sample's id, or None where there is no readable record."""
    image_at, image_size, record_at, record_size = offsets
    where = f"{task.shard.name}.tar: sample {place}"
    if min(offsets) < 0 or min(image_at, record_at) < BLOCK:
        fault(f"{where}: the index points nowhere")
        return None
    try:
        record = json.loads(os.pread(descriptor, record_size, record_at))
        identifier = str(record["id"])
    except (ValueError, KeyError, TypeError) as error:
        fault(f"{where}: record unreadable: {type(error).__name__}: {error}")
        return None
    where += f" ({identifier})"
    try:
        Sample.from_record(record)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        fault(f"{where}: record: {'; '.join(problems)}")
        return identifier
    names = [
        parse_header(os.pread(descriptor, BLOCK, at - BLOCK)) for at in (image_at, record_at)
    ]  # fmt: skip
    key, (image_header, record_header) = member_key(identifier), names
    if record_header != (f"{key}.json", record_size):
        fault(f"{where}: the tar's header before its record is damaged or another's")
    if image_header is None or not image_header[0].startswith(f"{key}.") or image_header[1] != image_size:
        fault(f"{where}: the tar's header before its image is damaged or another's")
    data = os.pread(descriptor, image_size, image_at)
    if task.untouched and hashlib.sha256(data).hexdigest() != record["source"].get("sha256"):
        fault(f"{where}: the image is not the one whose sha256 the record gives")
    if task.decode:
        try:
            extension, width, height = probe_image(data, task.max_pixels)
            if (width, height) != (record.get("width"), record.get("height")):
                stated = f"{record.get('width')}x{record.get('height')}"
                fault(f"{where}: the image is {width}x{height}, the record says {stated}")
            if image_header is not None and image_header[0] != f"{key}.{extension}":
                fault(f"{where}: the image is a {extension}, the tar calls it {image_header[0]}")
        except SampleError as error:
            fault(f"{where}: image: {error}")
    return identifier


def _shard_lines(folder: Path, names: list[str], fault: Callable[[str], None]) -> Iterator[ShardReport]:
    """The shards that shards.jsonl lists; faults for lines that say nothing, and for files nobody lists."""
    shards: dict[str, ShardReport] = {}
    try:
        text = (folder / SHARDS).read_bytes()
    except OSError as error:
        fault(f"{SHARDS}: unreadable: {error.strerror}")
        text = b""
    template = ShardReport("a-00000", "a", 0, 0, "", "")
    for number, line in enumerate(text.splitlines(), 1):
        try:
            shard = ShardReport(**json.loads(line))
            fits = all(type(value) is type(getattr(template, key)) for key, value in asdict(shard).items())
            if not fits or not SHARD_FILE.match(f"{shard.name}.tar"):
                raise ValueError("values of the wrong kind")
        except (ValueError, TypeError) as error:
            fault(f"{SHARDS}: line {number} is no shard: {error}")
            continue
        if shard.name in shards:
            fault(f"{SHARDS}: line {number}: {shard.name} a second time")
        shards[shard.name] = shard
    listed = {name for shard in shards for name in (f"{shard}.tar", f"{shard}.index.npy")}
    for name in names:
        if SHARD_FILE.match(name) and name not in listed:
            fault(f"{name}: lies here, but {SHARDS} does not list it")
    yield from shards.values()


def _manifest(folder: Path, shards: list[ShardReport], fault: Callable[[str], None]) -> dict[str, Any]:
    """The manifest ({} where there is none), its counts compared with the shards'."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        stated = {
            split: (counts["samples"], counts["shards"]) for split, counts in manifest["splits"].items()
        }
    except FileNotFoundError:
        fault(f"{MANIFEST}: missing: the build is not finished; run it again")
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault(f"{MANIFEST}: unreadable: {type(error).__name__}: {error}")
        return {}
    if manifest.get("format") != FORMAT:
        fault(f"{MANIFEST}: format {manifest.get('format')!r}, this version reads {FORMAT}")
    samples: Counter[str] = Counter()
    for shard in shards:
        samples[shard.split] += shard.samples
    counts = Counter(shard.split for shard in shards)
    for split in sorted(stated.keys() | counts.keys()):
        found = (samples[split], counts[split])
        if stated.get(split) != found:
            said = stated.get(split)
            fault(f"{MANIFEST}: split {split} has {said} samples and shards, {SHARDS} {found}")
    try:
        failures = len((folder / FAILURES).read_bytes().splitlines())
    except OSError as error:
        fault(f"{FAILURES}: unreadable: {error.strerror}")
    else:
        if failures != sum(len(shard.failures) for shard in shards):
            fault(
                f"{FAILURES}: {failures} lines, {SHARDS} has {sum(len(s.failures) for s in shards)} failures"
            )
    return manifest
