"""The same work on a Ray cluster: one pure function, a task a shard, retried where a worker dies.

Every node must have vemo installed, and see a `root` and an `out` that are folders under the same paths. What
is behind a URL it reaches by itself.
"""

import socket
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any, TypeVar

from ...foundation.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
RETRIES = 3


def map_over_ray(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, address: str | None = None
) -> Generator[tuple[Task, Result], None, None]:
    """Yield (task, function(task)) as they are done, as `map_over_processes` does.

    address: of a cluster ("auto": the one this machine belongs to); None starts one here, for this call, with
    `workers` processes (-1: one a core). A worker that dies is replaced and its task done again, RETRIES
    times; an exception of `function` ends the iteration at once.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        _refuse_silent(address)
        size = {} if address or workers < 0 else {"num_cpus": max(1, workers)}
        try:
            ray.init(
                address=address, include_dashboard=False, log_to_driver=False, logging_level="error", **size
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f"ray_address={address}: no cluster there ({error})") from None
    remote = ray.remote(max_retries=RETRIES)(function)
    queue, running = iter(tasks), {}
    try:
        # Twice as many as can run: no worker waits for the driver, and a million tasks wait here, not there.
        window = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while True:
            for task in islice(queue, window - len(running)):
                running[remote.remote(task)] = task
            if not running:
                break
            for done in ray.wait(list(running), num_returns=1)[0]:
                task = running.pop(done)
                yield task, _result(ray, done)
    finally:
        for task in running:
            ray.cancel(task, force=True)
        if ours:
            ray.shutdown()


def _refuse_silent(address: str | None) -> None:
    """UserError where nobody answers at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(f"ray_address={address}: no cluster there ({error})") from None


def _result(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # what `function` raised, as if it had run here
    except ray.exceptions.RayError as error:
        raise UserError(
            f"a Ray worker died {RETRIES + 1} times on one shard (out of memory?): "
            f"{str(error).splitlines()[0]}; what is finished is kept: run the same command again, or with "
            "engine=local workers=0 to see where it stops"
        ) from None


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError("engine=ray needs the package ray: pip install 'vemo[scale]'") from None
    return ray
