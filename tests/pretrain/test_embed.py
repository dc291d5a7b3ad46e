"""Teacher embeddings as sidecars: the right rows, the views of pretraining, and what makes them stale."""

import json
import shutil

import numpy as np
import pytest
import torch
import vemo.pretrain.embed as embed_module
from vemo.cli import main
from vemo.datasets.shards import verify
from vemo.datasets.stream import ShardSet, StreamConfig, open_batches
from vemo.datasets.stream.decode import decode
from vemo.datasets.stream.transforms import resize_center_crop
from vemo.foundation import UserError
from vemo.pretrain.embed import EmbedConfig, embed
from vemo.pretrain.sentences import SentenceBuilder, SentenceConfig
from vemo.pretrain.views import PretrainView, ViewConfig
from vemo.training import World


@pytest.fixture
def own(shards, tmp_path):
    """A shard set of the test's own: 48 samples to train on, 48 to test on."""
    return shutil.copytree(shards, tmp_path / "set")


@pytest.fixture
def teacher(teacher_of):
    """With a description as real ones have it: what was measured while it was fitted differs every time."""
    teacher = teacher_of()
    measured = {"images_per_second": np.random.default_rng().random()}
    teacher.description = {"preprocessing": {"image_size": 16}, "trained": measured}
    return teacher


@pytest.fixture(autouse=True)
def _random_teacher(monkeypatch, teacher):
    """Loading and fitting a real teacher is another room's test."""
    monkeypatch.setattr(embed_module, "load_teacher", lambda *arguments: teacher)


def about(folder, name):
    return json.loads((folder / "sidecars" / name / "sidecar.json").read_bytes())


def test_centre_crops_and_sentences(own, teacher):
    images, text = embed(EmbedConfig(shards=own, device="cpu", batch_size=7))
    assert (images.samples, images.found, text.found) == (96, 96, 96)
    shards = ShardSet(own, sidecars=["teacher_images", "teacher_text"])
    sentence = SentenceBuilder(SentenceConfig())
    for place in (0, 19, 20, 47):
        record, data = shards.read("train", place)
        crop = resize_center_crop(decode(data), 16, 1.0, "bicubic")
        expected = teacher.encode_image(crop[None]).numpy()
        assert record["teacher_images"].shape == (1, 16) and record["teacher_images"].dtype == np.float16
        np.testing.assert_allclose(record["teacher_images"], expected, atol=1e-3)
        expected = teacher.encode_text([sentence(record)])[0].numpy()
        np.testing.assert_allclose(record["teacher_text"], expected, atol=1e-3)
    rows = np.stack([record["teacher_images"] for record in shards.records("test")]).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1, atol=2e-3)
    assert verify(own, workers=0).ok


def test_what_sidecar_json_says_of_the_teacher(own, teacher):
    embed(EmbedConfig(shards=own, device="cpu", view={"scenes": 2}))
    images, text = about(own, "teacher_images"), about(own, "teacher_text")
    assert images["made_by"] == {"name": "random", "licence": None, "weights_sha256": teacher.fingerprint}
    assert images["shape"] == [2, 16] and text["shape"] == [16] and images["dtype"] == "float16"
    settings = images["settings"]
    assert (settings["scenes"], settings["image_size"]) == (2, 16)
    assert settings["view"] == {"scale": [0.2, 1.0], "interpolation": "bicubic", "flip": 0.5}
    assert settings["preprocessing"] == text["settings"]["preprocessing"] == {"image_size": 16}
    assert text["settings"]["sentences"]["style"] == "safe"
    assert images["edits"] is None and text["edits"] == ""
    assert images["command"] == "vemo shards embed DIR view.scenes=2"


def test_row_k_is_scene_k_of_pretraining_in_whatever_run(own, teacher):
    """So that a run need not ask its teacher again."""
    embed(EmbedConfig(shards=own, device="cpu", view={"scenes": 3}, image_size=32, what=["images"]))
    shards = ShardSet(own, sidecars=["teacher_images"])
    view = PretrainView(ViewConfig(scenes=3), 32, SentenceBuilder(SentenceConfig()))
    seen = set()
    for seed in (5, 6):
        batches = open_batches(StreamConfig(shards=own), view, global_batch=48, seed=seed).batches(0)
        for batch in (next(batches), next(batches)):
            expected = teacher.encode_image(batch["scene"]).numpy()
            scenes = [number % 3 for number in batch["seed"].tolist()]
            pairs = zip(batch["index"].tolist(), scenes)
            kept = [shards.record("train", index)["teacher_images"][scene] for index, scene in pairs]
            np.testing.assert_allclose(np.stack(kept), expected, atol=1e-3)
            seen |= set(scenes)
    assert seen == {0, 1, 2}
    rows = shards.record("train", 0)["teacher_images"]
    assert np.abs(rows[0] - rows[1]).max() > 0.01  # the scenes differ


def test_loader_processes_and_batches_change_nothing(own, tmp_path):
    embed(EmbedConfig(shards=own, device="cpu", view={"scenes": 2}, what=["images"]))
    here = ShardSet(own, sidecars=["teacher_images"])
    other = shutil.copytree(own, tmp_path / "other", ignore=shutil.ignore_patterns("sidecars"))
    changes = {"workers": 1, "batch_size": 5}
    embed(EmbedConfig(shards=other, device="cpu", view={"scenes": 2}, what=["images"], **changes))
    there = ShardSet(other, sidecars=["teacher_images"])
    for one, two in zip(here.records("train"), there.records("train")):
        np.testing.assert_allclose(one["teacher_images"], two["teacher_images"], atol=1e-3)


def test_samples_that_say_nothing_have_zeros(own):
    shards = ShardSet(own)
    silent = shards.record("train", 3)["id"]
    (own / "overrides.jsonl").write_text(json.dumps({"id": silent, "set": {"labels": None}, "by": "ann"}))
    (report,) = embed(EmbedConfig(shards=own, device="cpu", what=["text"]))
    assert report.found == 95
    rows = [record["teacher_text"] for record in ShardSet(own, sidecars=["teacher_text"]).records("train")]
    assert not rows[3].any() and all(row.any() for place, row in enumerate(rows) if place != 3)


def test_edits_make_text_stale_and_running_again_mends_it(own):
    config = EmbedConfig(shards=own, device="cpu")
    embed(config)
    identifier = ShardSet(own).record("train", 0)["id"]
    line = {"id": identifier, "set": {"labels.mikels8.class": "sadness"}, "by": "ann"}
    (own / "overrides.jsonl").write_text(json.dumps(line))
    ShardSet(own, sidecars=["teacher_images"])
    with pytest.raises(
        UserError, match=r"sidecars/teacher_text: was made from other edits .*vemo shards embed"
    ):
        ShardSet(own, sidecars=["teacher_text"])
    images, text = embed(config)
    assert images.made == 0 and text.made == text.shards
    ShardSet(own, sidecars=["teacher_text"])


def test_a_teacher_that_was_fitted_again_to_the_same_weights_is_the_same(own, teacher):
    config = EmbedConfig(shards=own, device="cpu")
    embed(config)
    teacher.description["trained"] = {"images_per_second": 7.0}
    assert [report.made for report in embed(config)] == [0, 0]


def test_another_teacher_needs_another_name(own, monkeypatch, teacher_of):
    embed(EmbedConfig(shards=own, device="cpu"))

    def other(*arguments):
        teacher = teacher_of()
        with torch.no_grad():
            teacher.towers["image"].weight.add_(1)
        return teacher

    monkeypatch.setattr(embed_module, "load_teacher", other)
    with pytest.raises(UserError, match=r"made_by.weights_sha256 was .* choose another name"):
        embed(EmbedConfig(shards=own, device="cpu"))
    assert len(embed(EmbedConfig(shards=own, device="cpu", name="other"))) == 2


def test_the_command(own, capsys):
    assert main(["shards", "embed", str(own), "device=cpu", "what=[images]"]) == 0
    assert "teacher_images: says something of 96 of 96 samples" in capsys.readouterr().out
    assert main(["shards", "embed", str(own), "name=../up"]) == 2
    assert main(["shards", "embed", str(own), "view.scens=1"]) == 2


def test_the_sections_of_a_run(own, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(
        f"out: x\ndata: {{shards: {own}}}\nview: {{scale: [0.5, 1.0]}}\nsentences: {{text_emotion: false}}\n"
        "teacher: {name: stand-in, cached: other}\n"
    )
    run = ["--pretrain", str(tmp_path / "run.yaml")]
    assert main(["shards", "embed", str(own), *run, "device=cpu", "view.scenes=2"]) == 0
    assert about(own, "teacher_images")["settings"]["view"]["scale"] == [0.5, 1.0]
    assert about(own, "teacher_images")["settings"]["scenes"] == 2
    assert about(own, "teacher_text")["settings"]["sentences"]["text_emotion"] is False


def test_one_process_only(own, monkeypatch):
    monkeypatch.setattr(embed_module, "join_world", lambda device: World(rank=0, size=2))
    with pytest.raises(UserError, match="in one process"):
        embed(EmbedConfig(shards=own, device="cpu"))
