"""The engine that a build asks for: processes of this machine, or a Ray cluster."""

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from . import pool
from .config import BuildConfig
from .ray_pool import map_over_ray


def run_tasks(
    config: BuildConfig, function: Callable[[Any], Any], tasks: Iterable[Any], lock: Path
) -> Generator[tuple[Any, Any], None, None]:
    """(task, function(task)) as they are done; close it when leaving. Processes share the lock on `lock`."""
    if config.engine == "ray":
        return map_over_ray(function, tasks, config.workers, config.ray_address)
    return pool.map_over_processes(function, tasks, config.workers, lock)


def warm_up(config: BuildConfig, function: Callable[[Any], Any]) -> None:
    """What can be done for a later `run_tasks` without waiting for it."""
    if config.engine == "local":
        pool.warm_up(function, config.workers)
