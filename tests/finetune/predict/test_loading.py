"""A model folder says what its run measured, by batch, picture or thread; a damaged one is refused."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from vemo.datasets.stream import ShardSet
from vemo.datasets.stream.decode import decode
from vemo.evaluation.predictions import load_predictions
from vemo.finetune.config import FinetuneConfig
from vemo.finetune.predict import load_model
from vemo.finetune.predict.loading import temperatures_of
from vemo.finetune.run import finetune
from vemo.foundation import UserError
from vemo.zoo import load_encoder


def images(count=7, size=32):
    generator = torch.Generator().manual_seed(1)
    return list(torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator))


@pytest.mark.parametrize("kind", ["single", "hierarchical"])
def test_it_says_what_its_run_measured(shards, release, tmp_path, kind):
    """The pictures of the test split, through the model folder alone, give the run's own test predictions."""
    training = {"epochs": 2, "batch_size": 10, "device": "cpu", "optimizer": {"lr": 3e-3}}
    values = {
        "out": tmp_path / "run",
        "encoder": str(release),
        "heads": {"emotion": {"kind": kind, "space": "mikels8"}},
        "data": {"shards": shards},
        "evaluation": {"crop_fraction": 0.9},
        "training": training,
    }
    folder = finetune(FinetuneConfig.model_validate(values), quiet=True)
    measured = load_predictions(tmp_path / "run/predictions/emotion-test.safetensors")
    predictor = load_model(folder)
    test = ShardSet(shards)
    pictures = [predictor.view(decode(test.read("test", place)[1])) for place in range(20)]
    found = predictor(pictures)["emotion"]
    temperature = predictor.temperatures.get("emotion", 1.0)
    torch.testing.assert_close(found, (measured.outputs.double() / temperature).softmax(1), atol=1e-6, rtol=0)
    assert predictor.heads["emotion"]["classes"] == measured.classes
    assert predictor.heads["emotion"]["version"] == 1


def test_batches_threads_and_single_pictures_agree(model):
    whole = load_model(model, batch_size=32)(images())
    assert whole["emotion"].shape == (7, 8) and whole["tone"].shape == (7, 3)
    torch.testing.assert_close(whole["emotion"].sum(1), torch.ones(7, dtype=torch.float64))
    assert whole["emotion"].std(0).min() > 1e-4  # otherwise what follows would say nothing
    predictor = load_model(model / "model", batch_size=3)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda image: predictor([image]), images()))
    for name, said in whole.items():
        torch.testing.assert_close(predictor(images())[name], said, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(torch.cat([each[name] for each in alone]), said, atol=1e-6, rtol=1e-5)
    assert predictor([])["emotion"].shape == (0, 8)


def test_bf16_is_near(model):
    exact, near = (load_model(model, precision=each)(images())["emotion"] for each in ("fp32", "bf16"))
    assert 0 < (exact - near).abs().max() < 0.05


def test_a_temperature_flattens(make_model):
    calibration = {"temperature": {"value": 3.0, "identified": True}}
    cool = make_model(scores={"emotion": {"calibration": calibration}, "tone": {"calibration": None}})
    plain, said = load_model(make_model())(images()), load_model(cool)(images())
    expected = (plain["emotion"].log() / 3).softmax(1)
    torch.testing.assert_close(said["emotion"], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(said["tone"], plain["tone"])
    calibration["temperature"]["identified"] = False
    assert temperatures_of({"scores": {"emotion": {"calibration": calibration}}}) == {}


def test_every_kind_of_head_and_encoder(make_model):
    kinds = {"several": {"kind": "multilabel", "space": "emotic26"}}
    kinds["spread"] = {"kind": "distribution", "space": "mikels8"}
    encoder = load_encoder("timm:vit_tiny_patch16_224", random=True, image_size=48)
    found = load_model(make_model(kinds, encoder))(images(size=48))
    assert found["several"].shape == (7, 26) and found["several"].sum(1).max() > 1
    torch.testing.assert_close(found["spread"].sum(1), torch.ones(7, dtype=torch.float64))


def same_as_saved(predictor, task, pictures):
    """What is loaded says what was saved."""
    with torch.no_grad():
        outputs = task.outputs({"image": torch.stack(pictures)})["emotion"]
    found = predictor(pictures)["emotion"]
    torch.testing.assert_close(found, outputs.double().softmax(1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("position", ["head", "stages"])
def test_squeezed_and_with_arguments_of_its_own(make_model, position):
    arguments = {"small_stem": True, "stem_width": 32}
    encoder = load_encoder("timm:resnet18", random=True, image_size=32, arguments=arguments)
    saved = make_model(encoder=encoder, squeeze={"position": position, "reduction": 4})
    same_as_saved(load_model(saved), make_model.last, images())


def test_an_encoder_of_a_newer_version(model, tmp_path):
    folder = model
    about = json.loads((folder / "model/model.json").read_text())
    for encoder in ({**about["encoder"], "rope": True}, {"name": "resnet10t", "rope": True}):
        with pytest.raises(UserError, match=r"(encoder: says rope, which|rope: Extra inputs)"):
            load_model(changed(folder, tmp_path / str(len(encoder)), encoder=encoder))


def test_a_model_of_persons_in_scenes(make_model):
    """Nobody is shown to it, and nothing depends on what stands in the person's place."""
    predictor = load_model(make_model(person="crop_and_scene"))
    found = predictor(images())["emotion"]
    batch = {"image": torch.stack(images()), "person": torch.zeros(7, 3, 32, 32, dtype=torch.uint8)}
    outputs = predictor.task.outputs({**batch, "has_person": torch.zeros(7, dtype=torch.bool)})["emotion"]
    torch.testing.assert_close(found, outputs.double().softmax(1), atol=1e-6, rtol=1e-5)


def changed(folder, out, **changes):
    copy = shutil.copytree(folder, out)
    about = json.loads((copy / "model/model.json").read_text())
    (copy / "model/model.json").write_text(json.dumps({**about, **changes}))
    return copy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2 is not the one"),
        ({"adapters": {"rank": 8}}, "says adapters, which this version of vemo does not know"),
        ({"heads": {"emotion": {"kind": "ordinal"}}}, "emotion|ordinal"),
        ({"heads": {"emotion": {"kind": "single", "space": "mikels9"}}}, "mikels9"),
        ({"heads": {"emotion": {"kind": "single", "space": "ekman6"}}}, "weights do not fit"),
        ({"view": {}}, "says nothing of 'interpolation'"),
        ({"scores": {"emotion": {"by_class": {"joy": {}}}}}, "was measured on joy; in this version"),
    ],
)
def test_what_is_not_known_is_refused(model, tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as refusal:
        load_model(changed(model, tmp_path / "copy", **changes))
    assert "\n" not in str(refusal.value)
    load_model(changed(model, tmp_path / "sound", adapters=None))


def test_a_damaged_or_missing_model(model, release, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    weights = copy / "model/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(UserError, match="damaged: sha256 is"):
        load_model(copy)
    weights.unlink()
    with pytest.raises(UserError, match="no such weights file"):
        load_model(copy)
    (copy / "model/model.json").write_text("{")
    with pytest.raises(UserError, match="damaged: not JSON"):
        load_model(copy)
    with pytest.raises(UserError, match="an encoder without heads; fine-tune it first"):
        load_model(release)
    with pytest.raises(UserError, match=r"no model\.json here"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_none(model, device):
    with pytest.raises(UserError, match=f"device={device}: cannot be used here"):
        load_model(model, device=device)
