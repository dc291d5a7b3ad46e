"""A fine-tuned model handed to the audit says what the run's own measurement said."""

import pytest
import torch
from pydantic import TypeAdapter
from vemo.datasets.stream import ShardSet, evaluation_batches
from vemo.evaluation.model_audit import ModelAuditConfig, audit
from vemo.evaluation.predictions import load_predictions
from vemo.finetune.audited import audited_model
from vemo.finetune.augmentation import AugmentationConfig
from vemo.finetune.emotion import HeadConfig, build_head
from vemo.finetune.outcome import save_model
from vemo.finetune.scores import predictions
from vemo.finetune.task import FinetuneTask
from vemo.finetune.views import FinetuneEvaluationView
from vemo.foundation import UserError
from vemo.training import join_world
from vemo.zoo import load_encoder

HEADS = {"emotion": {"kind": "single", "space": "mikels8"}, "tone": {"kind": "vad"}}


def made(release, folder, heads):
    """(task, model folder) with random weights."""
    torch.manual_seed(3)
    encoder = load_encoder(release)
    built = {
        name: build_head(name, TypeAdapter(HeadConfig).validate_python(each), encoder.width)
        for name, each in heads.items()
    }
    for head in built.values():
        torch.nn.init.normal_(head.linear.weight, std=0.5)
    task = FinetuneTask(encoder, built)
    about = {"encoder": encoder.description, "image_size": 32, "person": "none", "context": None}
    about |= {"heads": heads, "view": {"interpolation": "bicubic"}, "crop_fraction": 0.9}
    save_model(folder / "model", task, about)
    return task.eval(), folder / "model"


def test_clean_predictions_are_those_of_the_run(release, shards, tmp_path):
    task, folder = made(release, tmp_path, {"emotion": HEADS["emotion"]})
    chosen = {"corruptions": ("noise",), "severities": (5,), "resamples": 200}
    config = ModelAuditConfig(robustness=True, checkpoint=folder, shards=shards, device="cpu", **chosen)
    report = audit(config, audited_model)
    opened = ShardSet(shards)
    view = FinetuneEvaluationView(AugmentationConfig(), 32, [task.heads["emotion"].targets], 0.9)
    wanted = predictions(task, evaluation_batches(opened, "test", view, 7), join_world("cpu"), opened, "test")
    clean = load_predictions(tmp_path / "model-audit" / "robustness" / "clean.safetensors")
    assert clean.ids == wanted["emotion"].ids and clean.groups == wanted["emotion"].groups
    assert torch.allclose(clean.outputs, wanted["emotion"].outputs, atol=1e-5)
    assert report["robustness"]["conditions"][0]["scores"]["ece"] >= 0
    assert report["samples"] == opened.count("test")


def test_it_must_be_said_which_head(release, tmp_path):
    _, folder = made(release, tmp_path, HEADS)
    with pytest.raises(UserError, match="say which head: emotion, tone"):
        audited_model(folder, None, "cpu")
    with pytest.raises(UserError, match="no head 'mood', only emotion, tone"):
        audited_model(folder, "mood", "cpu")
    assert audited_model(folder, "tone", "cpu").kind == "vad"
