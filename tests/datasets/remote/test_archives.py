"""Archives: whole or not at all, and nothing outside."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from vemo.datasets.remote import is_archive, unpack
from vemo.foundation.errors import UserError

FILES = {"set/a.jpg": b"a" * 3000, "set/b/c é.txt": b"c", "readme": b""}
NAMES = ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "X.ZIP"]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind(tmp_path: Path, pack, contents, name: str) -> None:
    assert is_archive(name)
    archive = pack(tmp_path / name.lower(), FILES)
    archive = archive.rename(tmp_path / name)
    unpack(archive, tmp_path / "files")
    assert contents(tmp_path / "files") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["files", name])


def test_what_is_no_archive() -> None:
    assert not any(is_archive(name) for name in ("x.tar.xz", "zip", "x.jpg", "x.zip.part", "x"))


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
@pytest.mark.parametrize("bad", ["../evil", "a/../../evil", "/tmp/evil"])
def test_names_that_lead_out(tmp_path: Path, pack, name: str, bad: str) -> None:
    archive = pack(tmp_path / name, {"good": b"1", bad: b"2"})
    with pytest.raises(UserError, match=rf"{name}: refused to unpack: '{bad}' would lie outside the folder"):
        unpack(archive, tmp_path / "deep" / "files")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_out_and_devices_in_a_tar(tmp_path: Path, pack_tar, kind: bytes) -> None:
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, "../../evil"
    archive = pack_tar(tmp_path / "x.tar", {"good": b"1"}, member)
    with pytest.raises(UserError, match=r"x\.tar: refused to unpack: \w+Error: 'link'"):
        unpack(archive, tmp_path / "files")
    assert not (tmp_path / "files").exists() and not (tmp_path / "files.part").exists()


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", b"x")
    with pytest.raises(UserError, match="refused to unpack: 'link' is a link"):
        unpack(tmp_path / "x.zip", tmp_path / "files")


@pytest.mark.parametrize("name", NAMES[:4])
@pytest.mark.parametrize("cut", [0, 20, 200, -30])
def test_damage_is_one_line(tmp_path: Path, pack, name: str, cut: int) -> None:
    archive = pack(tmp_path / name, {"a": bytes(range(256)) * 40, "b": b"b" * 2000})
    content = archive.read_bytes()
    if name == "x.tar" and cut < 0:
        cut = 5000  # an uncompressed tar may well end in padding
    archive.write_bytes(content[:cut])
    with pytest.raises(UserError, match=f"{name}: damaged: ") as caught:
        unpack(archive, tmp_path / "files")
    assert "\n" not in str(caught.value) and not (tmp_path / "files").exists()


def test_a_changed_byte_in_a_zip(tmp_path: Path, pack) -> None:
    archive = pack(tmp_path / "x.zip", {"a": bytes(range(256)) * 40})
    content = bytearray(archive.read_bytes())
    content[200] ^= 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        unpack(archive, tmp_path / "files")


def test_an_encrypted_zip(tmp_path: Path, pack) -> None:
    archive = pack(tmp_path / "x.zip", {"a": b"1"})
    content = archive.read_bytes()
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + flags
        content = content[:at] + b"\x01" + content[at + 1 :]
    archive.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted; unpack it yourself"):
        unpack(archive, tmp_path / "files")


def test_unpacking_again_leaves_nothing_of_before(tmp_path: Path, pack, contents) -> None:
    (tmp_path / "files.part").mkdir()
    (tmp_path / "files.part" / "half").write_text("x")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "old").write_text("x")
    unpack(pack(tmp_path / "x.zip", FILES), tmp_path / "files")
    assert contents(tmp_path / "files") == FILES
