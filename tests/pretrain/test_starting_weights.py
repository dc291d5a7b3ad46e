"""Published encoders in our trunk: nothing is lost, and what is missing, unused or changed is told."""

import open_clip
import pytest
import timm
import torch
import vemo.pretrain.starting_weights as module
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg
from timm.models.vision_transformer import VisionTransformer
from vemo.foundation import UserError
from vemo.pretrain.fitting import IMAGENET, StartingWeights, load_trunk
from vemo.pretrain.masked_autoencoder import MaskedAutoencoder, ModelConfig
from vemo.pretrain.starting_weights import PUBLISHED, initialise
from vemo.zoo import Architecture, Preprocessing, ReleaseDescription, build_trunk, save_release

CONFIG = ModelConfig(
    image_size=32,
    patch_size=8,
    width=32,
    depth=2,
    heads=4,
    decoder_width=16,
    decoder_depth=1,
    decoder_heads=2,
    mask_ratio=0,
)


def changed(**values):
    return ModelConfig(**{**CONFIG.model_dump(), **values})


def drawn(config=CONFIG, seed=7):
    torch.manual_seed(seed)
    return MaskedAutoencoder(config).eval()


def timm_vit(seed=1, **arguments):
    """A timm transformer of CONFIG's sizes, every tensor drawn (norms and biases too)."""
    torch.manual_seed(seed)
    model = VisionTransformer(**{**CONFIG.architecture(), "num_classes": 0, **arguments}).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    return model


def saved(tmp_path, tensors, name="weights.safetensors"):
    path = tmp_path / name
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, path)
    return path


def pixels(side=32):
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))


def normalised(values, statistics):
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in statistics)
    return (values - mean) / std


def encode(model, images):
    with torch.no_grad():
        return model.encode(images, torch.arange(len(images))).tokens


# --- files --------------------------------------------------------------------------------------------------


def test_a_file_under_timms_names_gives_timms_features(tmp_path):
    published = timm_vit(num_classes=5)
    model = drawn()
    report = initialise(model, str(saved(tmp_path, published.state_dict())))
    assert report.loaded == {"encoder": (30, 30)} and not report.missing
    assert sorted(report.unused) == ["head.bias", "head.weight"]
    assert "positions are the file's, not sin-cos of this grid; they stay fixed" in report.changes
    expected = published.forward_features(pixels())
    assert torch.allclose(encode(model, pixels()), expected, atol=1e-5)
    assert "encoder 30 of 30 tensors" in str(report) and "head.weight" in str(report)


@pytest.mark.parametrize(
    "prefix", ["module.", "backbone.", "encoder.", "module.encoder.", "_orig_mod.model."]
)
@pytest.mark.parametrize("container", [None, "model", "state_dict", "teacher"])
def test_wrappers_are_taken_off(tmp_path, prefix, container):
    published = timm_vit()
    weights = {prefix + name: value for name, value in published.state_dict().items()}
    torch.save({container: weights, "epoch": 3} if container else weights, tmp_path / "weights.pth")
    model = drawn()
    assert initialise(model, f"dbot@{tmp_path / 'weights.pth'}").loaded["encoder"] == (30, 30)
    for name, value in model.trunk.state_dict().items():
        assert torch.equal(value, published.state_dict()[name]), name


def test_of_student_and_teacher_the_teacher_is_taken(tmp_path):
    student, teacher = timm_vit(1), timm_vit(2)
    both = {
        part: {f"backbone.{name}": value for name, value in model.state_dict().items()}
        for part, model in (("student", student), ("teacher", teacher))
    }
    both["optimizer"] = {"state": {0: {"exp_avg": torch.zeros(3)}}}
    torch.save(both, tmp_path / "dino.pth")
    model = drawn()
    report = initialise(model, str(tmp_path / "dino.pth"))
    assert torch.equal(model.trunk.norm.weight, teacher.norm.weight)
    assert "student 30" in str(report) and "optimizer 1" in str(report)


def test_a_missing_norm_is_kept_as_drawn_and_told(tmp_path):
    weights = {name: value for name, value in timm_vit().state_dict().items() if not name.startswith("norm.")}
    model = drawn()
    report = initialise(model, str(saved(tmp_path, {**weights, "fc_norm.weight": torch.ones(32)})))
    assert sorted(report.missing) == ["norm.bias", "norm.weight"] and report.unused == ["fc_norm.weight"]
    assert "missing, kept as drawn: norm.weight, norm.bias" in str(report)
    assert torch.equal(model.trunk.norm.weight, torch.ones(32))


# --- another size -------------------------------------------------------------------------------------------


def test_resampled_positions_are_sincos_stretched_over_the_old_grid(tmp_path):
    """Position i of n lies where (i + ½)·14/n − ½ lay on the 14×14 grid."""
    published = build_trunk({**CONFIG.architecture(), "img_size": 14 * 8}, "sincos2d")
    file = saved(tmp_path, published.state_dict())
    for side in (6, 8, 16):
        model = drawn(changed(image_size=8 * side))
        report = initialise(model, str(file))
        assert f"positions resampled 14×14 → {side}×{side}" in report.changes
        frequencies = 10000.0 ** -(torch.arange(8) / 8)
        angles = ((torch.arange(side) + 0.5) * 14 / side - 0.5)[:, None] * frequencies
        line = torch.cat([angles.sin(), angles.cos()], dim=1)
        table = torch.cat([line.repeat(side, 1), line.repeat_interleave(side, dim=0)], dim=1)
        found = model.trunk.pos_embed[0, 1:]
        assert torch.nn.functional.cosine_similarity(found, table).min() > 0.99
        assert torch.equal(torch.cdist(found, table).argmin(dim=1), torch.arange(side * side))
        assert not model.trunk.pos_embed[0, 0].any()


def test_a_resampled_patch_projection_says_of_an_enlarged_patch_what_it_said_before(tmp_path):
    published = timm_vit()
    model = drawn(changed(patch_size=12, image_size=48))
    report = initialise(model, str(saved(tmp_path, published.state_dict())))
    assert "patch projection resampled 8 → 12 pixels" in report.changes
    patches = torch.rand(5, 3, 8, 8)
    larger = torch.nn.functional.interpolate(patches, 12, mode="bicubic", antialias=True)
    before, after = published.patch_embed.proj(patches), model.trunk.patch_embed.proj(larger)
    assert torch.allclose(before, after, atol=1e-4)


# --- other architectures that are the same function ---------------------------------------------------------


def test_layer_scale_is_folded(tmp_path):
    published = timm_vit(init_values=0.1)
    model = drawn()
    report = initialise(model, str(saved(tmp_path, published.state_dict())))
    assert "layer scale folded into the layers before it" in report.changes and not report.unused
    assert torch.allclose(encode(model, pixels()), published.forward_features(pixels()), atol=1e-5)


def test_another_normalisation_is_folded(tmp_path):
    """timm's ViT-T was trained on pixels minus 0.5 over 0.5; the student is fed ImageNet's."""
    torch.manual_seed(0)
    published = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
    file = saved(tmp_path, published.state_dict())
    model = drawn(ModelConfig(image_size=32, size="tiny", mask_ratio=0, decoder_depth=1))
    name = "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    report = initialise(model, f"{name}@{file}")
    assert any("normalised otherwise" in change for change in report.changes)
    assert report.licence == "apache-2.0" and len(report.sha256) == 64
    expected = published.forward_features(normalised(pixels(), ((0.5,) * 3, (0.5,) * 3)))
    assert torch.allclose(encode(model, normalised(pixels(), IMAGENET)), expected, atol=1e-4)


def test_a_class_token_without_a_position_gets_zeros(tmp_path):
    published = timm_vit(no_embed_class=True)
    model = drawn()
    report = initialise(model, str(saved(tmp_path, published.state_dict())))
    assert "class token without a position in the file: set to 0" in report.changes
    assert torch.allclose(encode(model, pixels()), published.forward_features(pixels()), atol=1e-5)


def test_register_tokens_are_left_out_with_a_warning(tmp_path):
    published = timm_vit(no_embed_class=True, reg_tokens=4)
    report = initialise(drawn(), str(saved(tmp_path, published.state_dict())))
    assert report.unused == ["reg_token"] and "register tokens" in report.warnings[0]


# --- CLIP ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim=24,
        vision_cfg={"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 8},
        text_cfg={"context_length": 8, "vocab_size": 64, "width": 32, "heads": 4, "layers": 1},
        quick_gelu=True,
    ).eval()
    for parameter in model.visual.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    return model


def test_clips_tower_is_the_same_function_in_a_trunk_of_clips_kind(clip):
    arguments = {**CONFIG.architecture(), "pre_norm": True, "act_layer": "quick_gelu"}
    trunk, report = build_trunk(arguments), StartingWeights("clip")
    visual = {f"visual.{name}": value for name, value in clip.visual.state_dict().items()}
    statistics = (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    load_trunk(trunk, visual, report, statistics)
    assert not report.missing and not report.warnings
    with torch.no_grad():
        tokens = trunk.eval().forward_features(normalised(pixels(), IMAGENET))
        expected = clip.visual(normalised(pixels(), statistics))
        assert torch.allclose(tokens[:, 0] @ clip.visual.proj, expected, atol=1e-4)


def test_a_model_of_clips_variant_starts_as_clip(clip, tmp_path):
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    model = MaskedAutoencoder(CONFIG.model_copy(update={"variant": "clip", "mask_ratio": 0.0})).eval()
    report = initialise(model, f"clip@{tmp_path / 'clip.pt'}")
    assert not report.missing and not report.warnings
    statistics = (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    with torch.no_grad():
        images = pixels()
        tokens = model.encode(normalised(images, IMAGENET), torch.arange(len(images))).tokens
        expected = clip.visual(normalised(images, statistics))
        assert torch.allclose(tokens[:, 0] @ clip.visual.proj, expected, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_clip_in_a_plain_trunk_brings_its_blocks_and_a_warning(clip, tmp_path, prefix):
    weights = {prefix + name: value for name, value in clip.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "clip.pt")
    model = drawn()
    report = initialise(model, f"clip@{tmp_path / 'clip.pt'}")
    block = clip.visual.transformer.resblocks[1]
    assert torch.equal(model.trunk.blocks[1].mlp.fc1.weight, block.mlp.c_fc.weight)
    assert torch.equal(model.trunk.blocks[1].attn.qkv.weight, block.attn.in_proj_weight)
    assert torch.equal(model.trunk.pos_embed[0], clip.visual.positional_embedding)
    assert report.loaded["encoder"] == (30, 30) and {"norm_pre.weight", "norm_pre.bias"} < set(report.unused)
    assert "normalises its tokens before the first block" in report.warnings[0]
    assert any("no bias" in change for change in report.changes)
    assert any("normalised otherwise" in change for change in report.changes)


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"embed_dim": 64}, r"cls_token is \[1, 1, 64\] in the file, \[1, 1, 32\] here"),
        ({"depth": 1}, r"blocks\.1\.norm1\.weight is not in the file.*9 more"),
        ({"depth": 3}, r"blocks\.2\.\S+ has no place here.*9 more"),
        ({"mlp_ratio": 2}, r"blocks\.0\.mlp\.fc1\.weight is \[64, 32\] in the file, \[128, 32\] here"),
        ({"qk_norm": True}, r"blocks\.0\.attn\.._norm\.\S+ has no place here"),
        ({"in_chans": 1}, r"patch_embed\.proj\.weight is \[32, 1, 8, 8\] in the file"),
        ({"img_size": (32, 64), "patch_size": 8}, "33 positions are no square grid"),
    ],
)
def test_another_architecture_is_refused(tmp_path, arguments, message):
    file = saved(tmp_path, timm_vit(**arguments).state_dict())
    with pytest.raises(UserError, match=message):
        initialise(drawn(), str(file))


@pytest.mark.parametrize(
    "spec,message",
    [
        ("mae", "model.size base, large, huge, and this config is of no standard size"),
        ("clip", "of no standard size; give a file: clip@FILE"),
        ("dbot", "dbot@FILE"),
        ("mea", "no such file or release folder"),
        ("mae@nowhere.pth", "nowhere.pth: no such weights file"),
        ("timm:vit_enormous", "has no such model"),
        ("timm:vit_enormous@nowhere.pth", "has no model vit_enormous"),
    ],
)
def test_a_spec_that_cannot_work_says_why(spec, message):
    with pytest.raises(UserError, match=message):
        initialise(drawn(), spec)


def test_none_leaves_everything_as_drawn():
    model, before = drawn(), drawn()
    for spec in (None, "none"):
        assert str(initialise(model, spec)) == "model.init=none: all weights as drawn"
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in model.state_dict().items())


# --- names and releases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name,size", [(name, size) for name in PUBLISHED for size in PUBLISHED[name]])
def test_what_mae_and_clip_stand_for_has_the_sizes_of_the_config(name, size):
    published = PUBLISHED[name][size]
    assert get_pretrained_cfg(published).has_weights
    with torch.device("meta"):
        theirs = timm.create_model(published.split(".")[0], num_classes=0).state_dict()
        ours = MaskedAutoencoder(ModelConfig(size=size, decoder_depth=1)).trunk.state_dict()
    same = [key for key in ours if key in theirs and theirs[key].shape == ours[key].shape]
    # of ViT-L/14 our ViT-L/16 resamples two; a CLIP's patch projection has no bias
    assert set(ours) - set(same) <= ({"patch_embed.proj.bias", "patch_embed.proj.weight", "pos_embed"})
    assert name == "clip" or set(ours) == set(same)


def test_mae_is_what_timm_downloads(monkeypatch):
    asked = []

    def load(spec):
        asked.append(spec)
        raise UserError("no network")

    monkeypatch.setattr(module, "load_encoder", load)
    with torch.device("meta"):
        model = MaskedAutoencoder(ModelConfig(size="base", decoder_depth=1))
    for spec in ("mae", "clip", "timm:vit_base_patch16_224.augreg_in21k"):
        with pytest.raises(UserError, match="no network"):
            initialise(model, spec)
    assert asked == [
        "timm:vit_base_patch16_224.mae",
        "timm:vit_base_patch16_clip_224.openai",
        "timm:vit_base_patch16_224.augreg_in21k",
    ]


def test_a_timm_model_is_loaded_whole(monkeypatch):
    """What a download gives, here with drawn weights."""
    loaded = module.load_encoder("timm:vit_tiny_patch16_224", random=True, image_size=48)
    monkeypatch.setattr(module, "load_encoder", lambda spec: loaded)
    model = drawn(ModelConfig(image_size=32, size="tiny", mask_ratio=0, decoder_depth=1))
    report = initialise(model, "timm:vit_tiny_patch16_224")
    assert report.loaded == {"encoder": (150, 150)} and report.licence == "apache-2.0"
    assert "positions resampled 3×3 → 2×2" in report.changes
    other = drawn(changed(width=192, depth=12, heads=6))
    with pytest.raises(UserError, match=r"it has 3 heads, model\.heads is 6"):
        initialise(other, "timm:vit_tiny_patch16_224")


def test_heads_that_no_shape_shows_are_warned_of(tmp_path):
    published = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32)
    file = saved(tmp_path, published.state_dict())
    odd = drawn(ModelConfig(image_size=32, width=192, depth=12, heads=6, decoder_depth=1))
    assert "ViT-tiny has 3, model.heads is 6" in initialise(odd, str(file)).warnings[0]


def make_release(folder):
    trunk = build_trunk(CONFIG.architecture(), "sincos2d")
    description = ReleaseDescription(
        name="first",
        architecture=Architecture(arguments=CONFIG.architecture(), positions="sincos2d"),
        preprocessing=Preprocessing(image_size=32),
        licence="research-only",
    )
    save_release(folder, trunk.state_dict(), description)
    return trunk


def test_a_run_starts_from_a_release(tmp_path):
    trunk = make_release(tmp_path)
    for spec in (tmp_path, tmp_path / "encoder.json"):
        model = drawn()
        report = initialise(model, str(spec))
        assert all(
            torch.equal(value, trunk.state_dict()[name]) for name, value in model.trunk.state_dict().items()
        )
        assert report.facts()["licence"] == "research-only" and not report.warnings
        assert report.changes == ["no decoder in the file: ours stays as drawn"]
    with pytest.raises(UserError, match=r"it has 4 heads, model\.heads is 2"):
        initialise(drawn(changed(heads=2)), str(tmp_path))
