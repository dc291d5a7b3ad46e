"""Shard sets behind URLs: the bytes of a local build, whatever dies on the way."""

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml
from vemo.datasets.remote import places
from vemo.datasets.shards import BuildConfig, build, layout, remote_set, stats, verify
from vemo.datasets.shards.tar import TarShard
from vemo.datasets.shards.worker import cached_reader
from vemo.foundation.errors import UserError

VEMO = Path(sys.executable).with_name("vemo")


@pytest.fixture
def reference(make_folder, make_config, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, bytes]]]:
    """reference(count, **settings): a source with one broken image, and the files of its local build."""

    def make(count: int, **settings) -> tuple[Path, dict[str, bytes]]:
        root = make_folder(count)
        (root / "awe" / "broken.jpg").write_bytes(b"")
        out = tmp_path / "local"
        build(make_config(root, out=out, tolerance=1, **settings))
        return root, {path.name: path.read_bytes() for path in out.iterdir()}

    return make


@pytest.fixture
def remote_config(make_config, tmp_path: Path) -> Callable[..., BuildConfig]:
    """remote_config(root, url, **settings): a build of shards of five, in this process."""

    def make(root: Path, url: str, **settings) -> BuildConfig:
        fixed = {"out": f"{url}/set", "scratch": tmp_path / "scratch", "tolerance": 1, "samples_per_shard": 5}
        return make_config(root, **(fixed | settings))

    return make


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("store", ["memory", "bucket"])
def test_the_bytes_of_a_local_build(reference, remote_config, store, request, get, tmp_path) -> None:
    url = request.getfixturevalue(store)
    root, expected = reference(23, samples_per_shard=5)
    config = remote_config(root, url)
    report = build(config)
    assert report.ok and report.out == f"{url}/set"
    assert report.coverage == "23 of 24 images, 1 failed: 1 undecodable_image"
    assert get(f"{url}/set") == expected
    assert not left_in(config.scratch)
    assert f"every failure, with its reason: {url}/set/failures.jsonl" in report.summary
    assert build(config) == report and get(f"{url}/set") == expected


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("name", ["upload", "write", "remove"])
def test_dying_before_and_after_every_step(
    reference, remote_config, memory, get, monkeypatch, tmp_path, name
) -> None:
    """Every upload, marker, list and removal; whoever goes on has another, empty disk."""
    root, expected = reference(9, samples_per_shard=3)
    original = getattr(places, name)
    left = 0

    def step(*arguments, **options):
        nonlocal left
        left -= 1
        if left == 0:
            raise Interrupted
        original(*arguments, **options)
        if left == 0.5:
            raise Interrupted

    steps = 0
    for steps in range(1, 30):
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
        files = places.open_place(memory)[0]
        files.store.clear()
        settings = {"samples_per_shard": 3}
        left = steps / 2 + 0.5  # before the first, after the first, before the second …
        monkeypatch.setattr(remote_set, name, step)
        try:
            build(remote_config(root, memory, **settings))
            break
        except Interrupted:
            monkeypatch.setattr(remote_set, name, original)
            elsewhere = tmp_path / "another disk"
            build(remote_config(root, memory, scratch=elsewhere, **settings))
            assert get(f"{memory}/set") == expected
            assert not left_in(elsewhere)
    assert steps > {"upload": 12, "write": 12, "remove": 1}[name]


def test_what_is_done_is_not_done_again(reference, remote_config, memory, get, monkeypatch) -> None:
    root, expected = reference(23, samples_per_shard=5)
    built = []

    def counted(spec):
        built.append(spec.shard.name)
        if len(built) == 3:
            raise KeyboardInterrupt
        return original(spec)

    original = remote_set.build_shard
    monkeypatch.setattr(remote_set, "build_shard", counted)
    with pytest.raises(KeyboardInterrupt):
        build(remote_config(root, memory))
    first = built[:2]
    there = get(f"{memory}/set")
    assert {f".build/done/{name}.json" for name in first} | {".build/begun.json"} == {
        name for name in there if name.startswith(".build")
    }
    assert "manifest.json" not in there
    places.write(f"{memory}/set/{first[0]}.tar", b"cut")  # its marker alone makes no shard
    built[:] = ["", "", ""]
    build(remote_config(root, memory))
    assert first[0] in built and first[1] not in built
    assert get(f"{memory}/set") == expected


def test_a_shard_lost_from_a_finished_set_is_built_again(reference, remote_config, memory, get) -> None:
    root, expected = reference(23, samples_per_shard=5)
    build(remote_config(root, memory))
    places.remove(f"{memory}/set/train-00001.tar")
    places.remove(f"{memory}/set/train-00002.index.npy")
    build(remote_config(root, memory))
    assert get(f"{memory}/set") == expected


def test_leaks_are_found_without_the_tars(make_folder, make_config, remote_config, memory, get) -> None:
    root = make_folder(12)
    for number in range(3):
        shutil.copy(root / "awe" / "00001.jpg", root / "awe" / f"copy-{number}.jpg")
    half = {"splits": {"train": 0.5, "test": 0.5}, "on_leak": "warn"}
    local = make_config(root, samples_per_shard=5, tolerance=1, **half)
    build(local)
    report = build(remote_config(root, memory, **half))
    assert report.warnings and "identical images lie in more than one split" in report.warnings[0]
    assert get(f"{memory}/set") == {path.name: path.read_bytes() for path in Path(local.out).iterdir()}
    with pytest.raises(UserError, match=r"^memory://\S+/other: 1 images lie in more than one of the splits"):
        build(remote_config(root, memory, **half | {"on_leak": "error", "out": f"{memory}/other"}))


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_and_another_source_are_refused(
    make_folder, remote_config, memory, get, monkeypatch, finished
) -> None:
    root = make_folder(12)
    if not finished:
        monkeypatch.setattr(remote_set.RemoteSet, "image_hashes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(remote_config(root, memory))
        monkeypatch.undo()
    else:
        build(remote_config(root, memory))
    before = get(f"{memory}/set")
    with pytest.raises(
        UserError, match=r"^memory://\S+/set: was begun with other settings: .*short_side was"
    ):
        build(remote_config(root, memory, short_side=16))
    make_folder(1, first=12)
    with pytest.raises(UserError, match=f"{root} does not list the samples this set was begun with"):
        build(remote_config(root, memory))
    assert get(f"{memory}/set") == before


def test_somebody_who_began_in_the_meantime_is_noticed(make_folder, remote_config, bucket, get) -> None:
    """The store decides who was first: two that begin at once cannot both believe it."""
    theirs = {"build": {"samples_per_shard": 7}, "plan": "0" * 64}
    config = remote_config(make_folder(3), bucket)
    target = remote_set.RemoteSet(config)
    target.begin(theirs, {})
    with pytest.raises(UserError, match=r"build\.samples_per_shard was 7 and is now 5"):
        target.begin({"build": {"samples_per_shard": 5}, "plan": "0" * 64}, {})
    target.begin(theirs, {})


def test_what_is_no_place_for_a_set(make_folder, remote_config, memory, monkeypatch) -> None:
    root = make_folder(3)
    places.write(f"{memory}/set/holiday.jpg", b"x")
    with pytest.raises(UserError, match=r"memory://\S+/set: holds holiday.jpg, but no shard set"):
        build(remote_config(root, memory))
    for out in ("https://example.org/set", "s3://bucket/set*"):
        with pytest.raises(ValueError, match="a web server cannot be written to"):
            remote_config(root, memory, out=out)


def run(*arguments, **environment) -> subprocess.CompletedProcess:
    """`vemo` as people run it."""
    command = [VEMO, *map(str, arguments)]
    environment = {key: value for key, value in {**os.environ, **environment}.items() if value}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def write_yaml(tmp_path: Path) -> Callable[..., Path]:
    def write(root: Path, out: str, **settings) -> Path:
        reader = {"kind": "image_folder", "space": "mikels8"}
        values = {"root": str(root), "out": out, "reader": reader, "scratch": str(tmp_path / "scratch")}
        values |= {"tolerance": 1.0, "samples_per_shard": 5, "workers": 2, **settings}
        (tmp_path / "build.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "build.yaml"

    return write


@pytest.mark.slow
def test_killed_half_way_and_gone_on_with_elsewhere(reference, write_yaml, bucket, get, tmp_path) -> None:
    """The driver and two workers, kill -9, an empty disk, again."""
    root, expected = reference(150, samples_per_shard=5)
    config = write_yaml(root, f"{bucket}/set")
    process = subprocess.Popen([VEMO, "shards", "build", config], stderr=subprocess.DEVNULL)

    def done() -> list[str]:
        return [name for name in get(f"{bucket}/set") if name.startswith(".build/done/")]

    while process.poll() is None and len(done()) < 6:
        time.sleep(0.05)
    assert process.poll() is None, "it was over before it could be killed"
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(family, timeout=20)[1], "orphans outlive the build"
    assert "manifest.json" not in get(f"{bucket}/set")
    kept = {name: content for name, content in get(f"{bucket}/set").items() if "/" not in name}
    shutil.rmtree(tmp_path / "scratch")
    again = run("shards", "build", config)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0] == "150 of 151 images, 1 failed: 1 undecodable_image"
    assert get(f"{bucket}/set") == expected
    assert kept and kept.items() <= expected.items()
    assert not left_in(tmp_path / "scratch")


@pytest.mark.slow
def test_interrupting_leaves_no_scratch(make_folder, write_yaml, bucket, get, tmp_path) -> None:
    config = write_yaml(make_folder(200), f"{bucket}/set")
    command = [VEMO, "shards", "build", config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not any(name.endswith(".tar") for name in get(f"{bucket}/set")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "vemo: interrupted" and "Traceback" not in errors
    assert not left_in(tmp_path / "scratch")


def test_what_another_machine_needs_travels_with_the_shard(
    reference, remote_config, memory, get, put, monkeypatch, tmp_path
) -> None:
    """No plan there, nor the driver's copy of the source: the rows come along, the source is fetched."""
    root, expected = reference(23, samples_per_shard=5)
    put(root, f"{memory}/source")

    def elsewhere(config, function, tasks, lock):
        for task in tasks:
            cached_reader.cache_clear()
            there = {"plan": Path("/nowhere/plan.jsonl"), "mirror": tmp_path / "of the node"}
            there = replace(task, spec=replace(task.spec, **there))
            yield task, function(pickle.loads(pickle.dumps(there)))

    monkeypatch.setattr(remote_set, "run_tasks", elsewhere)
    build(remote_config(f"{memory}/source", memory, engine="ray", mirror=tmp_path / "of the driver"))
    assert get(f"{memory}/set") == expected
    assert left_in(tmp_path / "of the node" / "files")


@pytest.mark.slow
def test_ray_workers_see_nothing_of_this_disk(reference, remote_config, bucket, get, tmp_path) -> None:
    pytest.importorskip("ray", reason="ray is not installed (the `scale` extra)")
    root, expected = reference(40, samples_per_shard=5)
    config = remote_config(root, bucket, engine="ray", workers=2)
    assert build(config).ok
    assert get(f"{bucket}/set") == expected
    assert not left_in(config.scratch)


@pytest.mark.parametrize(
    ("environment", "out", "message"),
    [
        (
            {},
            "s3://no-such-bucket/set",
            "s3://no-such-bucket/set/.build/begun.json: cannot be written: The spec",
        ),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"}, "", "NoCredentialsError"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "", "Could not connect to the endpoint URL"),
        ({"PYTHONPATH_FIRST": "without-s3fs"}, "", "pip install 'vemo[remote]'"),
    ],
    ids=["no bucket", "no credentials", "no server", "no package"],
)
def test_what_goes_wrong_there_is_one_line(
    make_folder, write_yaml, bucket, tmp_path, environment, out, message
) -> None:
    if environment.pop("PYTHONPATH_FIRST", None):
        (tmp_path / "s3fs.py").write_text("raise ImportError('no s3fs here')")
        environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    config = write_yaml(make_folder(3), out or f"{bucket}/set", workers=0)
    done = run("shards", "build", config, **environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1] and "s3://" in done.stderr.splitlines()[-1]


def test_a_full_scratch_disk_is_one_line(make_folder, remote_config, memory, get, monkeypatch) -> None:
    def full(self, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    config = remote_config(make_folder(9), memory)
    monkeypatch.setattr(TarShard, "finish", full)
    with pytest.raises(UserError, match=r"scratch/\S+\.tar: cannot be written: No space left on device"):
        build(config)
    assert list(get(f"{memory}/set")) == [".build/begun.json"] and not left_in(config.scratch)


def test_a_scratch_disk_that_cannot_be_written(make_folder, remote_config, memory, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/vemo-\S+: cannot be written: .*choose another scratch"):
        build(remote_config(make_folder(3), memory, scratch=tmp_path / "file"))


@pytest.mark.parametrize(("gap", "stretch"), [(0, 10**9), (10**9, 10**9), (10**9, 4000), (1000, 1)])
def test_records_behind_a_url(make_folder, make_config, memory, put, monkeypatch, gap, stretch) -> None:
    """However they are fetched: one by one, all at once, in pieces."""
    out = Path(build(make_config(make_folder(12), splits={"train": 1.0})).out)
    put(out, memory)
    expected = list(layout.read_records(out / "train-00000.tar"))
    monkeypatch.setattr(layout, "MAX_GAP", gap)
    monkeypatch.setattr(layout, "MAX_STRETCH", stretch)
    monkeypatch.setattr(layout, "STRETCHES_AT_ONCE", 5)
    assert len(expected) == 12 and list(layout.read_records(f"{memory}/train-00000.tar")) == expected


def test_verify_and_stats_behind_a_url(reference, remote_config, memory, make_config) -> None:
    root, _ = reference(23, samples_per_shard=5)
    out = build(remote_config(root, memory)).out
    report = verify(out, workers=0)
    assert report.ok and report.summary == f"{out}: 23 samples in 6 shards, every one sound"
    local = build(make_config(root, out=root.parent / "here", tolerance=1, samples_per_shard=5)).out
    assert stats(out) == {**stats(local), "folder": out}
    places.write(f"{out}/sidecars/x/sidecar.json", b"{}")
    places.write(f"{out}/train-00009.tar", b"")
    tar = "train-00001.tar"
    content = bytearray(places.open_place(f"{out}/{tar}")[0].cat_file(places.open_place(f"{out}/{tar}")[1]))
    content[700] ^= 1
    places.write(f"{out}/{tar}", bytes(content))
    places.remove(f"{out}/train-00002.tar")
    report = verify(out, workers=0)
    assert "sidecars not checked" in report.summary
    named = "\n".join(report.faults)
    assert "train-00001.tar: damaged" in named and "train-00002.tar: no such file there" in named
    assert "train-00009.tar: lies here, but shards.jsonl does not list it" in named
    with pytest.raises(UserError, match="no shard set"):
        verify(f"{memory}/nothing")
    with pytest.raises(UserError, match="no finished shard set"):
        stats(f"{memory}/nothing")
