"""`vemo predict --explain`: emotions, a sentence, and where each of its words looked."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_sevlm import IMAGE_WIDTH, model_of, run_config
from vemo.cli import main
from vemo.finetune.art.attention import Weights, attention_sheet, word_attention
from vemo.finetune.art.explainer import load_explainer
from vemo.finetune.art.run import finetune_art
from vemo.foundation import UserError


@pytest.fixture(scope="module")
def run(paintings, release, tmp_path_factory):
    out = tmp_path_factory.mktemp("art-run")
    training = {"epochs": 12, "batch_size": 7, "device": "cpu", "optimizer": {"lr": 5e-3}}  # it has to write
    finetune_art(run_config(paintings, release, out, training=training), quiet=True)
    return out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name in ("one", "two"):
        Image.fromarray(generator.integers(0, 256, (50, 60, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def predict(capsys, *given):
    code = main(["predict", *map(str, given), "--device", "cpu"])
    return code, capsys.readouterr()


def test_a_sentence_for_each_picture(run, pictures, capsys):
    code, said = predict(capsys, pictures, "--checkpoint", run, "--explain", "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert code == 0 and [row["status"] for row in rows] == ["ok", "ok"]
    explainer = load_explainer(run)
    for row, name in zip(rows, ("one", "two")):
        emotion, explanation = row["heads"]["emotion"], row["heads"]["explanation"]
        assert explanation["of"] == emotion["class"] and sum(emotion["probabilities"].values()) == (
            pytest.approx(1, abs=1e-4)
        )
        pixels = torch.from_numpy(np.array(Image.open(pictures / f"{name}.png"))).permute(2, 0, 1)
        image = explainer.look(lambda pixels=pixels: pixels, {}, 0)["image"][None]
        (alone,) = explainer(image)
        assert alone["emotion"] == emotion["class"] and alone["explanation"] == explanation["text"]


def test_another_emotion_and_other_forms(run, pictures, capsys):
    given = (pictures / "one.png", "--checkpoint", run / "model", "--explain", "--emotion", "awe")
    _, said = predict(capsys, *given)
    assert ("awe: " in said.out and "█" in said.out) or "░" in said.out
    _, said = predict(capsys, *given, "--csv")
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert row["explanation.of"] == "awe" and "explanation.text" in row and "emotion.class" in row
    _, said = predict(capsys, pictures / "one.png", "--checkpoint", run, "--json")
    assert json.loads(said.out)["heads"].keys() == {"emotion"}, "nothing is written unless it is asked for"


def test_where_each_word_looked_is_a_picture(run, pictures, tmp_path, capsys):
    code, said = predict(
        capsys, pictures, "--checkpoint", run, "--explain", "--json", "--attention", tmp_path / "seen"
    )
    assert code == 0
    texts = [json.loads(line)["heads"]["explanation"]["text"] for line in said.out.splitlines()]
    sheets = sorted((tmp_path / "seen").iterdir())
    assert [path.name for path in sheets] == ["one.png", "two.png"] and any(texts)
    assert Image.open(sheets[0]).size[0] == 1200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--explain", "--emotion", "joy"], "no emotion 'joy'"),
        (["--emotion", "awe"], "need --explain"),
        (["--attention", "seen"], "need --explain"),
        (["--explain", "--faces"], "--faces is not for models of kind: art"),
    ],
)
def test_what_cannot_be_asked(run, pictures, given, says, capsys):
    code, said = predict(capsys, pictures, "--checkpoint", run, *given)
    assert code == 2 and says in said.err


def test_from_python_it_gives_emotions(run, pictures):
    import vemo

    model = vemo.load(run)
    found = [row for row in model.predict(pictures) if row.status == "ok"]
    assert found and {*found[0].probabilities} == {*model.labels["emotion"]}
    assert found[0].label in model.labels["emotion"] and sum(found[0].probabilities.values()) > 0.999
    with pytest.raises(UserError, match="gives no features"):
        model.features(pictures)


def test_other_models_do_not_explain(release, pictures, capsys):
    code, said = predict(capsys, pictures, "--checkpoint", release, "--explain")
    assert code == 2 and "kind: art" in said.err


def test_maps_are_the_decoders_weights(vocabulary, reader):
    model = model_of(vocabulary)
    with torch.no_grad():
        for block in model.decoder.h:
            block.crossattention.q_attn.weight.mul_(30)
    seen = model.look(torch.randn(1, 9, IMAGE_WIDTH, generator=torch.Generator().manual_seed(0))).detach()
    words, maps = word_attention(model, seen, 0, "the calming dogs", reader)
    assert words == ["the", "calming", "dogs"] and maps.shape == (3, 9)
    assert maps.mean(1).allclose(torch.ones(3), atol=1e-4) and maps.std() > 0.05
    # Eager attention says itself what it weighs: the same, at the place before each word's tokens.
    tokens = [*[vocabulary.end, *vocabulary.prompt, *vocabulary.labels[0], vocabulary.because]]
    begin = len(tokens)
    tokens += vocabulary.encode(" the calming dogs")
    ids = torch.tensor([tokens])
    explaining = torch.arange(len(tokens))[None] >= begin - 1
    values = torch.from_numpy(reader.read(tokens)[0])[None]
    model.decoder.config._attn_implementation = "eager"
    with torch.no_grad():
        embedded = model.embed(ids, explaining, values)
        output = model.decoder(
            None, inputs_embeds=embedded, encoder_hidden_states=seen, output_attentions=True, use_cache=False
        )
    weights = torch.stack(output.cross_attentions).mean((0, 2))[0] * 9
    assert maps[0].allclose(weights[begin - 1], atol=1e-4)
    assert maps[2].allclose(
        weights[len(tokens) - 1 - len(vocabulary.encode(" dogs")) : -1].mean(0), atol=1e-4
    )
    with Weights(model.decoder):
        pass
    assert not any(block.crossattention.q_attn._forward_hooks for block in model.decoder.h)


def test_nothing_written_and_patches_that_are_no_square(vocabulary, tmp_path):
    model = model_of(vocabulary, vad=None)
    words, maps = word_attention(model, model.look(torch.randn(1, 9, IMAGE_WIDTH)), 0, "", None)
    assert words == [] and maps.shape == (0, 9)
    picture = torch.zeros(3, 12, 12, dtype=torch.uint8)
    assert attention_sheet(tmp_path / "empty.png", picture, "awe", words, maps).exists()
    with pytest.raises(UserError, match="no square"):
        attention_sheet(tmp_path / "x.png", picture, "awe", ["a"], torch.ones(1, 8))
