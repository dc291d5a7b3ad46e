"""Weight files are read without running what is in them, and say why where they cannot be."""

import argparse
import pathlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from vemo.foundation import UserError
from vemo.zoo.weight_files import read_weight_file

ENCODER = {"patch_embed.proj.weight": torch.ones(4, 3, 2, 2), "cls_token": torch.zeros(1, 1, 4)}


def wrapped(prefix, weights=None):
    return {prefix + name: value for name, value in (weights or ENCODER).items()}


def test_safetensors_and_torch_files_give_the_same(tmp_path):
    save_file(wrapped("backbone."), tmp_path / "a.safetensors")
    torch.save({"model": wrapped("module.")}, tmp_path / "a.pth")
    torch.save(wrapped(""), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "a.pth", "old.pt"):
        found = read_weight_file(tmp_path / name)
        assert found.tensors.keys() == ENCODER.keys() and not found.outside and not found.is_clip
        assert all(torch.equal(found.tensors[key], ENCODER[key]) for key in ENCODER)


def test_what_lies_outside_the_encoder_is_named(tmp_path):
    content = {"model": {**wrapped("encoder."), "head.weight": torch.ones(1)}, "epoch": 3, "names": ["a"]}
    torch.save({**content, "args": argparse.Namespace(lr=0.1)}, tmp_path / "a.pth")
    found = read_weight_file(tmp_path / "a.pth")
    assert found.tensors.keys() == ENCODER.keys() and found.outside == ("model.head.weight",)


def test_clips_text_tower_lies_outside(tmp_path):
    weights = {"visual.class_embedding": torch.ones(4), "token_embedding.weight": torch.ones(2, 4)}
    torch.save({"state_dict": wrapped("module.", weights)}, tmp_path / "clip.bin")
    found = read_weight_file(tmp_path / "clip.bin")
    assert list(found.tensors) == ["visual.class_embedding"] and found.is_clip
    assert found.outside == ("state_dict.module.token_embedding.weight",)


@pytest.mark.parametrize("averaged", ["teacher.", "model_ema.", "state_dict_ema.", "ema."])
def test_of_two_encoders_the_average_is_taken(tmp_path, averaged):
    twice = {"model": wrapped(""), averaged[:-1]: {key: value + 1 for key, value in ENCODER.items()}}
    torch.save(twice, tmp_path / "a.pth")
    assert read_weight_file(tmp_path / "a.pth").tensors["cls_token"].eq(1).all()


def test_two_encoders_of_equal_rank_are_refused(tmp_path):
    torch.save({"image": wrapped(""), "video": wrapped("")}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"more than one encoder: image\.patch_embed"):
        read_weight_file(tmp_path / "a.pth")


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path):
    mark = tmp_path / "mark"
    torch.save({**ENCODER, "x": Attack(mark)}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="holds more than tensors"):
        read_weight_file(tmp_path / "evil.pth")
    assert not mark.exists()
    torch.save({**ENCODER, "x": np.float64(3)}, tmp_path / "numpy.pth")
    with pytest.raises(UserError, match=r"holds more than tensors \(numpy"):
        read_weight_file(tmp_path / "numpy.pth")


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_files_that_cannot_be_read_say_why(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script.pt")
    with pytest.raises(UserError, match="TorchScript archive, which holds code"):
        read_weight_file(tmp_path / "script.pt")
    torch.save(ENCODER, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:-200])
    for name in ("cut.pth", "empty.pth"):
        (tmp_path / name).touch()
        with pytest.raises(UserError, match="not a readable torch file"):
            read_weight_file(tmp_path / name)
    with pytest.raises(UserError, match="no such weights file"):
        read_weight_file(tmp_path / "nowhere.pth")
    with pytest.raises(UserError, match="not a weights file that is read here"):
        read_weight_file(tmp_path / "weights.npz")
    torch.save({"layer4.conv.weight": torch.ones(1)}, tmp_path / "resnet.pth")
    with pytest.raises(UserError, match=r"no vision transformer.*it holds layer4\.conv\.weight"):
        read_weight_file(tmp_path / "resnet.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no tensor at all"):
        read_weight_file(tmp_path / "list.pth")
