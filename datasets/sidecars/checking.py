"""The verifier's part: every sidecar of a shard set against its own hashes, its shards and their records."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ..sample import Sample
from ..shards.layout import read_records
from ..shards.pool import map_over_processes
from .layout import FOLDER, Shard, Sidecar, read_sidecar, sidecar_names
from .reading import locate_rows, merge_row


@dataclass(frozen=True)
class _Task:
    home: Path
    sidecar: Sidecar
    shard: str


def check_sidecars(home: Path, shards: Sequence[Shard], workers: int) -> tuple[list[str], list[str]]:
    """(names, faults) of all sidecars of a shard set; never raises on damage."""
    names, faults, tasks = sidecar_names(home), [], []
    listed = {shard.name for shard in shards}
    for name in names:
        try:
            sidecar = read_sidecar(home, name)
        except UserError as error:
            faults.append(_local(home, error))
            continue
        if why := sidecar.misfit(shards):
            faults.append(_local(home, sidecar.error(str(home), why)))
            continue
        tasks += [_Task(home, sidecar, shard.name) for shard in shards]
        faults += [
            f"{FOLDER}/{name}/{sidecar.file_of(shard)}: belongs to no shard of the set"
            for shard in sorted(sidecar.shards.keys() - listed)
        ]
    if tasks:
        samples = sum(task.sidecar.shards[task.shard].samples for task in tasks)
        with (
            Progress("verifying sidecars", samples, unit="rows") as progress,
            closing(map_over_processes(check_rows, tasks, workers)) as results,
        ):
            found = {}
            for task, shard_faults in results:
                found[task.sidecar.name, task.shard] = shard_faults
                progress.update(task.sidecar.shards[task.shard].samples, faults=sum(map(len, found.values())))
        for task in tasks:
            faults += found[task.sidecar.name, task.shard]
    return names, faults


def check_rows(task: _Task) -> list[str]:
    """Faults of one shard's rows."""
    sidecar, home = task.sidecar, str(task.home)
    where = f"{FOLDER}/{sidecar.name}/{sidecar.file_of(task.shard)}"
    faults: list[str] = []
    try:
        content = Path(sidecar.path(home, task.shard)).read_bytes()
        offsets = locate_rows(sidecar, home, task.shard, content).tolist()
        records = list(read_records(task.home / f"{task.shard}.tar"))
    except UserError as error:
        return [_local(task.home, error)]
    except Exception as error:  # whatever damage does to us, the other shards are to be checked, too
        return [f"{where}: cannot be checked: {type(error).__name__}: {error}"]
    for place, (record, start, end) in enumerate(zip(records, offsets, offsets[1:])):
        try:
            fault = _fault_of_row(task, record, content[start:end])
        except UserError as error:
            fault = _local(task.home, error)
        except (KeyError, TypeError) as error:  # of a damaged record, whose shard has its own faults
            fault = f"cannot be compared: {type(error).__name__}: {error}"
        if fault is not None:
            faults.append(f"{where}: row {place}: {fault}")
    return faults


def _fault_of_row(task: _Task, record: dict[str, Any], row: bytes) -> str | None:
    sidecar = task.sidecar
    merge_row(sidecar, str(task.home), record, row)
    if sidecar.kind == "array":
        return None if np.isfinite(record[sidecar.name]).all() else f"{record['id']}: not finite"
    given = json.loads(row).keys() - {"id"}
    if strangers := sorted(given - set(sidecar.columns)):
        return f"{record['id']}: gives {', '.join(strangers)}, which is no column of it"
    checked = {key: record[key] for key in given & Sample.model_fields.keys()}
    try:
        Sample.from_record({"id": record["id"], "source": record["source"], **checked})
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        return f"{record['id']}: {'; '.join(problems)}"
    return None


def _local(home: Path, error: UserError) -> str:
    """The message as the verifier's report has it: files by their names in the set's folder."""
    return str(error).removeprefix(f"{home}/")
