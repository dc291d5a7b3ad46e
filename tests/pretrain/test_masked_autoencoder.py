"""The autoencoder predicts every patch, sees no masked one, and its trunk is plain timm."""

import pytest
import timm
import torch
from timm.models import VisionTransformer
from vemo.pretrain.losses import reconstruction_loss
from vemo.pretrain.masked_autoencoder import MaskedAutoencoder, ModelConfig


@pytest.fixture
def model(small):
    torch.manual_seed(0)
    return MaskedAutoencoder(small).eval()


def images(count=4, size=32):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


SEEDS = torch.tensor([5, -7, 2**61, 0])


def test_shapes_at_batch_size_one_of_the_full_geometry():
    config = ModelConfig(width=64, depth=1, heads=1, decoder_width=32, decoder_depth=1, decoder_heads=1)
    model = MaskedAutoencoder(config)
    picture = images(1, 224)
    encoded = model.encode(picture, torch.tensor([3]))
    assert encoded.tokens.shape == (1, 1 + 49, 64)
    assert encoded.masked.sum() == 147
    predicted = model.decode(encoded)
    assert predicted.shape == (1, 196, 768) == model.target(picture).shape
    assert model.class_features(encoded).shape == (1, 32)


def test_patches_go_back_to_images(model):
    assert torch.equal(model.unpatchify(model.patchify(images())), images())


def test_predictions_differ_between_patches(model):
    """The released code predicted one vector for all patches of an image."""
    predicted = model.decode(model.encode(images(), SEEDS))
    assert predicted.std(dim=1).mean() > 1e-3


def test_masked_pixels_change_nothing_the_encoder_says(model):
    encoded = model.encode(images(), SEEDS)
    patches = model.patchify(images())
    patches[encoded.masked] += 100 * torch.randn_like(patches[encoded.masked])
    again = model.encode(model.unpatchify(patches), SEEDS)
    assert torch.equal(encoded.tokens, again.tokens)
    visible = model.patchify(images())
    visible[~encoded.masked] += 1
    assert not torch.allclose(encoded.tokens, model.encode(model.unpatchify(visible), SEEDS).tokens)


def test_a_sample_is_encoded_the_same_in_any_batch(model):
    together = model.encode(images(), SEEDS).tokens[2]
    alone = model.encode(images()[2:3], SEEDS[2:3]).tokens[0]
    assert torch.allclose(together, alone, atol=1e-6)


def test_without_masking_the_encoder_is_timms(model, small):
    """The gather-then-project path equals timm's own convolution and forward."""
    unmasked = MaskedAutoencoder(ModelConfig(**{**small.model_dump(), "mask_ratio": 0})).eval()
    unmasked.load_state_dict(model.state_dict())
    plain = VisionTransformer(**small.architecture(), num_classes=0).eval()
    plain.load_state_dict(model.trunk.state_dict(), strict=True)
    expected = plain.forward_features(images())
    assert torch.allclose(unmasked.encode(images(), SEEDS).tokens, expected, atol=1e-5)


def test_the_trunk_is_a_named_timm_model():
    trunk = MaskedAutoencoder(ModelConfig(width=192, heads=3, decoder_depth=1)).trunk
    named = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    named.load_state_dict(trunk.state_dict(), strict=True)
    for_finetuning = timm.create_model("vit_tiny_patch16_224", num_classes=8, global_pool="avg")
    missing = for_finetuning.load_state_dict(trunk.state_dict(), strict=False).missing_keys
    assert {key.split(".")[0] for key in missing} == {"head", "fc_norm"}


def test_perfect_predictions_cost_nothing_and_visible_patches_do_not_count(model):
    encoded = model.encode(images(), SEEDS)
    target = model.target(images())
    predicted = target.clone()
    predicted[~encoded.masked] += 9
    assert reconstruction_loss(predicted, target, encoded.masked) == 0
    predicted[encoded.masked] += 2
    assert reconstruction_loss(predicted, target, encoded.masked) == pytest.approx(4, rel=1e-5)


def test_a_broadcast_prediction_is_refused():
    masked = torch.ones(2, 16, dtype=torch.bool)
    with pytest.raises(ValueError, match="shapes differ"):
        reconstruction_loss(torch.zeros(2, 1, 192), torch.zeros(2, 16, 192), masked)


def test_normalised_targets_have_no_mean_and_unit_deviation(small):
    model = MaskedAutoencoder(ModelConfig(**{**small.model_dump(), "normalise_pixels": True}))
    target = model.target(images())
    assert target.mean(-1).abs().max() < 1e-5
    assert (target.std(-1) - 1).abs().max() < 1e-3


def test_positions_are_fixed(model):
    model.decode(model.encode(images(), SEEDS)).square().sum().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"trunk.pos_embed"}


@pytest.mark.parametrize("ratio,kept", [(0.3, 137), (0.5, 98), (0.6, 78), (0.75, 49), (0.8, 39), (0.9, 19)])
def test_how_many_patches_stay(ratio, kept):
    assert ModelConfig(mask_ratio=ratio).kept == kept


@pytest.mark.parametrize(
    "values,message",
    [
        ({"patch_size": 15}, "multiple"),
        ({"heads": 7}, "divisible"),
        ({"decoder_width": 30, "decoder_heads": 3}, "decoder_width"),
        ({"mask_ratio": 1.0}, "less than 1"),
        ({"mask_ratio": 0.999}, "leaves none"),
    ],
)
def test_impossible_sizes_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**values)
