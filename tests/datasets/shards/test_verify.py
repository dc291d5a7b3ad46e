"""Damage of every kind is found and named, and never raises; counts are those of the records."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vemo.cli import main
from vemo.datasets.shards import build, stats, verify
from vemo.datasets.shards.layout import member_key, read_index
from vemo.datasets.shards.tar import TarShard
from vemo.foundation.errors import UserError
from vemo.foundation.files import sha256_of


@pytest.fixture
def shard_set(make_folder, make_config) -> Path:
    """24 samples in three shards of eight, and one failure."""
    root = make_folder(24, split="train")
    (root / "train" / "awe" / "broken.jpg").write_bytes(b"")
    return build(make_config(root, samples_per_shard=9, tolerance=1)).out


def faults(folder: Path, **options) -> list[str]:
    report = verify(folder, workers=0, **options)
    assert report.ok == (not report.faults)
    return list(report.faults)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


def test_a_sound_set(shard_set: Path) -> None:
    report = verify(shard_set, workers=2)
    assert report.ok and report.samples == 24 and report.shards == 3
    assert report.summary.endswith("24 samples in 3 shards, every one sound")


def test_a_tar_cut_in_half(shard_set: Path) -> None:
    path = shard_set / "train-00001.tar"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = faults(shard_set)
    assert len(found) == 2
    assert found[0].startswith("train-00001.tar: ") and found[0].endswith(": cut off")
    assert "train-00001.tar: " in found[1] and "of 7 samples lie beyond its end and are lost" in found[1]


@pytest.mark.parametrize("name", ["train-00002.tar", "train-00002.index.npy"])
def test_a_missing_file(shard_set: Path, name: str) -> None:
    (shard_set / name).unlink()
    assert [fault.split(":")[0] for fault in faults(shard_set)] == [name]


def test_a_flipped_byte_in_an_image_names_the_sample(shard_set: Path) -> None:
    tar = shard_set / "train-00000.tar"
    offset, size, record_offset, record_size = read_index(tar)[3].tolist()
    record = json.loads(tar.read_bytes()[record_offset : record_offset + record_size])
    overwrite(tar, offset + size // 2, bytes(200))
    found = faults(shard_set)
    assert found[0] == "train-00000.tar: damaged, its sha256 is not the one in shards.jsonl"
    assert all(f"sample 3 ({record['id']})" in fault for fault in found[1:])
    assert any("not the one whose sha256 the record gives" in fault for fault in found[1:])
    assert any("undecodable_image" in fault for fault in found[1:])
    assert not any("undecodable_image" in fault for fault in faults(shard_set, decode=False))


def test_a_flipped_byte_in_a_record_and_in_a_header(shard_set: Path) -> None:
    tar = shard_set / "train-00000.tar"
    index = read_index(tar)
    overwrite(tar, int(index[2, 2]), b"[")
    overwrite(tar, int(index[5, 0]) - 400, b"9")
    found = "\n".join(faults(shard_set))
    assert "train-00000.tar: sample 2: record unreadable" in found
    assert "sample 5" in found and "header before its image is damaged" in found


def test_every_byte_counts(shard_set: Path) -> None:
    """Wherever a bit falls over in tar or index, verify says so."""
    draw = np.random.default_rng(0)
    for name in ("train-00001.tar", "train-00001.index.npy"):
        path = shard_set / name
        content = path.read_bytes()
        for place in draw.integers(0, len(content), 25).tolist():
            overwrite(path, place, bytes([content[place] ^ 1 << int(draw.integers(8))]))
            assert any(name in fault for fault in faults(shard_set, decode=False)), (name, place)
            overwrite(path, place, content[place : place + 1])
    assert faults(shard_set) == []


def test_damaged_lists(shard_set: Path) -> None:
    lines = (shard_set / "shards.jsonl").read_text().splitlines()
    manifest = (shard_set / "manifest.json").read_text()
    cases: list[tuple[str, str, str]] = [
        (
            "shards.jsonl",
            "\n".join(lines[:2]),
            "train-00002.tar: lies here, but shards.jsonl does",
        ),
        ("shards.jsonl", "\n".join([*lines, lines[0]]), "train-00000 a second time"),
        ("shards.jsonl", "\n".join([*lines, '{"name": "../../etc"}']), "line 4 is no shard"),
        ("shards.jsonl", "\n".join([*lines, "{"]), "line 4 is no shard"),
        ("shards.jsonl", "", "split train has (24, 3) samples and shards, shards.jsonl (0, 0)"),
        ("manifest.json", "{", "manifest.json: unreadable"),
        ("manifest.json", "[]", "manifest.json: unreadable"),
        ("manifest.json", manifest.replace('"samples": 24', '"samples": 25'), "split train has (25, 3)"),
        (
            "manifest.json",
            manifest.replace('"format": 1', '"format": 9', 1),
            "format 9, this version",
        ),
        ("failures.jsonl", "", "0 lines, shards.jsonl has 1 failures"),
    ]
    for name, content, message in cases:
        before = (shard_set / name).read_bytes()
        (shard_set / name).write_text(content)
        assert any(message in fault for fault in faults(shard_set)), (name, message, faults(shard_set))
        (shard_set / name).write_bytes(before)
    (shard_set / "manifest.json").unlink()
    assert faults(shard_set) == ["manifest.json: missing: the build is not finished; run it again"]


def rewrite(folder: Path, change: Callable[[dict], dict]) -> None:
    """Pack train-00000 again, with `change` applied to the record of its first sample, hashes and all."""
    tar = folder / "train-00000.tar"
    content, samples = tar.read_bytes(), []
    for a, n, b, m in read_index(tar).tolist():
        samples.append((content[a : a + n], json.loads(content[b : b + m])))
    samples[0] = (samples[0][0], change(samples[0][1]))
    with TarShard(tar) as shard:
        for image, record in samples:
            shard.add(member_key(record["id"]), "jpg", image, json.dumps(record).encode())
        figures = shard.finish()
    lines = [json.loads(line) for line in (folder / "shards.jsonl").read_text().splitlines()]
    lines[0] |= figures
    (folder / "shards.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert figures["sha256"] == sha256_of(tar)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r | {"labels": {"mikels8": {"class": "envy"}}}, "mikels8 has no class 'envy'"),
        (lambda r: r | {"width": 41}, "the image is 40x30, the record says 41x30"),
        (lambda r: r | {"oops": 1}, "oops"),
        (lambda r: r | {"source": r["source"] | {"sha256": "0" * 64}}, "not the one whose sha256"),
        (lambda r: r | {"id": "image-folder/train/awe/00001.jpg"}, "have an id that another sample has, too"),
    ],
)
def test_records_that_lie(shard_set: Path, change: Callable[[dict], dict], message: str) -> None:
    rewrite(shard_set, change)
    found = faults(shard_set)
    assert len(found) == 1 and message in found[0]


def test_no_shard_set_at_all(tmp_path: Path) -> None:
    for function in (verify, stats):
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(UserError, match=r"no .*shard set"):
                function(folder)


def test_the_command_line(shard_set: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["shards", "verify", str(shard_set)]) == 0
    assert "every one sound" in capsys.readouterr().out
    assert main(["shards", "stats", str(shard_set)]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 24
    (shard_set / "train-00001.tar").unlink()
    assert main(["shards", "verify", str(shard_set)]) == 1
    assert "train-00001.tar: missing, and with it 7 samples" in capsys.readouterr().out
    assert main(["shards", "stats", str(shard_set)]) == 2
    assert capsys.readouterr().err.startswith("vemo: ")
    assert main(["shards", "verify", str(tmp_path)]) == 2


def test_stats_count_the_records(shard_set: Path) -> None:
    counts = stats(shard_set)
    train = counts["splits"]["train"]
    assert counts["samples"] == train["samples"] == 24 and train["shards"] == 3
    assert counts["bytes"] == sum(path.stat().st_size for path in shard_set.glob("*.tar"))
    names = ["amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"]
    assert train["labels"] == {"mikels8": dict(zip(names, [6, 6, 0, 0, 6, 0, 0, 6]))}
    assert list(train["labels"]["mikels8"]) == names
    assert train["sides"] == [30, 40]
