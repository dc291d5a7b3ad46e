"""A whole run on a small shard set: it learns, resumes, releases; and says what is wrong with its input."""

import json

import pytest
import timm
import torch
import vemo.pretrain.run as run_module
from safetensors.torch import load_file
from vemo.foundation import UserError
from vemo.pretrain import PretrainConfig, pretrain
from vemo.zoo import load_encoder


def config_of(shards, out, small, **changes):
    values = {
        "out": out,
        "data": {"shards": shards},
        "model": small.model_dump(),
        "training": {
            "epochs": 3,
            "batch_size": 12,
            "device": "cpu",
            "optimizer": {"lr": 2e-3},
            "checkpoint_every": 5,
        },
    }
    return PretrainConfig.model_validate({**values, **changes})


@pytest.fixture
def with_teacher(monkeypatch, teacher_of):
    """Fitting a real teacher is another room's test."""
    monkeypatch.setattr(run_module, "load_teacher", lambda *arguments: teacher_of())


def test_a_run_from_shards_to_probe(shards, small, tmp_path, with_teacher, capsys):
    probe = {"resamples": 1000, "device": "cpu"}
    out = tmp_path / "run"
    release = pretrain(config_of(shards, out, small, probe=probe))
    assert release == out / "release"
    plain = timm.models.VisionTransformer(**small.architecture(), num_classes=0)
    plain.load_state_dict(load_file(release / "encoder.safetensors"), strict=True)
    encoder = load_encoder(release)
    assert encoder.width == 32 and encoder.image_size == 32
    about = json.loads((release / "encoder.json").read_text())
    assert about["data"] == {"dataset": "image-folder", "split": "train", "samples": 48}
    assert about["training"]["images_seen"] == 144
    assert about["training"]["supervision"].startswith("emotion labels are part")
    assert about["metrics"]["linear"]["dataset"] == "image-folder"
    assert (out / "probe.json").is_file() and (out / "reconstructions.png").is_file()
    assert "untrained" in capsys.readouterr().out
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "reconstruction", "similarity", "contrastive"} <= lines[-1].keys()


def test_stopped_and_resumed_equals_never_stopped(shards, small, tmp_path, with_teacher, monkeypatch):
    whole = pretrain(config_of(shards, tmp_path / "whole", small))

    class Stop(Exception):
        pass

    update = run_module.Trainer._train_step

    def stop_at_seven(trainer, *arguments, **named):
        if trainer.step == 7:
            raise Stop
        return update(trainer, *arguments, **named)

    monkeypatch.setattr(run_module.Trainer, "_train_step", stop_at_seven)
    with pytest.raises(Stop):
        pretrain(config_of(shards, tmp_path / "halves", small))
    monkeypatch.setattr(run_module.Trainer, "_train_step", update)
    halves = pretrain(config_of(shards, tmp_path / "halves", small))
    first, second = (load_file(folder / "encoder.safetensors") for folder in (whole, halves))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_changed_model_is_not_resumed(shards, small, tmp_path, with_teacher):
    pretrain(config_of(shards, tmp_path / "run", small))
    changed = {**small.model_dump(), "decoder_depth": 2}
    with pytest.raises(UserError, match=r"model\.decoder_depth"):
        pretrain(config_of(shards, tmp_path / "run", small, model=changed))


def test_reconstruction_alone_needs_no_teacher(shards, small, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "load_teacher", None)
    objective = {"components": ["reconstruction"]}
    release = pretrain(config_of(shards, tmp_path / "run", small, objective=objective))
    about = json.loads((release / "encoder.json").read_text())
    assert about["training"]["supervision"] == "no emotion labels"


def test_sentences_that_all_say_the_same_are_refused(shards, small, tmp_path, with_teacher):
    with pytest.raises(UserError, match="do not differ"):
        pretrain(config_of(shards, tmp_path / "run", small, sentences={"text_emotion": False}))


def test_a_run_starts_from_a_release_of_the_same_architecture(shards, small, tmp_path, with_teacher):
    first = pretrain(config_of(shards, tmp_path / "first", small))
    model = run_module.MaskedAutoencoder(small)
    run_module.initialise(model, str(first))
    weights = load_file(first / "encoder.safetensors")
    assert all(torch.equal(weights[name], value) for name, value in model.trunk.state_dict().items())
    other = small.model_copy(update={"width": 64})
    with pytest.raises(UserError, match=r"model\.init"):
        run_module.initialise(run_module.MaskedAutoencoder(other), str(first))


def test_pictures_on_the_way(shards, small, tmp_path, with_teacher):
    out = tmp_path / "run"
    training = {"epochs": 1, "batch_size": 12, "device": "cpu", "observe_every": 2}
    pretrain(config_of(shards, out, small, training=training))
    found = sorted(str(path.relative_to(out / "pictures")) for path in out.glob("pictures/*/*.png"))
    names = ("attention", "reconstructions", "similarities")
    assert found == [f"step-{step:06d}/{name}.png" for step in (2, 4) for name in names]


def test_looking_changes_nothing(shards, small, tmp_path, with_teacher):
    training = {"epochs": 2, "batch_size": 12, "device": "cpu"}
    blind = pretrain(config_of(shards, tmp_path / "blind", small, training=training))
    seen = pretrain(config_of(shards, tmp_path / "seen", small, training={**training, "observe_every": 1}))
    one, two = (load_file(folder / "encoder.safetensors") for folder in (blind, seen))
    assert all(torch.equal(one[name], two[name]) for name in one)
