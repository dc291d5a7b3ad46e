"""A finished shard set that holds whatever records a test asks for, and a bucket to put things into."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from vemo.datasets.sample import Sample
from vemo.datasets.shards import ShardReport
from vemo.datasets.shards.layout import member_key
from vemo.datasets.shards.tar import TarShard
from vemo.foundation.files import append_json_line, write_json


@pytest.fixture
def pack_records(tmp_path: Path) -> Callable[..., Path]:
    """pack_records({split: [what is known of a sample, …]}, **manifest): one shard a split, in tmp_path."""

    def pack(splits: dict[str, list[dict[str, Any]]], **manifest: Any) -> Path:
        out = tmp_path / "packed"
        out.mkdir()
        for split, samples in splits.items():
            with TarShard(out / f"{split}-00000.tar") as tar:
                for number, known in enumerate(samples):
                    record = sample(f"{split}_{number}", known).to_record()
                    image = picture((37 * number) % 255, len(split))
                    tar.add(member_key(record["id"]), "jpg", image, json.dumps(record).encode())
                report = ShardReport(f"{split}-00000", split, **tar.finish())
            append_json_line(out / "shards.jsonl", asdict(report))
        (out / "failures.jsonl").touch()
        spaces = {
            space for samples in splits.values() for known in samples for space in known.get("labels", {})
        }
        stated = {
            "format": 1,
            "dataset": "toy",
            "licence": "research-only",
            "spaces": sorted(spaces),
            "splits": {split: {"samples": len(samples), "shards": 1} for split, samples in splits.items()},
            "build": {
                "reader": {"kind": "table"},
                "short_side": None,
                "splits": {"train": 1.0},
                "split_seed": 0,
                "codec": "simplejpeg",
            },
            "coverage": {"listed": {}, "expected": {}, "failed": {}, "line": "all images"},
            "copies": 0,
            "leaks": {"images": 0, "drawn_here": 0, "first": [], "groups": 0, "first_groups": []},
        }
        write_json(out / "manifest.json", stated | manifest)
        return out

    return pack


def sample(name: str, known: dict[str, Any]) -> Sample:
    source = {"dataset": "toy", "path": f"{name}.jpg", "sha256": "0" * 64, "licence": "research-only"}
    fixed = {"id": f"toy/{name}", "width": 8, "height": 6}
    return Sample.model_validate({**fixed, **known, "source": source | known.get("source", {})})


def picture(red: int, blue: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (red, 90, blue)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a real S3 server, moto's, on this machine."""
    pytest.importorskip("s3fs", reason="s3fs is not installed (the `remote` extra)")
    server = pytest.importorskip("moto.server", reason="moto is not installed (a test dependency)")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


BUCKETS = count()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty bucket, which this process and those it starts can reach."""
    import s3fs

    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{next(BUCKETS)}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty folder in this process's memory."""
    from fsspec.implementations.memory import MemoryFileSystem

    yield f"memory://{tmp_path.name}"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def put() -> Callable[[Path, str], None]:
    """put(folder, url): copy every file below a folder to a URL."""
    import fsspec

    def copy(folder: Path, url: str) -> None:
        files, root = fsspec.url_to_fs(url)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    return copy


@pytest.fixture
def get() -> Callable[[str], dict[str, bytes]]:
    """get(url): the content of every file below it."""
    import fsspec

    def contents(url: str) -> dict[str, bytes]:
        files, root = fsspec.url_to_fs(url)
        files.invalidate_cache()
        below = [name for name in files.find(root) if name.startswith(f"{root}/")]
        return {name.removeprefix(f"{root}/"): files.cat_file(name) for name in below}

    return contents
