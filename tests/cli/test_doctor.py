"""`vemo doctor`: what is said of this machine, and what makes it fail."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
import vemo.cli.doctor as doctor
from vemo.cli import main

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def state(capsys, name, code):
    """What is said of `name`, and the whole screen."""
    assert main(["doctor"]) == code
    screen = capsys.readouterr().out
    lines = screen.splitlines()
    place = next(number for number, line in enumerate(lines) if line[2:].startswith(name))
    rest = lines[place + 1].strip() if lines[place + 1].strip().startswith("→") else ""
    return lines[place], rest, screen


def test_a_sound_machine(capsys):
    line, _, screen = state(capsys, "torch", 0)
    assert line.startswith("✓") and importlib.metadata.version("torchvision").split("+")[0] in line
    assert "All that vemo needs works" in screen and len(screen.splitlines()) < 50
    assert state(capsys, "cache", 0)[0].startswith("✓")


def test_every_extra_is_explained():
    assert {*doctor.EXTRAS, *doctor.FOR_DEVELOPERS} == {*PROJECT["optional-dependencies"]}


def test_what_is_optional_and_missing_has_a_mend(capsys, monkeypatch, tmp_path):
    found = importlib.metadata.version
    absent = {"av", "onnxscript"}

    def version(name):
        if name in absent:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setenv("VEMO_YUNET", str(tmp_path / "absent.onnx"))
    monkeypatch.setenv("MONGOD_BIN", str(tmp_path / "absent"))
    line, mend, _ = state(capsys, "video", 0)
    assert line.startswith("–") and "av is missing: without it no videos" in line
    assert mend == "→ pip install 'vemo[video]'"
    assert "no such file" in state(capsys, "face detector", 0)[0]
    assert state(capsys, "mongod", 0)[0].startswith("–")
    (tmp_path / "absent.onnx").touch()
    assert state(capsys, "face detector", 0)[0].startswith("✓")


@pytest.mark.parametrize(
    ("package", "version", "name", "message"),
    [
        ("timm", "0.9.1", "packages", "timm is 0.9.1, not >=1.0.26"),
        ("safetensors", None, "packages", "safetensors is missing"),
        ("torch", "2.5.0", "torch", "torch is 2.5.0, not "),
    ],
)
def test_what_is_needed_and_broken(capsys, monkeypatch, package, version, name, message):
    found = importlib.metadata.version

    def fake(wanted):
        if wanted == package and version is None:
            raise importlib.metadata.PackageNotFoundError(wanted)
        return version if wanted == package else found(wanted)

    monkeypatch.setattr(importlib.metadata, "version", fake)
    line, mend, screen = state(capsys, name, 1)
    assert line.startswith("✗") and message in line and mend
    assert "Broken, and needed: " in screen and name in screen.splitlines()[-1]


def test_a_torchvision_of_another_torch(capsys, monkeypatch):
    import torchvision

    def fail(*given):
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(torchvision.ops, "nms", fail)
    line, mend, _ = state(capsys, "torch", 1)
    assert "do not work together (operator torchvision::nms does not exist)" in line
    assert "from one index" in mend


def test_no_room_and_nowhere_to_write(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("VEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda place: doctor.shutil._ntuple_diskusage(9, 8, 2**20)
    )
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    assert "cannot be written" in state(capsys, "cache", 0)[0]
    line, mend, _ = state(capsys, "disk, here", 0)
    assert line.startswith("–") and "0.0 GiB free" in line and mend == "→ make room"


def test_an_installed_package_is_asked_where_there_is_no_checkout(monkeypatch, tmp_path):
    from email.message import Message

    said = Message()
    for line in ("torch>=2.11", 'av>=18.1; extra == "video"'):
        said["Requires-Dist"] = line
    said["Provides-Extra"] = "video"
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: said)
    assert doctor.requirements() == (["torch>=2.11"], {"video": ["av>=18.1"]})
