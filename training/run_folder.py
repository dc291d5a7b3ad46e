"""The run folder: what ran, on what, and whether the same may go on in it.

```
runs/tiny/
    config.yaml  metrics.jsonl  log.txt  checkpoints/  pictures/
    .lock        held, as long as somebody trains here
```
"""

import fcntl
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from ..foundation import UserError
from ..foundation.files import write_atomically

_PACKAGES = ("vemo", "torch", "torchvision", "timm", "open_clip_torch", "numpy", "pydantic")

LOCK_SECONDS = 10.0


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Make `folder` and hold it against other trainers; UserError when there is one or it cannot be made.

    Waits up to LOCK_SECONDS: the loader workers of a trainer that was just killed hold its lock until they
    notice, and an elastic restart must not fail for that. The lock goes with the processes that hold it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"{folder}: cannot be used as a run folder: {error}") from error
    try:
        _hold(lock, folder)
        with suppress(OSError):  # a full disk; it is only there to be read by people
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"process {os.getpid()} on {platform.node()}".encode(), 0)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)  # also for workers that were forked meanwhile
        os.close(lock)


def _hold(lock: int, folder: Path) -> None:
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                who = os.pread(lock, 200, 0).decode() or "it does not say who"
                mend = "wait for it, end it, or take another run folder"
                raise UserError(f"{folder}: another trainer is at work here ({who}); {mend}") from None
            time.sleep(0.1)
        except OSError:
            return None  # a file system without locks


def write_config(path: Path, settings: dict[str, Any]) -> None:
    """Write the resolved settings and the environment they ran in as YAML."""
    with write_atomically(path) as stream:
        text = yaml.safe_dump({**settings, "environment": environment()}, sort_keys=False, allow_unicode=True)
        stream.write(text.encode())


def environment() -> dict[str, Any]:
    """Versions, platform and, in a checkout, the commit (`dirty` if it was changed since)."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    facts: dict[str, Any] = {"versions": versions, "platform": platform.platform()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        facts["git"] = {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}
    return facts


def as_plain(settings: Any) -> Any:
    """`settings` as JSON would hand it back, so that saved and present ones can be compared."""
    return json.loads(json.dumps(settings, default=str))


def refuse_changes(run_dir: Path, saved: dict[str, Any], present: dict[str, Any], free: list[str]) -> None:
    """UserError naming every pinned setting that differs from the checkpoint's; `free` are those that may."""
    old, new = dict(_flatten(saved)), dict(_flatten(present))
    # Null and absent are one: an older version may not have had the setting.
    changed = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    if changed:
        lines = [f"  {key}: was {_shown(old, key)}, now {_shown(new, key)}" for key in changed]
        count = f"{len(changed)} setting{'s differ' if len(changed) > 1 else ' differs'}"
        raise UserError(
            "\n".join([f"{run_dir}: cannot resume, {count} from the checkpoint's", *lines])
            + f"\n  (use another run folder to start afresh; when resuming you may change {', '.join(free)})"
        )


def _shown(settings: dict[str, Any], key: str) -> str:
    return json.dumps(settings[key], ensure_ascii=False) if key in settings else "absent"


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _git(*arguments: str) -> str:
    """What git says of the checkout this package lies in; nothing, where there is neither."""
    try:
        here = Path(__file__).parent
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
