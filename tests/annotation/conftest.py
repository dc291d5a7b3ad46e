"""Small valid shard sets to curate, a program that stands in for mongod, and what the real one needs."""

import io
import json
import os
import stat
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from vemo.annotation.database import find_mongod
from vemo.datasets.sample import Sample
from vemo.datasets.shards import ShardReport
from vemo.datasets.shards.tar import TarShard
from vemo.foundation.errors import UserError
from vemo.foundation.files import append_json_line, write_json

# Listens at --port until SIGTERM, which it answers by a file "clean" in --dbpath.
FAKE = """
    #!{python}
    import pathlib, signal, socket, sys, time
    {first}
    given = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
    files = pathlib.Path(given["dbpath"])
    (files / "arguments").write_text("\\n".join(sys.argv[1:]))
    def leave(number, frame):
        time.sleep({slow})
        (files / "clean").touch()
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    with socket.create_server(("127.0.0.1", int(given["port"]))):
        while True:
            time.sleep(0.01)
"""


@pytest.fixture
def fake_mongod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """fake_mongod(first="", slow=0): the stand-in as MONGOD_BIN; it begins with a statement, ends in `slow`
    seconds."""

    def make(first: str = "", slow: float = 0.0) -> Path:
        path = tmp_path / "mongod"
        path.write_text(textwrap.dedent(FAKE).strip().format(python=sys.executable, first=first, slow=slow))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("MONGOD_BIN", str(path))
        return path

    return make


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """pack({split: [what is known of a sample, …]}): a finished shard set of small pictures, in tmp_path."""

    def write(splits: dict[str, list[dict[str, Any]]], name: str = "toy") -> Path:
        out = tmp_path / name
        out.mkdir()
        spaces: set[str] = set()
        for split, samples in splits.items():
            with TarShard(out / f"{split}-00000.tar") as tar:
                for number, known in enumerate(samples):
                    record = sample(f"{split}_{number}", known).to_record()
                    spaces |= set(record.get("labels", {}))
                    tar.add(f"{split}_{number}", "jpg", picture(number, split), json.dumps(record).encode())
                report = ShardReport(f"{split}-00000", split, **tar.finish())
            append_json_line(out / "shards.jsonl", asdict(report))
        counts = {split: {"samples": len(samples), "shards": 1} for split, samples in splits.items()}
        stated = {"format": 1, "dataset": "toy", "spaces": sorted(spaces), "splits": counts}
        write_json(out / "manifest.json", stated)
        return out

    return write


def sample(name: str, known: dict[str, Any]) -> Sample:
    """A valid sample of 8 by 6 pixels, by default with nothing known of it."""
    source = {"dataset": "toy", "path": f"{name}.jpg", "licence": "research-only"}
    return Sample.model_validate({"id": f"toy/{name}", "source": source, "width": 8, "height": 6, **known})


def picture(number: int, split: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (37 * number % 255, 90, 60 * len(split))).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """record(name, **known): a valid record."""
    return lambda name="one", **known: sample(name, known).to_record()


@pytest.fixture
def real_mongod() -> Path:
    """A mongod, where FiftyOne is there, too; skips otherwise."""
    if find_spec("fiftyone") is None:
        pytest.skip("FiftyOne is not installed (the `curate` extra)")
    try:
        return find_mongod()
    except UserError:
        pytest.skip(f"no mongod (MONGOD_BIN={os.environ.get('MONGOD_BIN')}); `make curate` fetches one")
