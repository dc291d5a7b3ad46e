"""The same bytes from a real local Ray cluster, also when a worker dies in the middle of a shard."""

import os
import signal

import pytest
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.shards.ray_pool import map_over_ray
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.foundation.errors import UserError

ray = pytest.importorskip("ray", reason="ray is not installed (the `scale` extra)")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """Two processors, started once for the tests of this file."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "images"
    synthesize(SynthesizeConfig(out=root, images=40, size=64, workers=0))
    return root


def config_of(images, out, **settings):
    values = {"root": images, "out": out, "reader": {"kind": "emoset"}, "samples_per_shard": 6, **settings}
    return BuildConfig.model_validate(values)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_ray_builds_the_same_bytes(cluster, images, tmp_path):
    assert build(config_of(images, tmp_path / "ray", engine="ray")).ok
    assert build(config_of(images, tmp_path / "local", workers=0)).ok
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def dies_once(task):
    """Half way through its first attempt the worker is killed, a part of its file written."""
    path, first = task
    if first.exists():
        path.write_text("whole")
        return path.name
    first.touch()
    path.with_suffix(".part").write_text("half")
    return os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_in_the_middle_is_replaced(cluster, tmp_path):
    tasks = [(tmp_path / f"{number}.tar", tmp_path / f"{number}.begun") for number in range(4)]
    assert sorted(name for _, name in map_over_ray(dies_once, tasks, 2)) == [f"{n}.tar" for n in range(4)]
    assert all(path.read_text() == "whole" for path, _ in tasks)


def refuses(task):
    raise UserError(f"{task}: no room on the disk")


def test_what_a_task_refuses_is_the_users_to_read(cluster):
    with pytest.raises(UserError, match=r"^3: no room on the disk$"):
        list(map_over_ray(refuses, [3], 2))


def always_dies(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_shard_that_kills_every_worker_ends_the_build_in_one_line(cluster):
    with pytest.raises(UserError, match="a Ray worker died 4 times on one shard"):
        list(map_over_ray(always_dies, [1], 2))


def test_no_cluster_at_an_address_is_one_line():
    ray.shutdown()  # a call that finds a cluster uses it
    with pytest.raises(UserError, match=r"ray_address=127\.0\.0\.1:1: no cluster there"):
        list(map_over_ray(refuses, [1], 1, "127.0.0.1:1"))
