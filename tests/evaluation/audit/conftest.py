"""A small drawn dataset with planted copies, leaks and wrong labels, as shards."""

import json

import pytest
import torch
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.synthetic import SynthesizeConfig, synthesize


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def flawed(tmp_path_factory):
    """(shard folder, truth): 160 pictures, 16 copies within a split, 10 leaks, 16 wrong labels."""
    root = tmp_path_factory.mktemp("flawed")
    planted = {"exact_duplicates": 0.05, "near_duplicates": 0.05, "leaks": 0.06, "label_noise": 0.1}
    synthesize(SynthesizeConfig(out=root / "images", images=160, seed=5, size=128, workers=0, **planted))
    reader = {"kind": "emoset"}
    build(BuildConfig(root=root / "images", out=root / "shards", reader=reader, workers=0))
    return root / "shards", json.loads((root / "images" / "truth.json").read_text())
