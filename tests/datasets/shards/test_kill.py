"""kill -9 at any step and at random bytes, full disks, lost workers: a rerun always ends in the same set."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from vemo.datasets.shards import BuildConfig, build, pool, verify
from vemo.foundation.errors import UserError

VEMO = Path(sys.executable).with_name("vemo")

# Runs a build over and over in forked children; child k dies without a farewell at its k-th step on disk.
DIE_AT_EVERY_STEP = """
import io, os, pathlib, shutil, sys
from vemo.datasets.shards import BuildConfig, build, tar
from vemo.foundation import files

root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
reader = {"kind": "image_folder", "space": "mikels8"}

def steps(after):
    count = 0
    def step(original):
        def stepping(*arguments, **options):
            nonlocal count
            count += 1
            if count == after:
                os._exit(9)
            return original(*arguments, **options)
        return stepping
    return step

def run(after=None):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stderr = open(os.devnull, "w")
    if after:
        step = steps(after)
        pathlib.Path.replace = step(pathlib.Path.replace)
        pathlib.Path.unlink = step(pathlib.Path.unlink)
        pathlib.Path.mkdir = step(pathlib.Path.mkdir)
        shutil.rmtree = step(shutil.rmtree)
        os.fsync = step(os.fsync)
        tar.TarShard._write = step(tar.TarShard._write)
    config = dict(root=root, reader=reader, samples_per_shard=3, workers=0, tolerance=1)
    build(BuildConfig(out=out, **config))
    os._exit(0)

step = 1
while True:
    code = run(step)
    assert code in (0, 9), code
    print(step, code, len(list(out.rglob("*.part"))), flush=True)
    assert run() == 0
    found = {p.relative_to(out).as_posix(): files.sha256_of(p) for p in out.rglob("*") if p.is_file()}
    print(sorted(found.items()), flush=True)
    shutil.rmtree(out)
    if code == 0:
        break
    step += 1
"""


@pytest.fixture
def reference(make_folder, make_config, hashes, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, str]]]:
    """reference(count, **settings): a source folder and the hashes of its uninterrupted build."""

    def make(count: int, **settings) -> tuple[Path, dict[str, str]]:
        root = make_folder(count)
        (root / "awe" / "broken.jpg").write_bytes(b"")
        whole = tmp_path / "whole"
        build(make_config(root, out=whole, tolerance=1, **settings))
        return root, hashes(whole)

    return make


@pytest.mark.slow
def test_dying_at_every_step(reference, tmp_path: Path) -> None:
    root, expected = reference(9, samples_per_shard=3)
    (tmp_path / "die.py").write_text(DIE_AT_EVERY_STEP)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, tmp_path / "die.py", root, out],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    lines = done.stdout.splitlines()
    codes, sets = [line.split()[1] for line in lines[::2]], lines[1::2]
    assert codes[-1] == "0" and set(codes[:-1]) == {"9"} and len(codes) > 80
    assert any(line.split()[2] != "0" for line in lines[::2])  # some died with a part on disk
    assert set(sets) == {str(sorted(expected.items()))}


def write_config(root: Path, out: Path, folder: Path, **settings) -> Path:
    reader = {"kind": "image_folder", "space": "mikels8"}
    config = {"root": str(root), "out": str(out), "reader": reader, "tolerance": 1.0, **settings}
    (folder / "build.yaml").write_text(yaml.safe_dump(config))
    return folder / "build.yaml"


def start(root: Path, out: Path, tmp_path: Path, **settings) -> subprocess.Popen:
    """`vemo shards build` as people run it."""
    command = [VEMO, "shards", "build", write_config(root, out, tmp_path, **settings)]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def written(out: Path) -> int:
    """Bytes of shards on disk, finished or not."""
    total = 0
    for path in out.glob("*.tar*") if out.exists() else ():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


@pytest.mark.slow
def test_kill_9_at_random_bytes(reference, hashes, tmp_path: Path) -> None:
    root, expected = reference(600, samples_per_shard=25)
    size = sum(p.stat().st_size for p in (tmp_path / "whole").glob("*.tar"))
    seed = random.randrange(2**32)
    draw, out, killed = random.Random(seed), tmp_path / "out", 0
    for _ in range(6):
        limit = draw.randrange(size)
        process = start(root, out, tmp_path, samples_per_shard=25, workers=2)
        while process.poll() is None and written(out) < limit:
            time.sleep(0.0005)
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive, f"orphans outlive the build (seed {seed})"
    process = start(root, out, tmp_path, samples_per_shard=25, workers=2)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert killed >= 1, "every run was over before it could be killed"
    assert output.splitlines()[0] == "600 of 601 images, 1 failed: 1 undecodable_image"
    assert hashes(out) == expected, f"seed {seed}"


def test_a_killed_worker_is_one_line(reference, hashes, tmp_path: Path) -> None:
    root, expected = reference(300, samples_per_shard=10)
    out = tmp_path / "out"
    process = start(root, out, tmp_path, samples_per_shard=10, workers=1)
    while process.poll() is None and not list(out.glob("*.part")):
        time.sleep(0.0005)
    assert process.poll() is None
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.open_files() and any(".part" in file.path for file in child.open_files()):
            child.kill()
    _, errors = process.communicate(timeout=120)
    if process.returncode:  # the worker may have closed its part between our two looks
        assert process.returncode == 2
        assert errors.splitlines()[-1].startswith("vemo: a worker process was killed")
        assert "Traceback" not in errors
    build(config_for(root, out))
    assert hashes(out) == expected


def config_for(root: Path, out: Path, **settings) -> BuildConfig:
    reader = {"kind": "image_folder", "space": "mikels8"}
    values = {
        "root": root,
        "out": out,
        "reader": reader,
        "workers": 0,
        "tolerance": 1,
        "samples_per_shard": 10,
    }
    return BuildConfig.model_validate(values | settings)


def test_two_builds_do_not_share_a_folder(make_folder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pool, "LOCK_SECONDS", 0.1)
    root, out = make_folder(3), tmp_path / "out"
    out.mkdir()
    with pool.only_build_in(out), pytest.raises(UserError, match="another build is writing here"):
        build(config_for(root, out))
    assert build(config_for(root, out)).ok


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_size_limit_is_one_line(make_folder, hashes, tmp_path: Path, workers: int) -> None:
    """Stands for any error while writing, at any byte: the kernel refuses to let files grow."""
    root = make_folder(60)
    build(config_for(root, tmp_path / "whole"))
    out, limit = tmp_path / "out", 9_000
    assert max(p.stat().st_size for p in (tmp_path / "whole").glob("*.tar")) > limit
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    program = f"""
import resource, sys
from vemo.cli import main
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {before[1]}))
    sys.exit(main(sys.argv[1:]))
"""
    (tmp_path / "limited.py").write_text(program)
    config = write_config(root, out, tmp_path, samples_per_shard=10, workers=workers)
    command = [sys.executable, tmp_path / "limited.py", "shards", "build", config]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (out / "manifest.json").exists()
    assert not list(out.glob("*.part"))
    build(config_for(root, out))
    assert hashes(out) == hashes(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 300 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_is_one_line_and_no_loss(
    make_folder, hashes, small_disk, tmp_path: Path, workers: int
) -> None:
    root = make_folder(160)
    build(config_for(root, tmp_path / "whole"))
    needed = sum(p.stat().st_size for p in (tmp_path / "whole").iterdir())
    ballast = small_disk / "ballast"
    out = small_disk / "out"
    ballast.write_bytes(bytes(200_000))
    assert needed > 100_000
    process = start(root, out, tmp_path, samples_per_shard=10, workers=workers)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert "No space left on device" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    ballast.unlink()
    done = list(out.glob("*.tar"))
    assert not list(out.glob("*.part"))
    if needed > 290_000:
        subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    report = build(config_for(root, out))
    assert report.packed == 160 and len(done) < sum(split["shards"] for split in report.splits.values())
    assert hashes(out) == hashes(tmp_path / "whole")
    assert verify(out, workers=0).ok


def test_interrupting_ends_the_workers(make_folder, tmp_path: Path) -> None:
    process = start(make_folder(400), tmp_path / "out", tmp_path, samples_per_shard=10, workers=2)
    while process.poll() is None and not list((tmp_path / "out").glob("*.tar")):
        time.sleep(0.001)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "vemo: interrupted" and "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=20)[1]
