"""What the benchmarks share: candidates measured in turn, and results with all it takes to repeat them."""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import resource
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PACKAGES = ("torch", "torchvision", "webdataset", "pillow", "simplejpeg", "opencv-python-headless", "numpy")


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(callables: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, Any]]:
    """CPU seconds of every candidate: {name: {"median", "min", "max", "rounds"}}.

    Each runs once unmeasured, then all in turn, round after round: what else the machine does hits all alike.
    """
    for function in callables.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in callables}
    for _ in range(rounds):
        for name, function in callables.items():
            before = cpu_seconds()
            function()
            seconds[name].append(cpu_seconds() - before)
    return {
        name: {"median": statistics.median(times), "min": min(times), "max": max(times), "rounds": times}
        for name, times in seconds.items()
    }


def command() -> str:
    """This script's command line, without the paths of this machine."""
    # An absolute path may stand alone, or after the = of key=value or the @ of timm:NAME@FILE.
    arguments = (re.sub(r"(^|[=@])/\S*/", r"\1", text) for text in sys.argv[1:])
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])


def machine() -> dict[str, Any]:
    """Cores, processor, memory, system, and how busy it was: a loaded machine shows in the spread."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def write_result(name: str, payload: dict[str, Any]) -> str:
    """Write docs/results/NAME.json: payload, command, date, machine, versions; returns the text."""
    result = {
        **payload,
        "command": command(),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {package: _version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    return text


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
