"""The picture of attention: whole scenes, and the maps that belong to them."""

from functools import partial

import numpy as np
import torch
from PIL import Image
from vemo.evaluation.reports.attention import attention, class_maps, overlay
from vemo.pretrain.masked_autoencoder import MaskedAutoencoder
from vemo.pretrain.pictures import save_attention
from vemo.pretrain.pictures.reconstructions import normalised
from vemo.pretrain.pictures.sheet import GAP, MARGIN, TILE, TITLE_SIZE, tiles


def test_the_picture_shows_whole_scenes(small, batch, tmp_path):
    """Hidden patches would change with the seed; this one may not."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(small)
    path = save_attention(model, batch, tmp_path / "attention.png")
    shown, top = np.asarray(Image.open(path)), MARGIN + TITLE_SIZE + MARGIN
    scene = np.asarray(tiles(batch["scene"]))
    assert np.array_equal(shown[top : top + TILE, MARGIN:-MARGIN], scene)
    found = attention(model.trunk, normalised(model, batch["scene"]))
    grid = partial(class_maps, prefix=1, grid=(4, 4))
    mean = grid(found.last.mean(dim=1))
    y = top + TILE + GAP + 20 + MARGIN
    expected = np.asarray(tiles(overlay(batch["scene"], mean, max(2.0, mean.quantile(0.99).item()))))
    assert np.array_equal(shown[y : y + TILE, MARGIN:-MARGIN], expected)
