"""Pretraining on several shard sets: one run, a head for each label space, a teacher's rows from each set."""

import json
import shutil

import numpy as np
import pytest
import vemo.pretrain.embed as embed_module
from PIL import Image
from vemo.datasets.shards import BuildConfig, build
from vemo.foundation import UserError
from vemo.pretrain import PretrainConfig, pretrain
from vemo.pretrain.embed import EmbedConfig, embed


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Sixteen images in three classes of another space."""
    root = tmp_path_factory.mktemp("others")
    generator = np.random.default_rng(1)
    for number in range(16):
        folder = root / "train" / ("joy", "fear", "anger")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{number}.png")
    out = tmp_path_factory.mktemp("shards") / "others"
    reader = {"kind": "image_folder", "space": "ekman6", "dataset": "others"}
    build(BuildConfig(root=root, out=out, reader=reader, workers=0, samples_per_shard=20))
    return out


def config_of(sets, out, small, **changes):
    values = {
        "out": out,
        "data": {"mixture": sets, "samples_per_epoch": 48},
        "model": small.model_dump(),
        "view": {"person_view": "none"},
        "objective": {"components": ["reconstruction", "attributes"], "attributes": {"at_least": 1}},
        "training": {"epochs": 2, "batch_size": 12, "device": "cpu", "log_every": 1},
    }
    return PretrainConfig.model_validate({**values, **changes})


def test_a_head_for_every_label_space_of_the_mixture(shards, others, small, tmp_path):
    sets = {"one": {"shards": shards, "weight": 2}, "two": {"shards": others, "weight": 1}}
    release = pretrain(config_of(sets, tmp_path / "run", small))
    about = json.loads((release / "encoder.json").read_text())
    assert about["training"]["vocabulary"]["spaces"] == ["ekman6", "mikels8"]
    assert about["training"]["supervision"] == "emotion labels are learnt by a head"
    mixture = about["data"]["mixture"]
    assert {name: (each["samples"], round(each["weight"], 3)) for name, each in mixture.items()} == {
        "one": (48, 0.667),
        "two": (16, 0.333),
    }
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 8 and json.loads(lines[-1])["attributes"] < json.loads(lines[0])["attributes"]


def test_a_changed_weight_is_not_resumed(shards, others, small, tmp_path):
    sets = {"one": {"shards": shards, "weight": 2}, "two": {"shards": others, "weight": 1}}
    pretrain(config_of(sets, tmp_path / "run", small))
    sets["two"] = {**sets["two"], "weight": 2}
    longer = {"epochs": 3, "batch_size": 12, "device": "cpu"}
    with pytest.raises(UserError, match=r"data\.mixture"):
        pretrain(config_of(sets, tmp_path / "run", small, training=longer))


def test_a_cached_teacher_has_rows_in_every_set(shards, others, small, tmp_path, monkeypatch, teacher_of):
    monkeypatch.setattr(embed_module, "load_teacher", lambda *arguments: teacher_of())
    view = {"scenes": 2, "person_view": "none"}
    sets = {}
    for name, source in (("one", shards), ("two", others)):
        folder = shutil.copytree(source, tmp_path / name)
        embed(EmbedConfig(shards=folder, device="cpu", view=view, image_size=32))
        sets[name] = {"shards": folder}
    changes = {"view": view, "teacher": {"cached": "teacher"}, "objective": {"components": ["similarity"]}}
    assert pretrain(config_of(sets, tmp_path / "run", small, **changes)).is_dir()
    shutil.rmtree(tmp_path / "two" / "sidecars")
    monkeypatch.setattr(embed_module, "load_teacher", lambda *arguments: other)
    other = teacher_of()
    other.towers["image"].weight.data.add_(1)
    embed(EmbedConfig(shards=tmp_path / "two", device="cpu", view=view, image_size=32))
    with pytest.raises(UserError, match="another teacher than that of"):
        pretrain(config_of(sets, tmp_path / "again", small, **changes))


def test_a_fitted_teacher_needs_one_set_to_be_fitted_on(shards, others, small, tmp_path):
    sets = {"one": {"shards": shards}, "two": {"shards": others}}
    with pytest.raises(UserError, match=r"teacher\.shards"):
        pretrain(config_of(sets, tmp_path / "run", small, objective={"components": ["similarity"]}))
