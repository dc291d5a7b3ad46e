"""A web server whose connections break, and archives with whatever names in them."""

import contextlib
import functools
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Breaking(http.server.SimpleHTTPRequestHandler):
    """Knows ranges and tags; ends the connection after `after` bytes of a body, as often as `times` says."""

    after, times = 3000, 0
    ranges, tags = True, True
    asked: list[tuple[str, str | None]] = []

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range") if self.ranges else None
        type(self).asked.append((path.name, wanted))
        if not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.tags:
            self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        if self.times and len(content) - start > self.after:
            type(self).times -= 1
            self.close_connection = True
            content = content[: start + self.after]
        self.wfile.write(content[start:])
        return None


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[str, type[Breaking]]]]:
    """serve(folder, **settings of Breaking): (its URL, the handler)."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path, **settings) -> tuple[str, type[Breaking]]:
            handler = type("Handler", (Breaking,), {"asked": [], **settings})
            server = stack.enter_context(
                http.server.ThreadingHTTPServer(
                    ("127.0.0.1", 0), functools.partial(handler, directory=folder)
                )
            )
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}", handler

        yield start


def pack_tar(path: Path, files: dict[str, bytes], *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return path


def pack_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def pack() -> Callable[[Path, dict[str, bytes]], Path]:
    """pack(path, files): an archive of the kind that the path's name says."""
    return lambda path, files: (pack_zip if path.suffix == ".zip" else pack_tar)(path, files)


@pytest.fixture(name="pack_tar")
def _pack_tar():
    return pack_tar


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """contents(folder): every file below it."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
