"""Models as ONNX files: what they say is what torch says, and what they are stands in them."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.cli import main
from vemo.finetune.predict import load_model
from vemo.finetune.predict.export import export
from vemo.foundation import UserError
from vemo.zoo import load_encoder

for _package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_package, reason="models are exported and run with: pip install 'vemo[onnx]'")

EVERY_KIND = {
    "emotion": {"kind": "single", "space": "mikels8"},
    "tree": {"kind": "hierarchical", "space": "mikels8"},
    "spread": {"kind": "distribution", "space": "fer8"},
    "several": {"kind": "multilabel", "space": "emotic26"},
    "tone": {"kind": "vad", "axes": ["valence", "arousal"]},
}
CALIBRATED = {"emotion": {"calibration": {"temperature": {"value": 2.5, "identified": True}}}}


def images(count=5, size=32):
    generator = torch.Generator().manual_seed(1)
    return list(torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator))


@pytest.fixture(scope="module")
def exported(make_model):
    """A model with every kind of head, of persons in scenes, and its model.onnx."""
    folder = make_model(EVERY_KIND, person="crop_and_scene", scores=CALIBRATED, licence="CC-BY-4.0")
    assert export(folder).path == folder / "model/model.onnx"
    return folder


def run(path, pictures):
    """By onnxruntime alone, as somebody without vemo would: name → output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": torch.stack(pictures).numpy()})))


def test_every_head_says_what_torch_says(exported):
    wanted = load_model(exported)(images())
    for count in (1, 2, 5):  # the batch is as large as one likes
        found = run(exported / "model/model.onnx", images()[:count])
        assert [*found] == ["features", *EVERY_KIND]
        for name, said in found.items():
            assert said.dtype == np.float32
            np.testing.assert_allclose(said, wanted[name][:count], atol=2e-5)
    assert found["several"].shape == (5, 26) and found["tone"].shape == (5, 2)
    np.testing.assert_allclose(found["spread"].sum(1), 1, atol=1e-5)
    assert found["emotion"].std(0).min() > 1e-4  # otherwise closeness would say nothing


def test_a_convolutional_face_model_and_half_its_bytes(make_model, tmp_path):
    encoder = load_encoder(
        "timm:resnet18",
        random=True,
        image_size=24,
        arguments={"small_stem": True, "layers": [1, 1, 1, 1], "channels": [16, 16, 32, 32]},
    )
    heads = {"expression": {"kind": "single", "space": "fer7"}}
    folder = make_model(heads, encoder, squeeze={"position": "stages", "reduction": 4})
    whole, half = (
        export(folder, tmp_path / f"{kind}.onnx", half=kind == "half") for kind in ("whole", "half")
    )
    wanted = load_model(folder)(images(size=24))
    for each, tolerance in ((whole, 1e-5), (half, 5e-3)):
        said = run(each.path, images(size=24))["expression"]
        np.testing.assert_allclose(said, wanted["expression"], atol=tolerance)
    assert half.difference > whole.difference
    assert half.path.stat().st_size < 0.7 * whole.path.stat().st_size


def test_an_encoder(release, tmp_path):
    found = export(release, tmp_path / "tiny.onnx")
    assert found.outputs == ("features",)
    wanted = load_encoder(release)(torch.stack(images()))
    np.testing.assert_allclose(run(found.path, images())["features"], wanted.detach(), atol=1e-4)


def test_what_it_is_stands_in_it(exported):
    import onnx

    model = onnx.load(exported / "model/model.onnx")
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    about = json.loads((exported / "model/model.json").read_text())
    assert said["weights_sha256"] == about["weights_sha256"] and said["licence"] == "CC-BY-4.0"
    assert said["image_size"] == 32 and said["interpolation"] == "bicubic" and said["versions"]["torch"]
    head = said["heads"]["emotion"]
    assert head["classes"][:2] == ["amusement", "awe"] and head["space"] == "mikels8"
    assert (head["temperature"], said["heads"]["spread"]["temperature"]) == (2.5, None)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert b".py" not in (exported / "model/model.onnx").read_bytes()  # no paths of the machine that wrote it


def test_auto_uses_it_where_it_can(exported):
    assert load_model(exported, "cpu", backend="auto").network.backend == "onnxruntime"
    assert load_model(exported, "cpu", "bf16", backend="auto").network.backend == "torch"
    assert load_model(exported).network.backend == "torch"
    alone = load_model(exported / "model/model.onnx", batch_size=2, backend="auto")
    wanted = load_model(exported)
    assert alone.heads == wanted.heads and alone.temperatures == wanted.temperatures == {"emotion": 2.5}
    for name, said in wanted(images()).items():
        torch.testing.assert_close(alone(images())[name], said, atol=2e-5, rtol=0)
    with pytest.raises(UserError, match="load it with backend=torch"):
        alone.task.eval()


def test_vemo_predict_gives_the_same_rows(exported, scene, tmp_path, capsys):
    for number in range(3):
        Image.fromarray(scene((10 + 20 * number, 20, 60, 80))).save(tmp_path / f"{number}.png")
    rows = {}
    for backend in ("torch", "onnx", "auto"):
        given = ["predict", str(tmp_path), "--checkpoint", str(exported), "--backend", backend, "--no-faces"]
        assert main([*given, "--csv"]) == 0
        shown = capsys.readouterr()
        assert ("run by onnxruntime" in shown.err) is (backend != "torch")
        rows[backend] = list(csv.DictReader(shown.out.splitlines()))
    assert rows["auto"] == rows["onnx"] and len(rows["torch"]) == 3
    for one, other in zip(rows["torch"], rows["onnx"]):
        for name, value in one.items():
            try:
                assert float(other[name]) == pytest.approx(float(value), abs=5e-5)
            except ValueError:
                assert other[name] == value


def test_a_file_of_other_weights(exported, make_model, tmp_path):
    other = shutil.copytree(make_model(), tmp_path / "other")
    shutil.copy(exported / "model/model.onnx", other / "model")
    predictor = load_model(other, "cpu", backend="auto")
    assert predictor.network.backend == "torch" and "export it again" in predictor.note
    with pytest.raises(UserError, match=r"is of other weights than model\.safetensors"):
        load_model(other, "cpu", backend="onnx")


def test_what_is_refused(exported, make_model, release, tmp_path, monkeypatch):
    import onnx

    path = tmp_path / "model.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(UserError, match="onnxruntime cannot read it"):
        load_model(path, backend="auto")
    bare = onnx.load(exported / "model/model.onnx")
    del bare.metadata_props[:]
    onnx.save(bare, path)
    with pytest.raises(UserError, match="not written by `vemo checkpoints export`"):
        load_model(path, backend="auto")
    with pytest.raises(UserError, match="no such file; `vemo checkpoints export"):
        load_model(make_model(), backend="onnx")
    with pytest.raises(UserError, match="on the CPU in fp32 only"):
        load_model(exported, precision="bf16", backend="onnx")
    with pytest.raises(UserError, match="for torch give the model's folder"):
        load_model(exported / "model/model.onnx", backend="torch")
    with pytest.raises(UserError, match=r"name it \.onnx"):
        export(release, tmp_path / "model.bin")
    with pytest.raises(UserError, match="a head of this name would hide the features"):
        export(make_model({"features": {"kind": "vad"}}))
    released = shutil.copytree(exported / "model", tmp_path / "released")
    (released / "release.json").write_text("{}")
    with pytest.raises(UserError, match="the files of a release are fixed"):
        export(released)
    # A file that says something else than torch is not left behind.
    monkeypatch.setattr("vemo.finetune.predict.export._difference", lambda *given: float("nan"))
    with pytest.raises(UserError, match="differs from torch"):
        export(release, tmp_path / "wrong.onnx")
    assert not list(tmp_path.glob("wrong*"))
    assert main(["checkpoints", "export", str(tmp_path / "nowhere")]) == 2
