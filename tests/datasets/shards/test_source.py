"""Roots that are elsewhere or packed: readers see a folder, and the set does not know the difference."""

import contextlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from vemo.datasets.remote import local_folder
from vemo.datasets.shards import BuildConfig, build, source
from vemo.datasets.sidecars import HashesConfig, write_hashes
from vemo.datasets.stream import ShardSet
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.foundation.config import load_config
from vemo.foundation.errors import UserError


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A small dataset in EmoSet's layout."""
    synthesize(SynthesizeConfig(out=tmp_path / "EmoSet", images=30, size=48, workers=0))
    return tmp_path / "EmoSet"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def packed(folder: Path, archive: Path, inside: str = "") -> Path:
    archive.parent.mkdir(exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                member = tarfile.TarInfo(f"{inside}{path.relative_to(folder).as_posix()}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return archive


def files_of(config: BuildConfig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(build(config).out).iterdir() if path.is_file()}


@pytest.fixture
def config_of(tmp_path: Path):
    """config_of(root, out=…, **settings): a build of shards of seven."""

    def make(root, out: str = "set", kind: str = "emoset", **settings) -> BuildConfig:
        values = {"root": root, "out": tmp_path / out, "reader": {"kind": kind, **settings.pop("reader", {})}}
        return BuildConfig.model_validate({**values, "samples_per_shard": 7, "workers": 0, **settings})

    return make


@pytest.mark.parametrize("inside", ["", "EmoSet-118K/"])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_archive_makes_the_set_that_its_folder_makes(images, tmp_path, config_of, inside, workers) -> None:
    expected = files_of(config_of(images))
    archive = packed(images, tmp_path / "web" / "emoset.tar.gz", inside)
    assert files_of(config_of(archive, "local", workers=workers)) == expected
    with serving(archive.parent) as url:
        root = f"{url}/emoset.tar.gz"
        assert (
            files_of(config_of(root, "from web", mirror=tmp_path / "elsewhere", workers=workers)) == expected
        )
        with pytest.raises(UserError, match=r"its sha256 is \w+, expected 0000"):
            build(config_of(root, "another", sha256="0" * 64))


@pytest.mark.parametrize("store", ["memory", "bucket"])
def test_a_folder_elsewhere(images, config_of, put, request, store) -> None:
    url = f"{request.getfixturevalue(store)}/EmoSet-118K"
    put(images, url)
    assert files_of(config_of(f"{url}/", "there")) == files_of(config_of(images, "here"))


def test_an_archive_of_something_else(make_folder, tmp_path, config_of) -> None:
    archive = packed(make_folder(3), tmp_path / "web" / "set.tgz", "top/")
    with pytest.raises(UserError, match=r"files/top: no .*, so this is no emoset-118k folder"):
        build(config_of(archive))


def test_a_generic_reader_is_not_second_guessed(make_folder, tmp_path, config_of) -> None:
    """Only a root that is no dataset at all is looked into; a folder of folders may be one."""
    root = make_folder(8, split="train")
    reader = {"space": "mikels8"}
    expected = files_of(config_of(root, "a", "image_folder", reader=reader))
    archive = packed(root, tmp_path / "web" / "set.tar.gz")
    assert files_of(config_of(archive, "b", "image_folder", reader=reader)) == expected
    assert {name.split("-")[0] for name in expected if name.endswith("tar")} == {"train"}


@pytest.mark.parametrize("store", ["memory", "web"])
def test_a_shard_set_elsewhere(images, config_of, tmp_path, put, request, store) -> None:
    whole = config_of(images, "source")
    build(whole)
    (Path(whole.out) / "overrides.jsonl").write_text("")
    small = {"kind": "shards", "short_side": 16}
    expected = files_of(config_of(whole.out, "here", **small))
    if store == "memory":
        url = f"{request.getfixturevalue(store)}/set"
        put(Path(whole.out), url)
        assert files_of(config_of(url, "there", **small)) == expected
    else:
        with serving(Path(whole.out)) as url:
            assert files_of(config_of(url, "there", **small)) == expected


def test_sidecars_of_a_shard_set_on_a_web_server(images, config_of, tmp_path) -> None:
    """Those that were asked for; the set's own list and theirs say which files there are."""
    out = Path(build(config_of(images, "source")).out)
    for name in ("asked-for", "other"):
        write_hashes(HashesConfig(shards=out, name=name, workers=0))
    with serving(out) as url:
        listing = partial(source._files_of_set, url, ["asked-for"])
        folder = local_folder(url, tmp_path / "mirror", listing=listing)
    assert [path.name for path in (folder / "sidecars").iterdir()] == ["asked-for"]
    there, here = (ShardSet(place, sidecars=["asked-for"]) for place in (folder, out))
    assert there.fingerprint == here.fingerprint and there.record("train", 0) == here.record("train", 0)


def test_text_on_the_command_line_stays_a_url(tmp_path) -> None:
    (tmp_path / "build.yaml").write_text("reader: {kind: emoset}\nroot: s3://bucket/set/\n")
    config = load_config(BuildConfig, tmp_path / "build.yaml", ["out=gs://bucket/a b/c", "mirror=data/x"])
    assert (config.root, config.out, config.mirror) == (
        "s3://bucket/set",
        "gs://bucket/a b/c",
        Path("data/x"),
    )
    assert load_config(BuildConfig, tmp_path / "build.yaml", ["root=a/b", "out=file:///c"]).out == Path("/c")


@pytest.mark.real_data
@pytest.mark.slow
def test_ferplus_as_it_is_given_out(tmp_path, config_of) -> None:
    """A real archive, with a folder inside, through a reader that knows nothing of archives."""
    archive = Path(__file__).parents[4] / "shared" / "data" / "ferplus.tar.gz"
    if not archive.is_file():
        pytest.skip(f"no {archive.name} beside the checkout")
    settings = {"mirror": tmp_path / "mirror", "samples_per_shard": 5000, "workers": 2}
    assert build(config_of(archive, "set", "ferplus", **settings)).packed == 35_710
