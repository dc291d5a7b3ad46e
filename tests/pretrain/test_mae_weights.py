"""MAE's checkpoints in our autoencoder: the reconstruction of a plain MAE, written here under MAE's names."""

import argparse
import math
import re

import pytest
import torch
from torch import nn
from vemo.foundation import UserError
from vemo.pretrain.masked_autoencoder import MaskedAutoencoder, ModelConfig
from vemo.pretrain.starting_weights import initialise


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        query, key, value = (part.chunk(self.heads, dim=-1) for part in self.qkv(x).chunk(3, dim=-1))
        heads = [
            (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(dim=-1) @ v
            for q, k, v in zip(query, key, value, strict=True)
        ]
        return self.proj(torch.cat(heads, dim=-1))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](self.norm2(x))))


def table(width, rows):
    """Sine and cosine of column, then of row, at falling frequencies; zeros for the class token."""
    positions = torch.zeros(1, 1 + rows * rows, width, dtype=torch.float64)
    quarter = width // 4
    for place in range(rows * rows):
        for k in range(quarter):
            for offset, coordinate in ((0, place % rows), (2 * quarter, place // rows)):
                angle = coordinate / 10000 ** (k / quarter)
                positions[0, 1 + place, offset + k] = math.sin(angle)
                positions[0, 1 + place, offset + quarter + k] = math.cos(angle)
    return positions.float()


class PlainMAE(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner, patch = config.width, config.decoder_width, config.patch_size
        rows = config.image_size // patch
        self.patch, self.rows = patch, rows
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, stride=patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(table(width, rows))
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_embed = nn.Linear(width, inner)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, inner))
        self.decoder_pos_embed = nn.Parameter(table(inner, rows))
        self.decoder_blocks = nn.ModuleList(
            Block(inner, config.decoder_heads) for _ in range(config.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(inner, eps=1e-6)
        self.decoder_pred = nn.Linear(inner, patch * patch * 3)
        for name, parameter in self.named_parameters():
            if not name.endswith("pos_embed"):
                nn.init.normal_(parameter, mean=1.0 if "norm" in name and "weight" in name else 0.0, std=0.2)

    def forward(self, images, kept):
        """Images [B, 3, S, S] and the indices [B, K] of visible patches → all predicted, as images."""
        tokens = self.patch_embed["proj"](images).flatten(2).transpose(1, 2) + self.pos_embed[:, 1:]
        visible = torch.stack([tokens[row, kept[row]] for row in range(len(images))])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        x = torch.cat([first, visible], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))
        places = self.mask_token.repeat(len(images), self.rows**2, 1)
        for row in range(len(images)):
            places[row, kept[row]] = x[row, 1:]
        x = torch.cat([x[:, :1], places], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        pixels = self.decoder_pred(self.decoder_norm(x))[:, 1:]
        grid = pixels.reshape(len(images), self.rows, self.rows, self.patch, self.patch, 3)
        side = self.rows * self.patch
        return torch.einsum("nhwpqc->nchpwq", grid).reshape(len(images), 3, side, side)


CONFIG = ModelConfig(
    image_size=32,
    patch_size=8,
    width=32,
    depth=2,
    heads=4,
    decoder_width=16,
    decoder_depth=2,
    decoder_heads=2,
)


def changed(**values):
    return ModelConfig(**{**CONFIG.model_dump(), **values})


@pytest.fixture
def plain():
    torch.manual_seed(3)
    return PlainMAE(CONFIG).eval()


@pytest.fixture
def file(plain, tmp_path):
    """As MAE's training script writes it: the arguments of the run beside the weights."""
    path = tmp_path / "mae.pth"
    torch.save({"model": plain.state_dict(), "epoch": 3, "args": argparse.Namespace(blr=1e-3)}, path)
    return path


def drawn(config, seed=7):
    torch.manual_seed(seed)
    return MaskedAutoencoder(config).eval()


def test_reconstruction_equals_that_of_the_mae_the_file_is_from(plain, file):
    model = drawn(CONFIG)
    report = initialise(model, f"mae@{file}")
    assert report.loaded == {"encoder": (30, 30), "decoder": (31, 31)}
    assert not report.missing and not report.unused and not report.changes and not report.warnings
    plain, model = plain.double(), model.double()
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    encoded = model.encode(images, torch.tensor([1, 2, 3]))
    ours = model.unpatchify(model.decode(encoded))
    expected = plain(images, encoded.kept)
    assert expected.std() > 0.1
    assert (ours - expected).abs().max() < 1e-9 + 1e-6 * expected.abs().max()


def test_an_equal_size_is_loaded_bit_for_bit(plain, file):
    model = drawn(CONFIG)
    initialise(model, str(file))
    theirs = plain.state_dict()
    for name, value in model.trunk.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert torch.equal(model.mask_token, theirs["mask_token"])
    assert not model.trunk.pos_embed.requires_grad


def test_the_decoder_comes_along_on_another_grid(plain, file):
    model = drawn(changed(image_size=48))
    report = initialise(model, str(file))
    assert report.loaded["decoder"] == (31, 31)
    assert "positions resampled 4×4 → 6×6" in report.changes
    assert "decoder positions are sin-cos of this grid" in report.changes
    assert torch.equal(model.decoder_embed.weight, plain.decoder_embed.weight)


@pytest.mark.parametrize(
    "values,reason",
    [
        ({"decoder_width": 32}, r"mask_token is \[1, 1, 16\] in the file, \[1, 1, 32\] here"),
        ({"decoder_depth": 1}, r"decoder_blocks\.1\.\S+ has no place here"),
        ({"decoder_depth": 3}, r"the file has no decoder_blocks\.2"),
        ({"patch_size": 4}, r"decoder_head.weight is \[192, 16\] in the file, \[48, 16\] here"),
    ],
)
def test_a_decoder_of_other_sizes_is_left_and_the_reason_told(file, values, reason):
    config = changed(**values)
    model, before = drawn(config), drawn(config)
    report = initialise(model, str(file))
    assert "encoder" in report.loaded and "decoder" not in report.loaded
    assert re.search(reason, str(report))
    for name, value in before.state_dict().items():
        if not name.startswith("trunk."):
            assert torch.equal(value, model.state_dict()[name]), name
    assert "decoder_pos_embed" in report.unused


def test_a_decoder_of_features_as_in_dbot_is_no_decoder_of_pixels(plain, tmp_path):
    weights = {
        name.replace("decoder_pred", "decoder_predp"): value for name, value in plain.state_dict().items()
    }
    torch.save({"model": weights}, tmp_path / "dbot.pth")
    report = initialise(drawn(CONFIG), f"dbot@{tmp_path / 'dbot.pth'}")
    assert report.loaded == {"encoder": (30, 30)}
    assert "decoder stays as drawn: the file has no decoder_pred.weight" in report.changes


def test_without_a_decoder_ours_stays_as_drawn(plain, tmp_path):
    encoder = {name: value for name, value in plain.state_dict().items() if "decoder" not in name}
    torch.save({"model": encoder}, tmp_path / "encoder.pth")  # mask_token is left over, as in DINOv2's files
    report = initialise(drawn(CONFIG), str(tmp_path / "encoder.pth"))
    assert report.loaded == {"encoder": (30, 30)} and report.unused == ["mask_token"]
    assert "no decoder in the file: ours stays as drawn" in report.changes


def test_a_wrong_encoder_is_refused_before_anything_is_loaded(file):
    model, before = drawn(changed(width=64)), drawn(changed(width=64))
    with pytest.raises(UserError, match=r"cls_token is \[1, 1, 32\] in the file, \[1, 1, 64\] here.*27 more"):
        initialise(model, str(file))
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in model.state_dict().items())
