"""What is not the release is refused with one clear line, and nothing of it stays on the disk."""

import hashlib
import io
import pickle
import time

import pytest
import torch
from vemo.cli import main
from vemo.datasets.remote import reading

WEIGHTS = "encoder.safetensors"


@pytest.fixture
def refused(cache, registry, capsys, tmp_path):
    """refused(*entries): the line that `vemo checkpoints download tiny` ends with; nothing else was left."""

    def run(*entries):
        before = set(tmp_path.rglob("*"))
        path = registry(*entries)
        code = main(["checkpoints", "download", "tiny", "--registry", str(path)])
        said = capsys.readouterr()
        assert code == 2 and said.out == "" and "Traceback" not in said.err
        assert set(tmp_path.rglob("*")) - before <= {path} and not cache.exists()
        return said.err

    return run


def one_line(text):
    assert text.count("\n") == 1 and text.startswith("vemo: tiny: "), text
    return text


def changed(content):
    return bytes([content[-1] ^ 1]) if len(content) == 1 else content[:-1] + bytes([content[-1] ^ 1])


def lying(handler, content, length, body):
    handler.start(200, {"Content-Length": length, "ETag": '"1"'})
    handler.wfile.write(body)


def endless(handler, content):
    """No length, and as many bytes as anyone wants."""
    handler.start(200, {})
    handler.wfile.write(content)
    for _ in range(64):
        handler.wfile.write(b"x" * 2**20)
        handler.sent = getattr(type(handler), "sent", 0) + 2**20
        type(handler).sent = handler.sent


def drip(handler, content):
    handler.start(200, {"Content-Length": len(content)})
    for place in range(len(content)):
        handler.wfile.write(content[place : place + 1])
        time.sleep(0.02)


def moves_to(target):
    return lambda handler, content: handler.start(302, {"Location": target, "Content-Length": 0})


BEHAVIOURS = {
    "corrupt": (lambda h, c: h.as_usual(changed(c)), "damaged: its sha256 is"),
    "truncated": (lambda h, c: h.as_usual(c[:-5]), "truncated: "),
    "longer": (lambda h, c: h.as_usual(c + b"more"), "too large: "),
    "without end": (endless, "too large: the registry says"),
    "ends early": (lambda h, c: lying(h, c, len(c), c[:-5]), "truncated: "),
    "length of more": (lambda h, c: lying(h, c, len(c) + 7, c), "too large: "),
    "length of less": (lambda h, c: lying(h, c, 3, c), "truncated: 3 bytes there"),
    "another, no length": (lambda h, c: lying(h, c, "many", changed(c)), "damaged: its sha256 is"),
    "missing": (lambda h, c: h.send_error(404), "HTTP Error 404"),
    "forbidden": (lambda h, c: h.send_error(403), "HTTP Error 403"),
    "broken": (lambda h, c: h.send_error(500), "HTTP Error 500"),
    "no answer": (lambda h, c: h.close_connection, "truncated: 0 of"),
    "a page": (lambda h, c: h.as_usual(b"<html>log in", **{"Content-Type": "text/html"}), "a web page came"),
    "a page of that size": (lambda h, c: h.as_usual(c, **{"Content-Type": "text/html"}), "a web page came"),
    "moves for ever": (lambda h, c: moves_to(h.path + "x")(h, c), "HTTP Error 302"),
    "moves to itself": (lambda h, c: moves_to(h.path)(h, c), "infinite loop"),
    "moves to ftp": (moves_to("ftp://127.0.0.1/x"), "redirects to ftp:"),
    "moves nowhere": (lambda h, c: h.start(302, {"Content-Length": 0}), "HTTP Error 302"),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_servers(refused, serve, packed, entry, behaviour):
    behave, expected = BEHAVIOURS[behaviour]
    url, server = serve(packed.folder, behave)
    assert expected in one_line(refused(entry(url)))
    assert getattr(server, "sent", 0) < 16 * 2**20  # of 64: it was hung up on


def test_a_redirect_to_a_file_of_this_machine(refused, serve, packed, entry):
    url, _ = serve(packed.folder, lambda h, c: moves_to((packed.folder / h.path[1:]).as_uri())(h, c))
    assert "Redirection to url 'file:" in one_line(refused(entry(url)))


@pytest.mark.parametrize("behave", [lambda h, c: time.sleep(1.5), drip], ids=["silent", "dripping"])
def test_slow_servers(refused, serve, packed, entry, monkeypatch, behave):
    monkeypatch.setattr(reading, "TIMEOUT", 0.3)
    monkeypatch.setattr(reading, "PATIENCE", 0.5)
    url, _ = serve(packed.folder, behave)
    text = one_line(refused(entry(url)))
    assert "timed out" in text if behave is not drip else "too slow: " in text


def test_only_the_last_file_is_wrong(refused, serve, packed, entry):
    """What came before it was right, and goes all the same."""
    last = packed.folder / "release.json"
    url, server = serve(
        packed.folder, lambda h, c: h.as_usual(changed(c)) if c == last.read_bytes() else "as usual"
    )
    assert "release.json: damaged" in one_line(refused(entry(url)))
    assert any(path.endswith(WEIGHTS) for path, _ in server.asked)


def test_renamed(refused, serve, packed, entry, tmp_path):
    (tmp_path / "web").mkdir()
    for path in packed.folder.iterdir():
        (tmp_path / "web" / path.name.replace("encoder", "model")).write_bytes(path.read_bytes())
    assert "encoder.json: cannot be read: HTTP Error 404" in one_line(
        refused(entry(serve(tmp_path / "web")[0]))
    )


def test_swapped_between_entries(refused, serve, packed, entry, tmp_path):
    """Another release where this one should lie; and another release's files and hashes under this name."""
    (tmp_path / "web").mkdir()
    for path in packed.folder.iterdir():
        (tmp_path / "web" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "web" / "encoder.json").write_bytes((packed.folder / "release.json").read_bytes())
    assert "encoder.json: too large" in one_line(refused(entry(serve(tmp_path / "web")[0])))
    said = (packed.folder / "release.json").read_text().replace('"name": "tiny"', '"name": "tall"')
    (tmp_path / "web" / "encoder.json").write_bytes((packed.folder / "encoder.json").read_bytes())
    (tmp_path / "web" / "release.json").write_text(said)
    url, _ = serve(tmp_path / "web")
    files = [*entry()["files"]]
    files[-1] = listed(tmp_path / "web" / "release.json")
    assert "its release.json is of tall (encoder)" in one_line(refused(entry(url, files=files)))


def listed(path):
    content = path.read_bytes()
    return {"path": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


@pytest.mark.parametrize("kind", ["pickle", "torch", "nothing"])
def test_pickles_by_another_name(refused, serve, packed, entry, tmp_path, kind):
    """The registry itself says that this is the right file."""
    (tmp_path / "web").mkdir()
    written = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, written)
    body = {"pickle": pickle.dumps({"weight": [0.0]}), "torch": written.getvalue(), "nothing": b"\0" * 64}[
        kind
    ]
    (tmp_path / "web" / WEIGHTS).write_bytes(body)
    files = [listed(tmp_path / "web" / WEIGHTS)]
    text = one_line(refused(entry(serve(tmp_path / "web")[0], files=files)))
    assert f"{WEIGHTS}: not a safetensors file" in text


ESCAPES = (
    "../tiny.json",
    "/etc/tiny.json",
    "a/../../b.json",
    "..\\b.json",
    "C:b.json",
    "a//b.json",
    "./b.json",
)
ESCAPES += (".bashrc.json", "a\0.json", "b.json\n", "")
PICKLES = ("pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "model.ckpt", "code.py", "encoder")


@pytest.mark.parametrize("path", [*ESCAPES, *PICKLES])
def test_names_that_no_release_may_have(refused, serve, packed, entry, path):
    url, server = serve(packed.folder)
    text = refused(entry(url, files=[{"path": path, "sha256": "0" * 64, "bytes": 3}]))
    assert text.count("\n") == 2 and "releases.0.files.0.path: " in text
    assert (
        "may run code" if path in PICKLES else "must stay inside the release"
    ) in text or path == "encoder"
    assert not server.asked


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"licence": None}, "licence"),
        ({"mirrors": ["ftp://somewhere"]}, "begins with none of https://"),
        ({"name": "../tiny"}, "releases.0.name"),
        ({"kind": "other"}, "releases.0.kind"),
        ({"licnce": "MIT"}, "did you mean releases.0.licence?"),
    ],
)
def test_entries_that_cannot_be(refused, entry, changes, expected):
    assert expected in refused(entry(**changes))


def test_a_name_that_is_there_twice_or_not_at_all(refused, entry):
    assert "tiny is there twice" in refused(entry(), entry())
    assert "tiny: no such checkpoint; there are none at all yet" in refused()
    assert "tiny: not on this machine" in refused(entry())


def test_a_full_disk(refused, serve, packed, entry, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    assert "needs" in refused(entry(serve(packed.folder)[0]))
