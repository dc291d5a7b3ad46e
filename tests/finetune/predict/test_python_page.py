"""docs/python.md, typed in from top to bottom."""

import re
from pathlib import Path

import pytest
from PIL import Image
from vemo.cli import main

PAGE = Path(__file__).parents[3] / "docs/python.md"
HEADS = {"expression": {"kind": "single", "space": "fer7"}}
SCORES = {"expression": {"calibration": {"temperature": {"value": 1.4, "identified": True}}}}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_examples_run(make_model, red_faces, scene, tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxscript", reason="the page exports a model: pip install 'vemo[onnx]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEMO_YUNET", "found-by-the-fixture.onnx")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/finetune-fer-small").symlink_to(make_model(HEADS, scores=SCORES))
    (tmp_path / "holiday").mkdir()
    Image.fromarray(scene((10, 10, 60, 60))).save("photo.jpg")
    Image.fromarray(scene((10, 10, 60, 60), (70, 20, 110, 60))).save("holiday/two.png")
    Image.fromarray(scene()).save("holiday/nobody.png")
    commands = [line.split("#")[0].split()[1:] for line in blocks("bash")[0].splitlines() if "vemo " in line]
    for command in (each for each in commands if each[0] == "checkpoints"):
        assert main(command) == 0
    assert Path("fer.onnx").is_file() and Path("runs/finetune-fer-small/model/model.onnx").is_file()
    capsys.readouterr()
    names, said = {}, []
    for block in blocks("python"):
        exec(compile(block, str(PAGE), "exec"), names)
        said.append(capsys.readouterr().out)
    assert len(said) == 4
    first = said[0].splitlines()
    assert [line.split()[:2] for line in first] == [
        ["photo.jpg", "ok"], ["holiday/nobody.png", "ok"], ["holiday/two.png", "ok"],
    ]  # fmt: skip
    assert "torch.Size([32])" in said[1] and names["answer"].abstain in (True, False)
    assert "'no_face': 1" in said[2] and sum(len(results) for results in names["found"]) == 4
    assert "'anger': " in said[3] and names["probabilities"].shape == (1, 7)
