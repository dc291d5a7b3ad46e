"""The authors' weights under their names: loaded whole and to the same effect, or refused."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny_sevlm import VAD, batch_of, config_of, model_of
from vemo.finetune.art.config import ArtConfig, DecoderConfig
from vemo.finetune.art.model import Sevlm
from vemo.finetune.art.released import encoder_names, load_released, sorted_out
from vemo.foundation import UserError

WIDTH = 64  # of patches, too: as in the release, nothing lies between


def theirs(model):
    """(what their folder holds, what their .tar does) of a model, under the names of the published code."""
    folder = {f"transformer.{name}": value for name, value in model.decoder.state_dict().items()}
    folder["transformer.VAD_linear.weight"] = model.fusion.weight.data
    folder["transformer.VAD_linear.bias"] = model.fusion.bias.data
    folder["VAD_head.weight"], folder["VAD_head.bias"] = model.vad_head.weight.data, model.vad_head.bias.data
    for place in (0, 2, 4, 6, 8):
        layer = model.scorer.layers[place]
        folder[f"sim_mlp.pred.{place}.weight"] = layer.weight.data
        folder[f"sim_mlp.pred.{place}.bias"] = layer.bias.data
    folder["lm_head.weight"] = model.decoder.wte.weight.data.clone()
    for layer in range(len(model.decoder.h)):  # old versions saved their masks
        for name in ("attn.bias", "attn.masked_bias", "crossattention.bias", "crossattention.masked_bias"):
            folder[f"transformer.h.{layer}.{name}"] = torch.zeros(1)
    encoder = model.emotion_encoder
    values = {"pos_encoder.weight": encoder.positions.data}
    for name, module in (("norm", encoder.norm), ("decoder", encoder.unused)):
        values[f"{name}.weight"], values[f"{name}.bias"] = module.weight.data, module.bias.data
    for number, layer in enumerate(encoder.layers):
        parts = {
            "self_attention.query": layer.query, "self_attention.key": layer.key,
            "self_attention.value": layer.value, "norm1": layer.attention_norm, "norm2": layer.mlp_norm,
            "fc.0": layer.mlp[0], "fc.2": layer.mlp[3],
        }  # fmt: skip
        for name, module in parts.items():
            values[f"encoder.layers.{number}.{name}.weight"] = module.weight.data
            values[f"encoder.layers.{number}.{name}.bias"] = module.bias.data
    return {name: value.contiguous().clone() for name, value in folder.items()}, values


def faithful(vocabulary, seed, **changes):
    return model_of(vocabulary, seed=seed, image_width=WIDTH, faithful=True, **{"vad": VAD, **changes})


def write(folder, weights, values, name="model.safetensors", **more):
    folder.mkdir(exist_ok=True)
    if name.endswith("safetensors"):
        save_file(weights, folder / name)
    else:
        torch.save(weights, folder / name)
    stats = {"epoch": 3, "emo_encoder_state_dict": values, "optimizer_state_dict": {"state": {}}, **more}
    torch.save(stats, folder / "ckpt_stats_best-res.tar")
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_release_is_loaded_whole_and_says_the_same(vocabulary, reader, tmp_path, name):
    source, model = faithful(vocabulary, 1), faithful(vocabulary, 2)
    report = load_released(model, write(tmp_path / "release", *theirs(source), name=name))
    assert set(report.loaded) == {"decoder", "fusion", "vad_head", "scorer", "emotion_encoder"}
    assert report.unused == [] and set(report.files) == {name, "ckpt_stats_best-res.tar"}
    assert json.dumps(report.facts) and "scorer 10 tensors" in str(report)
    for own, value in source.state_dict().items():
        assert model.state_dict()[own].equal(value), own
    batch = batch_of(vocabulary, reader, [[("fear", "the dark sky"), ("awe", "the light")]] * 2)
    patches = torch.randn(2, 9, WIDTH, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    expected = source(patches, batch)
    torch.manual_seed(0)
    found = model(patches, batch)
    assert all(found[part].equal(expected[part]) for part in ("language", "vad", "contrastive"))


def test_what_the_model_has_no_part_for_is_told(vocabulary, tmp_path):
    source = faithful(vocabulary, 1)
    baseline = faithful(vocabulary, 2, vad=None, contrastive=None)
    weights, values = theirs(source)
    weights["something.weight"] = torch.zeros(2)
    report = load_released(baseline, write(tmp_path / "release", weights, values))
    assert report.loaded.keys() == {"decoder"}
    assert set(report.unused) == {"something.weight", "fusion", "vad_head", "scorer", "emotion_encoder"}


@pytest.mark.parametrize(
    ("change", "says"),
    [  # of (what the folder holds, what the .tar does)
        (lambda w, v: w.pop("transformer.ln_f.weight"), "decoder has no ln_f.weight"),
        (lambda w, v: w.pop("sim_mlp.pred.4.bias"), "scorer has no layers.4.bias"),
        (lambda w, v: w.update({"VAD_head.more": torch.zeros(1)}), "vad_head has more"),
        (
            lambda w, v: w.update({"VAD_head.bias": torch.zeros(4)}),
            r"vad_head.bias is \[4\]",
        ),
        (lambda w, v: v.pop("norm.bias"), "emotion_encoder has no norm.bias"),
        (lambda w, v: v.update({"odd": torch.zeros(1)}), "emotion_encoder has odd"),
        (lambda w, v: w["lm_head.weight"].add_(1), "lm_head.weight is not"),
        (lambda w, v: [w.pop(n) for n in list(w) if "sim_mlp" in n], "no scorer in"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(vocabulary, tmp_path, change, says):
    model = faithful(vocabulary, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights, values = theirs(faithful(vocabulary, 1))
    change(weights, values)
    with pytest.raises(UserError, match=says):
        load_released(model, write(tmp_path / "release", weights, values))
    assert all(model.state_dict()[name].equal(value) for name, value in before.items())


def test_files_that_are_not_a_release(vocabulary, tmp_path):
    model = faithful(vocabulary, 2)
    weights, values = theirs(faithful(vocabulary, 1))
    with pytest.raises(UserError, match=r"no model.safetensors or pytorch_model.bin"):
        load_released(model, tmp_path)
    folder = write(tmp_path / "release", weights, values, encoder_state_dict={"w": torch.zeros(1)})
    with pytest.raises(UserError, match="image encoder was tuned"):
        load_released(model, folder)
    (folder / "ckpt_stats_best-acc.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"2 .tar files"):
        load_released(model, folder)
    for path in folder.glob("*.tar"):
        path.unlink()
    with pytest.raises(UserError, match=r"no emotion_encoder in the \.tar"):
        load_released(model, folder)
    with pytest.raises(UserError, match="patches of its own width"):
        load_released(model_of(vocabulary, image_width=24, faithful=True, vad=VAD), folder)
    with pytest.raises(UserError, match="faithful"):
        load_released(model_of(vocabulary, image_width=WIDTH), folder)


def test_every_tensor_of_the_full_model_has_a_name_of_theirs(vocabulary):
    """The 100,254,911 trainable parameters of the release are all of ours, none twice."""
    config = config_of(True, decoder={"weights": None, "positions": 1024}, vad=VAD)
    config = config.model_copy(update={"decoder": DecoderConfig()})
    with torch.device("meta"):
        model = Sevlm(config, vocabulary, 768)
    weights, values = theirs_on_meta(model)
    parts, unused = sorted_out(weights)
    parts["emotion_encoder"] = encoder_names(values)
    named = {f"{part}.{name}" for part, tensors in parts.items() for name in tensors}
    assert unused == [] and named == set(model.state_dict())
    ours = sum(each.numel() for each in model.parameters())
    assert ours + (50_261 - len(vocabulary)) * 768 == 100_254_911


def theirs_on_meta(model):
    folder, values = theirs(model)
    folder.pop("lm_head.weight")
    return folder, values


def test_a_run_starts_from_a_release(tmp_path):
    given = {"out": tmp_path, "encoder": "x", "data": {"shards": tmp_path}, "faithful": True}
    config = ArtConfig.model_validate({**given, "model": {"released": tmp_path, "vad": VAD}})
    assert config.model.released == tmp_path and config.model.vad.encoder == "bidirectional"
