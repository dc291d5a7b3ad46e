"""A shard set on its way in a local folder: what is there of it, and how a shard gets into it."""

import json
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...foundation.errors import UserError
from ...foundation.files import append_json_line, read_json_lines, write_atomically, write_json
from .config import BuildConfig
from .engine import run_tasks, warm_up
from .layout import MANIFEST, SHARD_FILE, SHARDS, WORK, finished_shards, json_line
from .plan import PlannedShard
from .pool import only_build_in
from .splits import image_hashes
from .tar import index_path
from .worker import ShardReport, ShardSpec, build_shard

Line = dict[str, Any]  # of shards.jsonl


class LocalSet:
    """`RemoteSet` does the same behind a URL; whoever builds knows no difference."""

    def __init__(self, config: BuildConfig) -> None:
        self.config, self.out = config, Path(config.out)
        self.work = self.out / WORK  # for the plan
        self.folder = self.out  # for tars
        self._hashes: dict[str, np.ndarray] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and hold it against other builds."""
        self._make_folder()
        with only_build_in(self.out):
            yield

    def warm_up(self) -> None:
        """Get workers ready for `pack` while the plan is made."""
        warm_up(self.config, build_shard)

    def begun(self) -> dict[str, Any] | None:
        """{"build": settings, "plan": digest} of the set that was begun or finished here."""
        for path in (self.out / MANIFEST, self.work / "begun.json"):
            if path.exists():
                return parse_begun(path, path.read_bytes(), self.out)
        return None

    def done(self, shards: tuple[PlannedShard, ...]) -> dict[str, Line]:
        """The lines of shards that need no more work: every sample accounted for, tar and index there."""
        lines = finished_shards(self.out)
        return {s.name: lines[s.name] for s in shards if is_done(s, lines.get(s.name), self._size)}

    @property
    def finished(self) -> bool:
        """Whether there is a manifest."""
        return (self.out / MANIFEST).exists()

    def begin(self, begun: dict[str, Any], done: dict[str, Line]) -> None:
        """Note what is begun, and take away what is neither that nor `done`."""
        write_json(self.work / "begun.json", begun)
        (self.out / MANIFEST).unlink(missing_ok=True)
        for path in self.out.iterdir():  # parts, and tars without a line, that a killed build left behind
            if SHARD_FILE.match(path.name) and (
                path.suffix == ".part" or path.name.split(".")[0] not in done
            ):
                path.unlink()
        if len(done) != len(list(read_json_lines(self.out / SHARDS))):
            with write_atomically(self.out / SHARDS) as stream:
                for line in done.values():
                    stream.write(json_line(line))

    def pack(self, specs: list[ShardSpec]) -> Generator[tuple[ShardSpec, Line], None, None]:
        """Build shards; each is done when it is yielded. Close it when leaving."""
        try:
            with closing(run_tasks(self.config, build_shard, specs, lock=self.out)) as reports:
                for spec, (report, hashes) in reports:
                    line = asdict(report)
                    self._hashes[report.name] = hashes
                    append_json_line(self.out / SHARDS, line)
                    yield spec, line
        finally:
            for part in self.out.glob("*.part"):  # of workers that were stopped; a full disk needs the room
                part.unlink()

    def tar(self, shard: str) -> Any:
        """Where a tar is, for `read_records`."""
        return self.out / f"{shard}.tar"

    def image_hashes(self, shards: list[str]) -> dict[str, np.ndarray]:
        """`image_hashes` of every shard: those that packing gave; of shards of an earlier run, read again."""
        if tars := [self.tar(shard) for shard in shards if shard not in self._hashes]:
            with closing(run_tasks(self.config, image_hashes, tars, lock=self.out)) as results:
                self._hashes |= {tar.stem: hashes for tar, hashes in results}
        return self._hashes

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the set, whole or not at all."""
        with write_atomically(self.out / name) as stream:
            stream.write(content)

    def read(self, name: str) -> bytes:
        return (self.out / name).read_bytes()

    def leave(self) -> None:
        """Remove what only the build needed."""
        shutil.rmtree(self.work)

    def abandon(self) -> None:
        """Leave as it was found what this build may not go on with."""
        if self.finished or not (self.work / "begun.json").exists():
            shutil.rmtree(self.work)

    def _size(self, name: str) -> int | None:
        try:
            return (self.out / name).stat().st_size
        except OSError:
            return None

    def _make_folder(self) -> None:
        out = self.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"{out}: out must be a folder, and a file is in its way") from None
        begun = (out / MANIFEST).exists() or self.work.is_dir()
        refuse_strangers(out, begun, [path.name for path in out.iterdir()])


def parse_begun(path: Any, content: bytes, out: Any) -> dict[str, Any]:
    """The part of a manifest or of begun.json that says what was begun."""
    try:
        begun = json.loads(content)
        return {"build": dict(begun["build"]), "plan": str(begun["plan"])}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: damaged; remove {out} and build again") from None


def is_done(shard: PlannedShard, line: Line | None, size: Any) -> bool:
    """Whether a line accounts for every sample of a shard and size(name) for its files."""
    try:
        report = ShardReport(**(line or {}))
        tar = Path(f"{shard.name}.tar")
        whole = size(tar.name) == report.bytes and size(index_path(tar).name) is not None
        return whole and report.samples + len(report.failures) == shard.samples
    except TypeError:
        return False


def refuse_strangers(out: Any, begun: bool, names: list[str]) -> None:
    """UserError where a folder holds something, but no shard set."""
    strangers = sorted(name for name in names if not name.startswith("."))
    if strangers and not begun:
        raise UserError(
            f"{out}: holds {strangers[0]}, but no shard set; choose a new or empty folder for out"
        )
