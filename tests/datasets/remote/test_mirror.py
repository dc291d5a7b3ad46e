"""Local copies: fetched once, gone on with where they stopped, the same whatever broke on the way."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vemo.datasets.remote import local_folder, mirror, path_or_url
from vemo.datasets.remote.places import folder_name, read_many, write
from vemo.foundation.errors import UserError

FILES = {"a/x.jpg": b"x" * 5000, "a/[1]*?.jpg": b"odd", "b é/empty": b"", "list.csv": b"1,2\n"}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr("vemo.datasets.remote.reading.PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """FILES and an archive of them."""
    for name, content in FILES.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(content)
    return tmp_path / "source"


@pytest.fixture
def archive(tmp_path: Path, pack) -> Path:
    """60 KB that do not compress."""
    (tmp_path / "web").mkdir()
    noise = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(2000))
    return pack(tmp_path / "web" / "set.tar.gz", {"set/noise": noise, **FILES})


@pytest.mark.parametrize("store", ["memory", "bucket"])
def test_a_folder(source, put, contents, request, store) -> None:
    url = f"{request.getfixturevalue(store)}/My Set"
    put(source, url)
    folder = local_folder(url)
    assert contents(folder) == FILES
    assert folder == (Path("data/mirrors") / folder_name(url) / "files").absolute()
    assert folder.parent.name.startswith("My_Set-")
    write(f"{url}/list.csv", b"changed")
    assert local_folder(url) == folder and contents(folder) == FILES  # once is enough


def test_a_local_folder_is_itself(source) -> None:
    assert local_folder(source) is source
    assert local_folder(Path("nowhere")) == Path("nowhere")  # its reader says what is wrong
    with pytest.raises(UserError, match="sha256 is that of an archive"):
        local_folder(source, sha256="0" * 64)


def test_going_on(source, put, contents, memory, monkeypatch, tmp_path) -> None:
    """Killed after two files; of those, one is replaced before the second run, and one file is gone."""
    url = f"{memory}/set"
    put(source, url)
    fetched = []

    def noted(url, sizes):
        for name, content in read_many(url, sizes):
            if len(fetched) == 2:
                raise KeyboardInterrupt
            fetched.append(name)
            yield name, content

    monkeypatch.setattr(mirror, "read_many", noted)
    with pytest.raises(KeyboardInterrupt):
        local_folder(url, tmp_path / "copy")
    assert set(contents(tmp_path / "copy" / "files")) == set(fetched) and len(fetched) == 2
    assert not (tmp_path / "copy" / "mirror.json").exists()
    first, kept = fetched
    write(f"{url}/{first}", b"another content")
    fetched[:] = []
    monkeypatch.setattr(
        mirror, "read_many", lambda url, sizes: (fetched.extend(sizes), read_many(url, sizes))[1]
    )
    assert contents(local_folder(url, tmp_path / "copy")) == FILES | {first: b"another content"}
    assert kept not in fetched and first in fetched


def test_large_files_go_on_within(memory, monkeypatch, tmp_path) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(mirror, "BLOCK", 1000)
    monkeypatch.setattr("vemo.datasets.remote.reading.BLOCK", 1000)
    content = os.urandom(9500)
    write(f"{memory}/set/large", content)
    starts: list[int | None] = []

    def stopping(self, path, start=None, end=None):
        if len(starts) == 4:
            raise KeyboardInterrupt
        starts.append(start)
        return original(self, path, start, end)

    original = MemoryFileSystem.cat_file
    monkeypatch.setattr(MemoryFileSystem, "cat_file", stopping)
    with pytest.raises(KeyboardInterrupt):
        local_folder(f"{memory}/set", tmp_path / "copy")
    assert (tmp_path / "copy" / "files" / "large.part").stat().st_size == 4000
    monkeypatch.setattr(
        MemoryFileSystem,
        "cat_file",
        lambda self, path, start=None, end=None: (starts.append(start), original(self, path, start, end))[1],
    )
    assert (local_folder(f"{memory}/set", tmp_path / "copy") / "large").read_bytes() == content
    assert starts[4] == 4000


@pytest.mark.parametrize(
    "settings", [{"times": 3}, {"times": 1, "ranges": False}, {"times": 3, "tags": False}]
)
def test_an_archive_from_a_server_whose_connections_break(archive, serve, contents, settings) -> None:
    url, handler = serve(archive.parent, after=15_000, **settings)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = local_folder(f"{url}/set.tar.gz?download=1", sha256=sha256.upper())
    assert {name: content for name, content in contents(folder).items() if name != "set/noise"} == FILES
    assert handler.times == 0 and len(handler.asked) == settings["times"] + 1
    asked = len(handler.asked)
    assert local_folder(f"{url}/set.tar.gz?download=1") == folder and len(handler.asked) == asked
    with pytest.raises(UserError, match=f"its sha256 is {sha256}, expected {'0' * 64}"):
        local_folder(f"{url}/set.tar.gz?download=1", sha256="0" * 64)


def test_a_part_of_an_archive_is_gone_on_with(archive, serve, contents, tmp_path) -> None:
    url, handler = serve(archive.parent, after=15_000, times=100, ranges=False)
    with pytest.raises(UserError, match=r"set.tar.gz: truncated: 15000 of \d+ bytes came"):
        local_folder(f"{url}/set.tar.gz", tmp_path / "copy")
    handler.times, handler.ranges, handler.asked[:] = 0, True, []
    assert contents(local_folder(f"{url}/set.tar.gz", tmp_path / "copy")).keys() >= FILES.keys()
    assert handler.asked[-1] == ("set.tar.gz", "bytes=15000-")


def test_a_part_of_another_archive_is_not(archive, serve, contents, tmp_path, pack) -> None:
    url, handler = serve(archive.parent, after=15_000, times=100, ranges=False)
    with pytest.raises(UserError, match="truncated"):
        local_folder(f"{url}/set.tar.gz", tmp_path / "copy")
    pack(archive, {"other": os.urandom(40_000)})
    handler.times, handler.ranges = 0, True
    assert list(contents(local_folder(f"{url}/set.tar.gz", tmp_path / "copy"))) == ["other"]


def test_an_archive_that_is_replaced_while_it_is_fetched(archive, serve, tmp_path) -> None:
    url, handler = serve(archive.parent, after=15_000, times=1)
    replaced = archive.read_bytes()[:-1] + b"x"
    handler.send_error = lambda *_: None
    original = handler.do_GET

    def replace_then_get(self):
        if self.headers.get("Range"):
            archive.write_bytes(replaced)
        return original(self)

    handler.do_GET = replace_then_get
    with pytest.raises(UserError, match="was replaced while it was read; run the same command again"):
        local_folder(f"{url}/set.tar.gz", tmp_path / "copy")


def test_another_archive_than_expected(archive, serve, tmp_path) -> None:
    url, _ = serve(archive.parent)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    for root in (f"{url}/set.tar.gz", archive):
        with pytest.raises(UserError, match=f"its sha256 is {found}, expected {'1' * 64}"):
            local_folder(root, tmp_path / "copy", sha256="1" * 64)
        assert not (tmp_path / "copy" / "files").exists()
        (tmp_path / "copy").rename(tmp_path / f"copy of {Path(root).anchor or 'web'}".replace("/", "root"))
    assert archive.exists()  # it is theirs


def test_a_local_archive(archive, contents, pack) -> None:
    folder = local_folder(archive)
    assert contents(folder).keys() == {*FILES, "set/noise"}
    (folder / "list.csv").unlink()
    assert local_folder(archive) == folder and not (folder / "list.csv").exists()  # as it is
    pack(archive, {"other": b"1"})
    assert contents(local_folder(archive)) == {"other": b"1"}
    with pytest.raises(UserError, match=r"gone\.zip: cannot be read: No such file"):
        local_folder(Path("gone.zip"))


def test_an_unsafe_archive(archive, serve, pack, tmp_path) -> None:
    pack(archive, {"../../evil": b"1"})
    url, _ = serve(archive.parent)
    with pytest.raises(UserError, match=r"refused to unpack: '\.\./\.\./evil' would lie outside"):
        local_folder(f"{url}/set.tar.gz", tmp_path / "copy")
    assert not list(tmp_path.rglob("evil"))


def test_an_unsafe_listing(memory) -> None:
    with pytest.raises(UserError, match=r"'a/\.\./\.\./evil' would lie outside the folder"):
        local_folder("memory://x", listing=lambda: {"a/../../evil": (1, None)})


def test_what_is_no_source(memory, serve, tmp_path, source) -> None:
    url, _ = serve(source)
    with pytest.raises(UserError, match=r"a web server does not say what is in a folder; give an archive"):
        local_folder(url)
    with pytest.raises(UserError, match=r"gone\.zip: cannot be read: HTTP Error 404"):
        local_folder(f"{url}/gone.zip")
    with pytest.raises(UserError, match=r"memory://\S+/nothing: no files below it"):
        local_folder(f"{memory}/nothing")
    with pytest.raises(UserError, match=r"gone\.zip: no such file there"):
        local_folder(f"{memory}/gone.zip")


def test_a_mirror_that_holds_something_else(memory, source, put, tmp_path) -> None:
    put(source, f"{memory}/set")
    put(source, f"{memory}/other")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "holiday.jpg").touch()
    with pytest.raises(UserError, match=r"copy: holds holiday.jpg, but no mirror"):
        local_folder(f"{memory}/set", tmp_path / "copy")
    (tmp_path / "copy" / "holiday.jpg").unlink()
    local_folder(f"{memory}/set", tmp_path / "copy")
    with pytest.raises(UserError, match=r"copy: holds a copy of memory://\S+/set; choose another mirror"):
        local_folder(f"{memory}/other", tmp_path / "copy")


def test_who_comes_later_waits(archive, serve, tmp_path) -> None:
    """Three processes want one copy: it is fetched once."""
    url, handler = serve(archive.parent)
    program = "import sys, pathlib; from vemo.datasets.remote import local_folder as f; "
    program += "print(f(sys.argv[1], pathlib.Path(sys.argv[2])))"
    command = [sys.executable, "-c", program, f"{url}/set.tar.gz", tmp_path / "copy"]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {other.communicate()[0] for other in others} == {f"{tmp_path / 'copy' / 'files'}\n"}
    assert len(handler.asked) == 1


def test_paths_and_urls() -> None:
    assert path_or_url("s3://bucket/a") == "s3://bucket/a"
    assert path_or_url("file:///data/a%20b") == Path("/data/a b")
    assert path_or_url("a/b") == Path("a/b") and path_or_url(Path("a")) == Path("a")
    names = {
        folder_name(root) for root in ("s3://b/x", "gs://b/x", "https://h/x?a", "https://h/x?b", Path("x"))
    }
    assert len(names) == 5 and all(name.startswith("x-") for name in names)
