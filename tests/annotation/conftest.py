"""Small valid shard sets to curate, a program that stands in for mongod, what the real one needs, and the App
as a process."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
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


VEMO = [sys.executable, "-c", "import sys; from vemo.cli import main; sys.exit(main())"]
PATIENCE = 400.0


class Session:
    """`vemo curate open` of a config in a process of its own, and what the App would do to it."""

    def __init__(self, config: Path, *more: str) -> None:
        self.config, self.folder = config, config.parent
        command = [*VEMO, "curate", "open", str(config), *more]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " samples: http://127.0.0.1:" in line, self.process.communicate()[1]
        self.count = int(line.split()[0])
        self.app, _, self.name = line.split()[2].partition("/datasets/")
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.connect()

    def connect(self) -> None:
        import pymongo  # comes with FiftyOne

        port = json.loads((self.folder / "home/database/address.json").read_text())["port"]
        self.client = pymongo.MongoClient("127.0.0.1", port)
        self.dataset = self.client["vemo"]["datasets"].find_one({"name": self.name})
        self.samples = self.client["vemo"][self.dataset["sample_collection_name"]]

    def find(self, identifier: str) -> dict[str, Any]:
        found = self.samples.find_one({"identifier": identifier})
        assert found is not None, identifier
        return found

    def patch(self, identifier: str, **values: Any) -> None:
        """What the Annotate tab sends; `__` stands for a slash."""
        found = self.find(identifier)
        path = f"{self.app}/dataset/{self.dataset['_id']}/sample/{found['_id']}"
        changes = [
            {"op": "replace", "path": f"/{name.replace('__', '/')}", "value": value}
            for name, value in values.items()
        ]
        headers = {
            "Content-Type": "application/json-patch+json",
            "If-Match": f'"{found["last_modified_at"].isoformat()}"',
        }
        self.send(urllib.request.Request(path, json.dumps(changes).encode(), headers, method="PATCH"))

    def tag(self, identifier: str, tag: str) -> None:
        """What the grid's tagger sends."""
        asked = {"dataset": self.name, "view": [], "changes": {tag: True}}
        asked["sample_ids"] = [str(self.find(identifier)["_id"])]
        headers = {"Content-Type": "application/json"}
        self.send(urllib.request.Request(f"{self.app}/tag", json.dumps(asked).encode(), headers))

    def operate(self, name: str, selected: list[str], **given: Any) -> dict[str, Any]:
        """What an operator of the plugin returns, or {"error": …}."""
        asked = {
            "operator_uri": f"@vemo/curate/{name}",
            "params": given,
            "dataset_name": self.name,
            "view": [],
        }
        asked["selected"] = [str(self.find(each)["_id"]) for each in selected]
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.app}/operators/execute", json.dumps(asked).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                self.said = json.loads(answer.read())
                return self.said["result"]
        except urllib.error.HTTPError as error:
            return {"error": error.read().decode()}

    def send(self, request: urllib.request.Request) -> None:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 200

    def views(self) -> set[str]:
        views = self.client["vemo"]["views"]
        return {views.find_one({"_id": each})["name"] for each in self.dataset["saved_views"]}

    def end(self, number: int) -> None:
        self.client.close()
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        _, alive = psutil.wait_procs(self.family, timeout=60)
        assert not alive, "processes outlive the command"


def _edits(config: Path, out: str, *more: str, rater: str = "ann") -> subprocess.CompletedProcess[str]:
    command = [*VEMO, "curate", "edits", str(config), out, "--rater", rater, *more]
    return subprocess.run(
        command, cwd=config.parent, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def edits() -> Callable[..., subprocess.CompletedProcess[str]]:
    """edits(config, out, *more, rater="ann"): `vemo curate edits`."""
    return _edits


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """opened(config, *more): a session; whatever is still open in the end is closed."""
    sessions: list[Session] = []

    def begin(config: Path, *more: str) -> Session:
        sessions.append(Session(config, *more))
        return sessions[-1]

    yield begin
    for session in sessions:
        if session.process.poll() is None:
            session.end(signal.SIGTERM)
