"""The tar writer: what others read out of it, where the index points, what it leaves behind."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from vemo.datasets.shards.layout import member_key, read_index, read_records
from vemo.datasets.shards.tar import BLOCK, TarShard, index_path, member_header, parse_header

MEMBERS = [
    ("a", "jpg", b"\xff\xd8\xff one", b'{"id": "a"}'),
    ("b" * 80, "webp", b"", b'{"id": "b"}'),
    ("c-d_E", "png", bytes(range(256)) * 40, '{"id": "ü"}'.encode()),
]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "train-00000.tar"
    with TarShard(path) as tar:
        for key, extension, image, record in MEMBERS:
            tar.add(key, extension, image, record)
        tar.finish()
    return path


def test_tarfile_reads_it(shard: Path) -> None:
    with tarfile.open(shard) as archive:
        found = [(member.name, archive.extractfile(member).read()) for member in archive]
        owners = {(member.uid, member.gid, member.mode, member.mtime, member.type) for member in archive}
    assert found == [pair for k, e, i, r in MEMBERS for pair in ((f"{k}.{e}", i), (f"{k}.json", r))]
    assert owners == {(0, 0, 0o644, 0, tarfile.REGTYPE)}
    assert not archive.pax_headers


def test_the_header_is_what_tarfile_writes(shard: Path) -> None:
    for name, size in (("a.jpg", 0), ("b" * 90 + ".json", 8**11 - 1)):
        info = tarfile.TarInfo(name)
        info.size = size
        ours, theirs = member_header(name, size), info.tobuf(tarfile.USTAR_FORMAT)
        assert len(ours) == BLOCK
        assert parse_header(ours) == (name, size)
        # Python leaves the device numbers of plain files blank; all else, save the checksum of that, agrees.
        keep = [i for i in range(BLOCK) if not (148 <= i < 156 or 329 <= i < 345)]
        assert bytes(ours[i] for i in keep) == bytes(theirs[i] for i in keep)
        assert tarfile.TarInfo.frombuf(ours, "ascii", "strict").size == size  # checks the checksum


def test_gnu_tar_reads_it(shard: Path, tmp_path: Path) -> None:
    done = subprocess.run(["tar", "-xvf", shard, "-C", tmp_path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == [f"{k}.{e}" for k, x, _, _ in MEMBERS for e in (x, "json")]
    assert (tmp_path / "c-d_E.png").read_bytes() == MEMBERS[2][2]


def test_webdataset_reads_it(shard: Path) -> None:
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False))
    assert [(s["__key__"], s["json"]) for s in samples] == [(key, record) for key, _, _, record in MEMBERS]
    assert [s[extension] for s, (_, extension, _, _) in zip(samples, MEMBERS)] == [m[2] for m in MEMBERS]


def test_the_index_points_at_the_data(shard: Path) -> None:
    content = shard.read_bytes()
    index = read_index(shard)
    assert index.dtype == np.int64
    assert [(content[a : a + n], content[b : b + m]) for a, n, b, m in index.tolist()] == [
        (image, record) for _, _, image, record in MEMBERS
    ]
    assert [record["id"] for record in read_records(shard)] == ["a", "b", "ü"]


def test_figures_are_those_of_the_files(tmp_path: Path) -> None:
    path = tmp_path / "val-00001.tar"
    with TarShard(path) as tar:
        tar.add(*MEMBERS[0])
        figures = tar.finish()
    assert figures == {
        "samples": 1,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "index_sha256": hashlib.sha256(index_path(path).read_bytes()).hexdigest(),
    }


def test_an_empty_shard_is_an_archive(tmp_path: Path) -> None:
    with TarShard(tmp_path / "train-00000.tar") as tar:
        assert tar.finish()["samples"] == 0
    with tarfile.open(tmp_path / "train-00000.tar") as archive:
        assert archive.getnames() == []
    assert read_index(tmp_path / "train-00000.tar").shape == (0, 4)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), TarShard(tmp_path / "train-00000.tar") as tar:
        tar.add(*MEMBERS[0])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 100, "bücher.jpg"])
def test_names_that_ustar_cannot_hold(name: str) -> None:
    with pytest.raises(ValueError):
        member_header(name, 1)


def test_keys_are_plain_and_distinct() -> None:
    identifiers = [
        "plain-1_A",
        "a.b",
        "a/b",
        "a_b",
        "d/" + "x" * 200,
        "d/" + "x" * 201,
        "日本",
        "é",
        "e\udce9",
    ]
    keys = [member_key(identifier) for identifier in identifiers]
    assert keys[0] == "plain-1_A"
    assert len(set(keys)) == len(keys)
    for key in keys:
        member_header(f"{key}.jpeg", 1)
        assert "." not in key and "/" not in key and len(key) <= 80
