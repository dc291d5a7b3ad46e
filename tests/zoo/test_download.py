"""Downloads from servers that behave: whole, once, resumed, offline, tokens kept to their host."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from vemo.cli import main
from vemo.datasets.remote import reading
from vemo.foundation import UserError
from vemo.zoo import download as downloads
from vemo.zoo import places
from vemo.zoo.download import download
from vemo.zoo.registry import find

WEIGHTS = "encoder.safetensors"


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_release_comes_whole_and_once(cache, serve, packed, entry, registry, capsys):
    url, server = serve(packed.folder)
    path = str(registry(entry(url)))
    assert main(["checkpoints", "download", "tiny", "--registry", path]) == 0
    folder = next((cache / "checkpoints").iterdir())
    assert capsys.readouterr().out.strip() == str(folder) and folder.name.startswith("tiny-")
    assert contents(folder) == contents(packed.folder)
    asked = len(server.asked)
    assert asked == len(contents(folder))
    assert download(find("tiny", registry(entry(url)))) == folder and len(server.asked) == asked
    assert main(["checkpoints", "list", "--registry", path]) == 0
    assert "| tiny | encoder | features |" in capsys.readouterr().out
    assert main(["checkpoints", "list", "tiny", "--registry", path]) == 0
    assert "1,234 images" in capsys.readouterr().out
    assert main(["checkpoints", "card", "tiny", "--registry", path]) == 0
    assert capsys.readouterr().out == (packed.folder / "README.md").read_text()


def test_a_damaged_copy_is_fetched_again(cache, serve, packed, entry, registry):
    wanted = find("tiny", registry(entry(serve(packed.folder)[0])))
    folder = download(wanted)
    (folder / WEIGHTS).write_bytes(b"x" * (folder / WEIGHTS).stat().st_size)
    assert download(wanted) == folder and contents(folder) == contents(packed.folder)


def test_a_folder_of_ones_own(cache, serve, packed, entry, registry, tmp_path):
    wanted = find("tiny", registry(entry(serve(packed.folder)[0])))
    assert contents(download(wanted, tmp_path / "mine" / "tiny")) == contents(packed.folder)
    assert not cache.exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is there and is not tiny"):
        download(wanted, tmp_path / "full")
    assert contents(tmp_path / "full") == {"thesis.txt": b"years of work"}


def test_mirrors_are_tried_in_order(cache, serve, packed, entry, registry, tmp_path):
    (tmp_path / "empty").mkdir()
    first, empty = serve(tmp_path / "empty")
    second, full = serve(packed.folder)
    file = f"{packed.folder.as_uri()}/"
    download(find("tiny", registry(entry(first, f"{second}/{{path}}?download=1", file))))
    assert len(empty.asked) == len(full.asked) == len(contents(packed.folder))
    assert all(path.endswith("?download=1") for path, _ in full.asked)
    with pytest.raises(UserError, match=r"config.json: cannot be read: HTTP Error 404|404") as refused:
        download(find("tiny", registry(entry(first, "file:///nowhere"))), tmp_path / "other")
    assert str(refused.value).count("\n") == 0 and "/nowhere/" in str(refused.value)


def test_what_broke_off_goes_on_where_it_stopped(cache, serve, packed, entry, registry, monkeypatch):
    """The connection ends after 5,000 bytes of the weights, until the third run."""
    monkeypatch.setattr(downloads, "WORTH_KEEPING", 1)
    whole = (packed.folder / WEIGHTS).read_bytes()
    mended = threading.Event()

    def behave(handler, content):
        if content != whole or mended.is_set():
            return "as usual"
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"Content-Length": len(content) - start, "ETag": '"' + "a" * 16 + '"'}
        handler.start(206 if start else 200, headers)
        handler.wfile.write(content[start:5000])
        return None

    url, server = serve(packed.folder, behave)
    wanted = find("tiny", registry(entry(url)))
    with pytest.raises(reading.Broken, match=f"truncated: 5000 of {len(whole)} bytes came"):
        download(wanted)
    staging = next((cache / "checkpoints").iterdir())
    assert (staging / f"{WEIGHTS}.part").stat().st_size == 5000 and staging.name.endswith(".part")
    # Each of the four connections asks for what is missing, of the same file.
    ranges = [headers for path, headers in server.asked if path.endswith(WEIGHTS)]
    assert [each.get("Range") for each in ranges] == [None, *["bytes=5000-"] * 3]
    assert {each.get("If-Range") for each in ranges[1:]} == {'"' + "a" * 16 + '"'}
    server.asked.clear()
    mended.set()  # and the file has another tag by now: the whole of it comes, from its beginning
    assert contents(download(wanted)) == contents(packed.folder)
    ranges = [headers for path, headers in server.asked if path.endswith(WEIGHTS)]
    assert [each.get("If-Range") for each in ranges] == ['"' + "a" * 16 + '"', None]
    assert not any(path.endswith("config.json") for path, _ in server.asked)  # it was whole


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_part_is_gone_on_with(cache, serve, packed, entry, registry, knows_ranges):
    whole = (packed.folder / WEIGHTS).read_bytes()

    def behave(handler, content):
        if knows_ranges or content is None:
            return "as usual"
        handler.start(200, {"Content-Length": len(content)})
        handler.wfile.write(content)
        return None

    url, server = serve(packed.folder, behave)
    wanted = find("tiny", registry(entry(url)))
    for begun in (whole[:7000], whole, b"y" * 7000, whole + b"more"):  # right, done, wrong, too long
        staging = places.cached(wanted).with_name(places.cached(wanted).name + ".part")
        staging.mkdir(parents=True)
        (staging / f"{WEIGHTS}.part").write_bytes(begun)
        server.asked.clear()
        folder = download(wanted, None)
        assert contents(folder) == contents(packed.folder)
        asked = [headers.get("Range") for path, headers in server.asked if path.endswith(WEIGHTS)]
        expected = {7000: ["bytes=7000-"], len(whole): []}.get(len(begun), [None])
        assert asked == (["bytes=7000-", None] if begun[:1] == b"y" else expected)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_two_at_once_fetch_once(cache, serve, packed, entry, registry):
    url, server = serve(packed.folder)
    wanted = find("tiny", registry(entry(url)))
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: download(wanted), range(4)))
    assert len(folders) == 1 and contents(folders.pop()) == contents(packed.folder)
    assert len(server.asked) == len(contents(packed.folder))
    assert [path.name[:5] for path in (cache / "checkpoints").iterdir()] == ["tiny-"]


@pytest.mark.parametrize("variable", ["VEMO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_only_this_machine_is_asked(cache, serve, packed, entry, registry, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    url, server = serve(packed.folder)
    with pytest.raises(UserError, match=r"tiny: not on this machine .*VEMO_OFFLINE or HF_HUB_OFFLINE is set"):
        download(find("tiny", registry(entry(url, "hf://owner/name"))))
    assert not cache.exists() and not server.asked
    assert contents(download(find("tiny", registry(entry(url, packed.folder.as_uri())))))
    assert not server.asked


def test_the_repositorys_own_weights_come_first(cache, packed, entry, registry, monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "WEIGHTS", packed.folder.parent)
    monkeypatch.setattr(places, "WEIGHTS", packed.folder.parent)
    wanted = find("tiny", registry(entry()))
    assert download(wanted) == packed.folder and not cache.exists()
    assert contents(download(wanted, tmp_path / "copy")) == contents(packed.folder)


def test_hub_tokens_stay_with_the_hub(cache, serve, packed, entry, registry, monkeypatch):
    """The hub moves a request once within itself, then to a store elsewhere: this one sees no token."""
    store, elsewhere = serve(packed.folder)
    moved = "/moved"

    def behave(handler, content):
        if handler.path.startswith(moved):
            handler.start(
                302, {"Location": f"{store}/{handler.path.rpartition('/')[2]}", "Content-Length": 0}
            )
        else:
            handler.start(307, {"Location": moved + handler.path, "Content-Length": 0})

    hub, asked_hub = serve(packed.folder, behave)
    monkeypatch.setenv("HF_ENDPOINT", hub)
    monkeypatch.setenv("HF_TOKEN", "secret")
    folder = download(find("tiny", registry(entry("hf://owner/name/{path}@v1"))))
    assert contents(folder) == contents(packed.folder)
    assert asked_hub.asked[0][0] == "/owner/name/resolve/v1/README.md"
    assert {headers.get("Authorization") for _, headers in asked_hub.asked} == {"Bearer secret"}
    assert len(asked_hub.asked) == 2 * len(elsewhere.asked)
    assert {headers.get("Authorization") for _, headers in elsewhere.asked} == {None}


def test_hub_addresses(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setenv("HF_TOKEN", "")
    for written in ("hf://o/n/a/b.json@v 2", "hf://o/n@v 2/a/b.json"):
        assert places.on_hub(written)[0] == "https://hub.invalid/o/n/resolve/v%202/a/b.json"
    assert places.on_hub("hf://o/n/b.json")[0] == "https://hub.invalid/o/n/resolve/main/b.json"
    for wrong in ("hf://o/b.json", "hf://o/n@1/b.json@2", "hf://"):
        with pytest.raises(UserError, match="must be hf://OWNER/NAME/FILE"):
            places.on_hub(wrong)


def test_proxies_are_the_environments(cache, serve, packed, entry, registry, monkeypatch):
    url, proxy = serve(packed.folder, lambda handler, _: as_a_proxy(handler, packed.folder))
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.delenv("no_proxy", raising=False)
    download(find("tiny", registry(entry("http://weights.invalid/tiny"))))
    assert proxy.asked[0][0] == "http://weights.invalid/tiny/README.md"


def as_a_proxy(handler, folder):
    handler.as_usual((folder / handler.path.rpartition("/")[2]).read_bytes())


def test_the_cache_is_where_the_platform_has_it(monkeypatch, tmp_path):
    monkeypatch.delenv("VEMO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for platform, expected in (
        ("linux", "xdg/vemo"),
        ("darwin", "Library/Caches/vemo"),
        ("win32", "local/vemo"),
    ):
        monkeypatch.setattr(places.sys, "platform", platform)
        assert places.cache_folder() == tmp_path / expected
