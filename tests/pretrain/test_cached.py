"""A cached teacher: the same losses as the live one, nothing loaded, and refused where it does not fit."""

import json
import shutil

import pytest
import vemo.pretrain.embed as embed_module
import vemo.pretrain.run as run_module
from vemo.datasets.stream import ShardSet
from vemo.foundation import UserError
from vemo.foundation.config import load_config
from vemo.pretrain import PretrainConfig, pretrain
from vemo.pretrain.embed import EmbedConfig, embed

VIEW = {"scenes": 2, "person_view": "none"}
COMPONENTS = ["reconstruction", "similarity", "contrastive"]


@pytest.fixture
def own(shards, tmp_path, monkeypatch, teacher_of):
    """A shard set with the random teacher's rows of two scenes of each image, at the student's size."""
    monkeypatch.setattr(embed_module, "load_teacher", lambda *arguments: teacher_of())
    folder = shutil.copytree(shards, tmp_path / "set")
    embed(EmbedConfig(shards=folder, device="cpu", view=VIEW, image_size=32))
    return folder


def config_of(shards, out, small, **changes):
    values = {
        "out": out,
        "data": {"shards": shards},
        "model": small.model_dump(),
        "view": VIEW,
        "teacher": {"cached": "teacher"},
        "objective": {"components": COMPONENTS},
        "training": {"epochs": 2, "batch_size": 12, "device": "cpu", "log_every": 1},
    }
    return PretrainConfig.model_validate({**values, **changes})


def losses(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [[line[name] for name in COMPONENTS] for line in lines]


def test_cached_equals_live(own, small, tmp_path, monkeypatch, teacher_of):
    """But for the sixteen bits that the rows are kept in."""
    monkeypatch.setattr(run_module, "load_teacher", lambda *arguments: teacher_of())
    pretrain(config_of(own, tmp_path / "live", small, teacher={"name": "stand-in"}))
    monkeypatch.setattr(run_module, "load_teacher", lambda *arguments: pytest.fail("a teacher was loaded"))
    pretrain(config_of(own, tmp_path / "cached", small))
    live, cached = losses(tmp_path / "live"), losses(tmp_path / "cached")
    assert len(live) == len(cached) == 8
    for one, two in zip(live, cached):
        assert one == pytest.approx(two, abs=2e-3)
    assert live != cached  # two ways, not one


def test_the_rows_are_pinned_like_other_data(own, small, tmp_path, monkeypatch, teacher_of):
    out = tmp_path / "run"
    pretrain(config_of(own, out, small))
    shutil.rmtree(own / "sidecars")
    monkeypatch.setattr(embed_module, "load_teacher", lambda *arguments: teacher_of(width=20))
    embed(EmbedConfig(shards=own, device="cpu", view=VIEW, image_size=32))
    longer = {"epochs": 3, "batch_size": 12, "device": "cpu"}
    with pytest.raises(UserError, match="cannot resume"):
        pretrain(config_of(own, out, small, training=longer))


def test_centre_rows_serve_any_scene(own, small, tmp_path):
    embed(EmbedConfig(shards=own, device="cpu", name="centre"))
    view = {"person_view": "none"}
    release = pretrain(config_of(own, tmp_path / "run", small, view=view, teacher={"cached": "centre"}))
    about = json.loads((release / "encoder.json").read_text())
    assert about["training"]["teacher"]["name"] == "random, embedded beforehand"
    assert about["training"]["teacher"]["scenes"] is None


@pytest.mark.parametrize(
    "change,message",
    [
        (
            {"view": {"scenes": 3, "person_view": "none"}},
            r"holds 2 scenes of every image.*view.scenes=2 \(it is 3",
        ),
        ({"view": {**VIEW, "flip": 0.0}}, r"was cut with view.flip=0.5"),
        ({"sentences": {"text_emotion": False}}, r"was made with sentences.text_emotion=True"),
        ({"teacher": {"cached": "nobody"}}, r"no sidecar 'nobody_images'"),
        ({"data": {"shards": "https://example.invalid/set"}}, "needs a local shard set"),
    ],
)
def test_what_does_not_fit_is_refused(own, small, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        pretrain(config_of(own, tmp_path / "run", small, **change))


def test_sentences_do_not_matter_where_no_loss_reads_them(own, small, tmp_path):
    changes = {"objective": {"components": ["similarity"]}, "sentences": {"text_emotion": False}}
    assert pretrain(config_of(own, tmp_path / "run", small, **changes)).is_dir()


def test_embed_reads_the_sections_of_a_run(own, tmp_path):
    """One YAML says how scenes are cut and what is said of them."""
    text = "view: {scenes: 2, scale: [0.5, 1.0]}\nsentences: {text_emotion: false}\n"
    (tmp_path / "run.yaml").write_text(text)
    config = load_config(EmbedConfig, tmp_path / "run.yaml", [f"shards={own}", "name=other", "device=cpu"])
    embed(config)
    assert ShardSet(own, sidecars=["other_images"]).record("train", 0)["other_images"].shape == (2, 16)
