"""A whole run on a few paintings: answers become batches, the run learns, writes, measures, reads patches."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_sevlm import run_config
from vemo.cli import main
from vemo.datasets.stream import ImageLoader, ShardSet, TrainStream
from vemo.finetune.art.answers import AnswerSet, AnswerView
from vemo.finetune.art.explainer import load_explainer
from vemo.finetune.art.run import finetune_art
from vemo.finetune.art.sequences import SequenceBuilder
from vemo.finetune.art.vision import Look
from vemo.foundation import UserError


def test_a_run_from_answers_to_report(paintings, release, tmp_path, capsys):
    config = run_config(paintings, release, tmp_path / "run")
    folder = finetune_art(config)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    scores = report["scores"]["art"]
    assert scores["images"] == 3 and {"bleu_4", "cider_d", "emotion_kl", "accuracy_strong"} <= scores.keys()
    assert report["chosen"]["by"] == "val_bleu_4"
    assert report["model"]["vad"]["lexicon"].keys() == {"sha256", "lemmas"}
    told = [json.loads(line) for line in (tmp_path / "run" / "explanations.jsonl").read_text().splitlines()]
    assert sorted(len(each["people"]) for each in told) == [2, 3, 3]
    weights = load_file(folder / "model.safetensors")
    assert {"model.decoder.wte.weight", "vision.encoder.model.cls_token"} <= weights.keys()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"language", "vad", "contrastive"} <= {key for line in lines for key in line}
    assert "accuracy_strong" in capsys.readouterr().out
    explainer = load_explainer(tmp_path / "run")
    for split_index, each in enumerate(told):
        record, data = ShardSet(paintings[0]).read("test", split_index)
        image = explainer.look(ImageLoader(data, False), record, 0)["image"][None]
        (found,) = explainer(image)
        assert record["id"] == each["id"] and found["emotion"] == each["emotion"]
        assert found["explanation"] == each["explanation"]
        assert found["distribution"][each["emotion"]] == pytest.approx(each["probability"], abs=1e-3)
        assert explainer(image, "fear")[0]["emotion"] == "fear"
    with pytest.raises(UserError, match="no emotion 'joy'"):
        explainer(image, "joy")
    other = tmp_path / "other.tsv"
    other.write_text("calm\t0\t0\t0\n")
    with pytest.raises(UserError, match="not the lexicon"):
        load_explainer(tmp_path / "run", other)
    # Run again it is finished, and says the same.
    finetune_art(config, quiet=True)
    again = json.loads((tmp_path / "run" / "report.json").read_text())
    assert again["scores"] == report["scores"]


def test_patches_made_beforehand_are_the_encoders(paintings, release, tmp_path, capsys):
    shards, _ = paintings
    assert main(["shards", "patches", str(shards), f"encoder={release}", "device=cpu"]) == 0
    assert "14 of 14" in capsys.readouterr().out
    row = ShardSet(shards, sidecars=("patches",)).record("train", 3)["patches"]
    assert row.dtype == np.float16 and row.shape == (16, 32)
    first = {}
    for name in (None, "patches"):
        out = tmp_path / str(name)
        training = {"epochs": 1, "batch_size": 7, "device": "cpu", "log_every": 1}
        finetune_art(run_config(paintings, release, out, patches=name, training=training), quiet=True)
        first[name] = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])["loss"]
    assert first["patches"] == pytest.approx(first[None], abs=2e-2)
    weights = load_file(tmp_path / "patches" / "model" / "model.safetensors")
    assert not any(name.startswith("vision.") for name in weights)
    assert load_explainer(tmp_path / "patches").look.size == 32
    with pytest.raises(UserError, match=r"made by encoder=.*pixels=encoder.*pixels=paper"):
        finetune_art(run_config(paintings, release, tmp_path / "x", patches="patches", pixels="paper"))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_every_answer_once(paintings, vocabulary, workers):
    shards = ShardSet(paintings[0])
    answers = AnswerSet(shards, "train", np.arange(shards.count("train")), vocabulary.emotions, False)
    assert answers.count("train") == 8 * 3 - 3
    view = AnswerView(Look(8), SequenceBuilder(vocabulary, None, 36), True)
    stream = TrainStream(answers, "train", view, 7, seed=3, workers=workers)
    batches = stream.batches(0)
    epochs = [[next(batches) for _ in range(3)] for _ in range(2)]
    orders = [torch.cat([batch["index"] for batch in epoch]).tolist() for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(21))] * 2 and orders[0] != orders[1]
    for batch in epochs[0]:
        assert batch["image"].shape == (7, 3, 8, 8) and batch["ids"].shape == (7, 2, 36)
        for index, emotion, there, ids in zip(*(batch[key] for key in ("index", "emotion", "there", "ids"))):
            record, _ = answers.read("train", int(index))
            texts = [vocabulary.decode(row.tolist()).rpartition("because ")[2] for row in ids]
            assert texts[0] == record["captions"][record["answer"]]["text"]
            several = len({caption["emotion"] for caption in record["captions"]}) > 1
            assert there.tolist() == [True, several]
            assert bool(emotion[0] != emotion[1]) == several


def test_images_of_several_emotions_alone(paintings, vocabulary):
    shards = ShardSet(paintings[0])
    answers = AnswerSet(shards, "train", np.arange(8), vocabulary.emotions, True)
    found = {answers.read("train", index)[0]["source"]["path"] for index in range(answers.count("train"))}
    assert {int(path.split("-")[-1].removesuffix(".jpg")) for path in found} == {1, 2, 4, 5, 7}
    assert answers.count("train") == 15


def test_shards_without_words(shards, release, paintings, tmp_path):
    with pytest.raises(UserError, match="captions with an emotion"):
        finetune_art(run_config((shards, paintings[1]), release, tmp_path / "run", vocabulary={"gpt2": None}))


def test_the_command_chooses_by_kind(tmp_path, capsys):
    path = Path(__file__).parents[3] / "configs" / "finetune" / "art_sevlm.yaml"
    for name in ("art_sevlm", "art_sevlm_faithful"):
        config = path.with_name(f"{name}.yaml")
        given = [f"data.shards={tmp_path}/none", f"out={tmp_path}/run", "encoder=timm:vit_tiny_patch16_224"]
        assert main(["finetune", str(config), "training.device=cpu", "random=true", *given]) == 2
        assert "none" in capsys.readouterr().err
    other = tmp_path / "plain.yaml"
    other.write_text("out: x\nencoder: y\ndata: {shards: z}\n")
    assert main(["finetune", str(other)]) == 2
    assert "heads" in capsys.readouterr().err
