"""`model.size` says width, depth and heads in a word, and is not contradicted in silence."""

import pytest
from vemo.foundation import UserError
from vemo.foundation.config import dump_config, load_config
from vemo.pretrain.masked_autoencoder import ModelConfig
from vemo.zoo.trunk import SIZES


@pytest.mark.parametrize("size", list(SIZES))
def test_a_size_stands_for_its_numbers(size, tmp_path):
    config = ModelConfig(size=size)
    assert (config.width, config.depth, config.heads) == SIZES[size]
    assert config.patch_size == (14 if size == "huge" else 16)
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_config(ModelConfig, tmp_path / "again.yaml") == config


def test_a_patch_size_that_is_given_stays():
    assert ModelConfig(size="huge", patch_size=16).patch_size == 16


def test_a_number_beside_a_size_must_be_its_own(tmp_path):
    assert ModelConfig(size="small", width=384).width == 384
    with pytest.raises(ValueError, match="width 385 contradicts size small, whose width is 384"):
        ModelConfig(size="small", width=385)
    (tmp_path / "base.yaml").write_text("size: base\n")
    with pytest.raises(UserError, match="depth 6 contradicts size base"):
        load_config(ModelConfig, tmp_path / "base.yaml", ["depth=6"])
    config = load_config(ModelConfig, tmp_path / "base.yaml", ["size=null", "depth=6"])
    assert (config.width, config.depth, config.heads) == (768, 6, 12)


def test_an_unknown_size_is_told():
    with pytest.raises(ValueError, match="'tiny', 'small', 'base', 'large' or 'huge'"):
        ModelConfig.model_validate({"size": "giant"})
