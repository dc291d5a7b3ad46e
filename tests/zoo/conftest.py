"""A release small enough for every test, and web servers that behave as they are told."""

import contextlib
import hashlib
import http.server
import threading
from pathlib import Path

import pytest
import torch
import yaml
from vemo.zoo import Architecture, Preprocessing, ReleaseDescription, build_trunk, save_release
from vemo.zoo.models import ENCODER
from vemo.zoo.pack import PackConfig, pack

ARGUMENTS = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run's folder with an untrained encoder in its release."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(5)
    trunk = build_trunk(ARGUMENTS, "sincos2d")
    interval = {"label_space": "mikels8", "dataset": "stripes", "accuracy": [0.5, 0.4, 0.6]}
    description = ReleaseDescription(
        name="run",
        architecture=Architecture(arguments=ARGUMENTS, positions="sincos2d", pooling="mean"),
        preprocessing=Preprocessing(image_size=32),
        training={"method": "none", "seed": 3},
        data={"dataset": "stripes", "split": "train", "samples": 1234},
        licence="CC-BY-4.0",
        metrics={"linear": interval},
    )
    save_release(folder / "release", trunk.state_dict(), description)
    return folder


@pytest.fixture(scope="session")
def packed(run, tmp_path_factory):
    """The same as a release called `tiny`; not to be written to."""
    return pack(PackConfig(run=run, out=tmp_path_factory.mktemp("packed") / "tiny"), (ENCODER,))


@pytest.fixture
def registry(tmp_path):
    """registry(*entries): the path of a registry of them."""

    def write(*entries):
        path = tmp_path / "registry.yaml"
        path.write_text(yaml.safe_dump({"releases": list(entries)}))
        return path

    return write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache that does not exist yet, nothing else said by the environment, no waiting."""
    for name in ("VEMO_REGISTRY", "VEMO_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.setenv("VEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("vemo.datasets.remote.reading.PAUSES", (0.0, 0.0, 0.0))
    return tmp_path / "cache"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files with ranges and tags, unless `behave(handler, content or None)` does something else.

    asked: (path, headers) of every request.
    """

    folder: Path
    behave = None
    asked: list

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        type(self).asked.append((self.path, dict(self.headers)))
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        content = path.read_bytes() if path.is_file() else None
        with contextlib.suppress(ConnectionError):  # whoever has seen enough hangs up
            if type(self).behave is None or type(self).behave(self, content) == "as usual":
                self.as_usual(content)

    def as_usual(self, content, **more):
        if content is None:
            return self.send_error(404)
        tag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        wanted = self.headers.get("Range")
        if self.headers.get("If-Range", tag) != tag:
            wanted = None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.start(206 if wanted else 200, {"Content-Length": len(content) - start, "ETag": tag, **more})
        self.wfile.write(content[start:])
        return None

    def start(self, state, headers):
        self.send_response(state)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()


@pytest.fixture
def serve():
    """serve(folder, behave=None): (its URL, the handler's class)."""
    with contextlib.ExitStack() as stack:

        def start(folder, behave=None):
            handler = type("Told", (Handler,), {"folder": folder, "behave": behave, "asked": []})
            if behave is not None:
                handler.behave = staticmethod(behave)
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
            server.daemon_threads, server.block_on_close = True, False
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}", handler

        yield start


@pytest.fixture
def entry(packed):
    """entry(*mirrors, **changes): the registry's entry of `tiny`."""
    return lambda *mirrors, **changes: {
        **yaml.safe_load(packed.entry)[0],
        "mirrors": list(mirrors),
        **changes,
    }
