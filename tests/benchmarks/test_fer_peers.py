"""The comparison with other packages: what is kept, what is a row with a reason, what is scored."""

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
CLASSES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]  # not the space's order
# Says of an image the class that its first pixel names, and counts its calls.
RUNNER = """
import json, pathlib, sys
images = pathlib.Path(sys.argv[2]).read_bytes()
firsts = images[:: 48 * 48]
said = [[0.94 if column == first else 0.01 for column in range(7)] for first in firsts]
pathlib.Path(__file__).with_name("calls").open("a").write("x")
pathlib.Path(sys.argv[3]).write_text(json.dumps({"classes": %s, "probabilities": said, "cpu_ms": [1.0, 3.0]}))
"""


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What `python benchmarks/fer_peers` defines; its modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(BENCHMARKS / "fer_peers")
    before = set(sys.modules)
    yield runpy.run_path(str(BENCHMARKS / "fer_peers" / "__main__.py"), run_name="fer_peers")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def peer_of(program: dict[str, Any], folder: Path, runner: str) -> Any:
    """A peer that needs no registry, its environment there."""
    folder.mkdir()
    (folder / "one_by_one.py").touch()
    (folder / "runner.py").write_text(runner)
    facts = {"title": "toy", "registry": "pip", "licence": "MIT", "packages": [], "weights": ["weights.bin"]}
    peer = program["Peer"]("toy", facts | {"runner": str(folder / "runner.py")}, folder / "cache")
    peer.environment.mkdir(parents=True)
    (peer.environment / "weights.bin").write_bytes(b"weights")
    return peer


def images_of(program: dict[str, Any], folder: Path) -> tuple[Any, Path]:
    """Six images; the last has another label than its first pixel says, and its file is in training."""
    firsts = torch.tensor([0, 1, 2, 3, 4, 5])
    pixels = np.zeros((6, 48, 48), np.uint8)
    pixels[:, 0, 0] = firsts
    own, plus = program["fer2013"].label_space("fer7"), program["fer2013"].label_space("fer8")
    labels = {
        "FER2013": torch.tensor([own.index(CLASSES[first]) for first in [0, 1, 2, 3, 4, 6]]),
        "FER+": torch.tensor(
            [-1, *(plus.index(CLASSES[first]) for first in [1, 2, 3, 4]), plus.index("contempt")]
        ),
    }
    ids = tuple("abcdef")
    raw = folder / "images.u8"
    pixels.tofile(raw)
    return program["TestSet"](ids, ids, pixels, labels, frozenset("f"), "fingerprint"), raw


def test_a_peer_is_run_once_and_scored_from_its_files(program: dict[str, Any], tmp_path: Path) -> None:
    images, raw = images_of(program, tmp_path)
    peer = peer_of(program, tmp_path / "toy", RUNNER % json.dumps(CLASSES))
    facts = [program["measure"](peer, images, raw) for _ in range(2)]
    assert facts[0] == facts[1] and len(facts[0]["weights_sha256"]["weights.bin"]) == 64
    assert (tmp_path / "toy/calls").read_text() == "x"
    rows, _ = program["results"](["toy"], peer.cache, images, resamples=20)
    parts = rows["toy"]["FER2013"]
    found = {name: parts[name]["accuracy"][0] for name in ("all", "not in training", "also in training")}
    assert found == {"all": round(5 / 6, 4), "not in training": 1.0, "also in training": 0.0}
    assert rows["toy"]["FER+"]["all"]["samples"] == 5  # one has no majority
    assert rows["toy"]["FER+"]["all"]["accuracy"][0] == 0.8  # contempt is never said
    line = program["scores"].table({"toy": facts[0] | rows["toy"]}).splitlines()[-1]
    assert line.startswith("| toy | 0.8333 [")

    (tmp_path / "toy/runner.py").write_text(RUNNER % json.dumps(CLASSES[::-1]))
    program["measure"](peer, images, raw)
    assert (tmp_path / "toy/calls").read_text() == "xx"


def test_ours_is_compared_on_the_same_images(program: dict[str, Any], tmp_path: Path) -> None:
    images, raw = images_of(program, tmp_path)
    peer = peer_of(program, tmp_path / "toy", RUNNER % json.dumps(CLASSES))
    program["measure"](peer, images, raw)
    right = torch.nn.functional.one_hot(images.labels["FER2013"], 7).float() * 9
    program["kept"](images, peer.cache, "ours", list(program["fer2013"].label_space("fer7").names), right)
    rows, gaps = program["results"](["toy", "ours"], peer.cache, images, resamples=20)
    assert rows["ours"]["FER2013"]["all"]["accuracy"][0] == 1.0
    gap = gaps["toy"]["FER2013"]["all"]
    assert (gap["only ours right"], gap["only peer right"], gap["accuracy"][0]) == (1, 0, round(1 / 6, 4))

    right[0] = torch.nan  # an image with a label that the file of predictions does not hold
    program["kept"](images, peer.cache, "ours", list(program["fer2013"].label_space("fer7").names), right)
    rows, gaps = program["results"](["toy", "ours"], peer.cache, images, resamples=20)
    assert "absent" in rows["ours"]["FER2013"] and list(gaps["toy"]) == ["FER+"]


def test_a_failing_peer_is_a_row_with_a_reason(program: dict[str, Any], tmp_path: Path) -> None:
    images, raw = images_of(program, tmp_path)
    runner = 'import sys; sys.exit("Error: no weights in /srv/secret, nor at scheme://host/file")'
    fact = program["measure"](peer_of(program, tmp_path / "broken", runner), images, raw)
    assert fact["absent"].endswith("Error: no weights in (path) nor at (address)")
    facts = {
        "title": "toy",
        "registry": "pip",
        "packages": ["./no-such.whl"],
        "weights": [],
        "runner": "x.py",
    }
    peer = program["Peer"]("toy", facts, tmp_path / "cache")
    fact = program["measure"](peer, images, raw)
    assert "failed: " in fact["absent"] and str(tmp_path) not in fact["absent"]
    assert not peer.environment.exists()
    assert "absent: " in program["scores"].table({"toy": fact})


@pytest.mark.parametrize(
    ("votes", "unknown", "found"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0], 0, 0),
        ([5, 4, 1, 0, 0, 0, 0, 0], 0, 0),  # the lone vote is dropped: 5 of 9
        ([5, 3, 2, 0, 0, 0, 0, 0], 0, None),  # exactly half
        ([0, 0, 0, 0, 0, 0, 0, 5], 5, None),
        ([0, 0, 0, 0, 0, 0, 0, 6], 4, 7),
        ([1, 1, 1, 1, 1, 1, 1, 1], 2, None),
    ],
)
def test_majority(program: dict[str, Any], votes: list[int], unknown: int, found: int | None) -> None:
    record = {"labels": {"fer8": {"votes": votes}}, "attributes": {"votes_unknown": unknown}}
    assert program["fer2013"].majority(record) == found
    assert program["fer2013"].majority({}) is None


def test_milliseconds_are_ratios_within_a_round(program: dict[str, Any]) -> None:
    rounds = [{"cpu_ms": [1.0, 2.0, 9.0]}, {"cpu_ms": [4.0]}, {"cpu_ms": [6.0]}]
    ours = [{"cpu_ms": [1.0]}, {"cpu_ms": [2.0]}, {"cpu_ms": [6.0]}]
    found = program["scores"].milliseconds(rounds, ours)
    assert found == {"median": 4.0, "by round": [2.0, 4.0, 6.0], "times ours": 2.0}
    assert "times ours" not in program["scores"].milliseconds(rounds, [])
