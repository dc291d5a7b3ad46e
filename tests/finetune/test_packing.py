"""Fine-tuned models as releases: what they say is kept, measured, halved, checked, and loads alone."""

import json
import shutil

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file
from vemo.cli import main
from vemo.cli.checkpoints import kinds
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.emotion import ContextConfig, ContextFusion, HeadConfig, build_head
from vemo.finetune.outcome import save_model
from vemo.finetune.packing import EMOTION
from vemo.finetune.predict import load_model
from vemo.finetune.run import finetune
from vemo.finetune.task import FinetuneTask
from vemo.foundation import UserError
from vemo.zoo import load_encoder
from vemo.zoo.document import read_document
from vemo.zoo.pack import PackConfig, pack
from vemo.zoo.reference import reference_images
from vemo.zoo.verify import verify

HEADS = {"emotion": {"kind": "single", "space": "mikels8"}, "face": {"kind": "single", "space": "fer7"}}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def packed(run, out, **changes):
    return pack(PackConfig.model_validate({"run": run, "out": out, **changes}), (EMOTION,))


def faults(folder):
    return [each.text for each in verify(str(folder), kinds()) if not each.ok]


def test_a_run_becomes_a_release(shards, release, tmp_path, capsys):
    values = {
        "out": tmp_path / "run",
        "encoder": str(release),
        "heads": {"emotion": HEADS["emotion"]},
        "data": {"shards": shards},
        "evaluation": {"crop_fraction": 0.9},
        "training": {"epochs": 1, "batch_size": 10, "device": "cpu", "seed": 4},
        "licence": "CC-BY-NC-4.0",
    }
    finetune(FinetuneConfig.model_validate(values), quiet=True)
    assert main(["checkpoints", "pack", str(tmp_path / "run"), str(tmp_path / "tiny"), "dtype=fp16"]) == 0
    assert "kind: emotion" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    document = read_document(tmp_path / "tiny")
    assert (
        document.heads["emotion"].classes[:2] == ("amusement", "awe")
        and document.heads["emotion"].version == 1
    )
    assert document.training_data == json.loads((shards / "manifest.json").read_text())["dataset"]
    assert document.licence == "CC-BY-NC-4.0" and document.preprocessing.crop_fraction == 0.9
    scores = {each.metric: each for each in document.metrics}
    accuracy = scores["accuracy"]
    report = json.loads((tmp_path / "run/report.json").read_text())["scores"]["emotion"]
    assert accuracy.value == report["accuracy"] and accuracy.low <= accuracy.value <= accuracy.high
    assert (accuracy.seed, accuracy.samples, accuracy.split, accuracy.head) == (4, 20, "test", "emotion")
    assert document.calibration["emotion"]["before"]["ece"] == report["calibration"]["before"]["ece"]
    assert not document.faces and document.training["seed"] == 4
    page = (tmp_path / "tiny/README.md").read_text()
    assert "| emotion | accuracy" in page and "class-wise ECE" in page and "AI Act" not in page
    images = list(reference_images(32))
    here, there = load_model(tmp_path / "run")(images), load_model(tmp_path / "tiny")(images)
    assert 0 < (here["emotion"] - there["emotion"]).abs().max() < 1e-2
    assert faults(tmp_path / "tiny") == []
    # Other predictions than those that were measured would give intervals of something else.
    predictions = tmp_path / "run/predictions"
    shutil.copy(predictions / "emotion-validation.safetensors", predictions / "emotion-test.safetensors")
    with pytest.raises(UserError, match=r"gives .* and the model says"):
        packed(tmp_path / "run", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.fixture
def make_run(tmp_path, release):
    """make_run(encoder=None, person="none", **about): a run's folder with a model that was never trained."""

    def make(encoder=None, person="none", **about):
        torch.manual_seed(2)
        network = encoder or load_encoder(release)
        fusion = ContextFusion(network.width, ContextConfig()) if person == "crop_and_scene" else None
        config: TypeAdapter = TypeAdapter(HeadConfig)
        heads = {
            name: build_head(name, config.validate_python(each), network.width)
            for name, each in HEADS.items()
        }
        for head in heads.values():
            torch.nn.init.normal_(head.linear.weight, std=0.5)
        facts = {
            "encoder": network.description,
            "image_size": network.image_size,
            "person": person,
            "context": ContextConfig().model_dump() if fusion else None,
            "heads": HEADS,
            "view": {"interpolation": "bicubic", "margin": 0.1},
            "crop_fraction": 1.0,
            "licence": "research-only",
        }
        save_model(
            tmp_path / "run/model", FinetuneTask(network, heads, fusion=fusion).eval(), {**facts, **about}
        )
        return tmp_path / "run"

    return make


def test_faces_bring_their_ethics(make_run, tmp_path):
    found = packed(make_run(), tmp_path / "tiny", data="faces of nobody")
    page = (found.folder / "README.md").read_text()
    assert found.document.faces and "AI Act, Regulation (EU) 2024/1689, Art. 5(1)(f)" in page
    assert "Not measured." in page and "license: other" in page and "research-only" in page
    assert {head.space for head in found.document.heads.values()} == {"mikels8", "fer7"}
    with pytest.raises(UserError, match=r"^data: the run does not say what it was trained on"):
        packed(tmp_path / "run", tmp_path / "other")


def test_a_person_and_a_scene(make_run, tmp_path):
    """What joins the two is looked at, too."""
    folder = packed(make_run(person="crop_and_scene"), tmp_path / "tiny", data="x").folder
    assert faults(folder) == []
    kept = load_file(folder / "reference.safetensors")["emotion"]
    model = EMOTION.load(folder)
    torch.testing.assert_close(model.outputs(reference_images(32))["emotion"], kept, atol=1e-5, rtol=0)
    images, nobody = reference_images(32), torch.zeros(8, dtype=torch.bool)
    task = load_model(folder).task
    alone = task.outputs({"image": images, "person": images, "has_person": nobody})["emotion"]
    assert (alone - kept).abs().max() > 1e-3


def test_batch_norms_bear_half_precision(make_run, tmp_path):
    network = load_encoder("timm:resnet18:32", random=True)
    run = make_run(encoder=network)
    folder = packed(run, tmp_path / "half", data="x", dtype="fp16").folder
    weights = load_file(folder / "model.safetensors")
    assert weights["encoder.model.bn1.num_batches_tracked"].dtype == torch.int64
    assert weights["encoder.model.bn1.running_var"].dtype == torch.float16
    task = load_model(folder).task
    assert {value.dtype for value in task.state_dict().values()} == {torch.float32, torch.int64}
    assert faults(folder) == []


def test_another_order_of_classes_is_found(make_run, tmp_path):
    folder = packed(make_run(), tmp_path / "tiny", data="x").folder
    said = json.loads((folder / "release.json").read_text())
    classes = said["heads"]["emotion"]["classes"]
    said["heads"]["emotion"]["classes"] = [classes[1], classes[0], *classes[2:]]
    (folder / "release.json").write_text(json.dumps(said))
    (fault,) = faults(folder)
    assert "emotion: label space mikels8" in fault and "not those of this version" in fault


def test_an_audit_beside_the_run_is_in_the_card(make_run, tmp_path):
    run = make_run()
    report = {"date": "2026-01-02", "samples": 40, "attributes": [], "annotated_by": None}
    (run / "model-audit").mkdir()
    (run / "model-audit/audit.json").write_text(
        json.dumps(report | {"findings": [{"kind": "good", "text": "Fine."}]})
    )
    page = (packed(run, tmp_path / "tiny", data="x").folder / "README.md").read_text()
    assert "Audited on 40 samples, 2026-01-02; attributes: none: no group was compared." in page
    assert "- Fine." in page
    (run / "model-audit/audit.json").write_text("{}")
    with pytest.raises(UserError, match=r"not an audit.json of `vemo audit`"):
        packed(run, tmp_path / "other", data="x")


def test_a_release_with_an_onnx_file(make_run, tmp_path, capsys):
    """It is listed and checked like any other file, and prediction on a CPU uses it."""
    pytest.importorskip("onnxscript", reason="models are exported with: pip install 'vemo[onnx]'")
    folder = make_run()
    given = ["dtype=fp16", "onnx=true", "licence=CC0-1.0", "data=drawn"]
    assert main(["checkpoints", "pack", str(folder), str(tmp_path / "quick"), *given]) == 0
    assert "path: model.onnx" in capsys.readouterr().out
    assert faults(tmp_path / "quick") == []
    quick = load_model(tmp_path / "quick", "cpu", backend="auto")
    assert quick.network.backend == "onnxruntime"
    images = list(reference_images(32))
    torch.testing.assert_close(
        quick(images)["emotion"], load_model(tmp_path / "quick")(images)["emotion"], atol=5e-3, rtol=0
    )
    with pytest.raises(UserError, match="models of the kind emotion are not exported"):
        packed(folder, tmp_path / "other", onnx=True)
