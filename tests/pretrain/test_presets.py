"""Every preset loads, and the full-size ones have the sizes of the models they name (on the meta device)."""

from pathlib import Path

import pytest
import timm
import torch
from vemo.foundation.config import load_config
from vemo.pretrain import PretrainConfig
from vemo.pretrain.masked_autoencoder import MaskedAutoencoder

PRESETS = Path(__file__).parents[2] / "configs" / "pretrain"


def load(name, *overrides):
    return load_config(PretrainConfig, PRESETS / f"{name}.yaml", overrides)


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_preset_loads_and_its_model_can_be_built(path):
    config = load_config(PretrainConfig, path)
    with torch.device("meta"):
        model = MaskedAutoencoder(config.model)
    assert model.decoder_head.out_features == 3 * config.model.patch_size**2
    assert config.objective.uses_teacher and config.probe is not None


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    "preset,name,trunk,millions",
    [
        ("uniemox_vitb16", "vit_base_patch16_224", 85_798_656, 111.9),
        ("uniemox_vitl16", "vit_large_patch16_224", 303_301_632, 329.5),
        ("uniemox", "vit_base_patch16_224", 85_798_656, 111.9),
        ("uniemox-faithful", "vit_large_patch16_224", 303_301_632, 329.5),
    ],
)
def test_full_size_models(preset, name, trunk, millions):
    """The whole: MAE's published 111.9 M and 329.5 M for ViT-B and ViT-L with its 512 x 8 decoder."""
    with torch.device("meta"):
        model = MaskedAutoencoder(load(preset).model)
        named = timm.create_model(name, num_classes=0)
    assert count(model.trunk) == count(named) == trunk
    assert model.trunk.state_dict().keys() == named.state_dict().keys()
    decoder_positions = model.decoder_positions.numel()  # MAE counts its fixed positions as parameters
    assert (count(model) + decoder_positions) / 1e6 == pytest.approx(millions, abs=0.1)


def test_full_size_teacher_and_decoder_agree():
    """CLIP ViT-B/16 is 512 wide: the decoder's input layer can be the projector, as released."""
    import open_clip

    assert open_clip.get_model_config("ViT-B-16")["embed_dim"] == load("uniemox").model.decoder_width


def test_what_the_faithful_preset_keeps_and_what_it_mends():
    config = load("uniemox-faithful")
    assert config.model.mask_ratio == 0.9 and not config.model.normalise_pixels
    assert not config.objective.center_rows and config.objective.fusion.activation == "elu"
    assert config.teacher.normalisation == "imagenet" and config.sentences.style == "faithful"
    assert config.view.person_view == "crop"
    assert config.training.optimizer.lr == pytest.approx(1e-3 * config.training.batch_size / 256)
    recommended = load("uniemox").training
    assert recommended.optimizer.lr == pytest.approx(1.5e-4 * recommended.batch_size / 256)
    assert recommended.batch_size >= 256


@pytest.mark.parametrize(
    "override,message",
    [
        ("view.person_view=none", "person_view is none"),
        ("objective.components=[]", "no loss"),
        ("model.mask_ratio=1.4", "less than 1"),
        ("objective.fuson=x", "fusion"),
    ],
)
def test_contradictions_are_told_in_words(override, message):
    from vemo.foundation import UserError

    with pytest.raises(UserError, match=message):
        load("tiny", override)
