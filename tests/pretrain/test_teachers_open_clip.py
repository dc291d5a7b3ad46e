"""The CLIP path, on a CLIP so small that the test makes its weights."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from vemo.foundation import UserError
from vemo.foundation.files import sha256_of
from vemo.pretrain.teachers import TeacherOptions, load_teacher
from vemo.pretrain.teachers import open_clip as ours

MODEL = "vemo-test-tiny"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    (folder / f"{MODEL}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / f"{MODEL}.json")
    torch.manual_seed(3)
    model = open_clip.CLIP(**CONFIG)
    nn.init.normal_(model.text_projection, std=0.2)
    with torch.no_grad():
        model.logit_scale.fill_(4.0)
    save_file(model.state_dict(), folder / "tiny.safetensors")
    torch.save(model.state_dict(), folder / "tiny.pt")
    yield folder
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder / f"{MODEL}.json")
    open_clip.factory._MODEL_CONFIGS.pop(MODEL)


def load(weights, name="tiny.safetensors", **options):
    return load_teacher(f"open_clip:{MODEL}/{weights / name}", TeacherOptions(**options))


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_equals_open_clip_itself(weights, images):
    teacher = load(weights)
    model, preprocess = open_clip.create_model_from_pretrained(MODEL, str(weights / "tiny.safetensors"))
    model.eval()
    mean, std = preprocess.transforms[-1].mean, preprocess.transforms[-1].std
    inputs = (images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        image_rows = model.encode_image(inputs, normalize=True)
        text_rows = model.encode_text(open_clip.get_tokenizer(MODEL)(["a cat", "fear"]), normalize=True)
    assert torch.allclose(teacher.encode_image(images), image_rows, atol=1e-5)
    assert torch.allclose(teacher.encode_text(["a cat", "fear"]), text_rows, atol=1e-5)
    assert (teacher.width, teacher.image_size) == (16, 32)
    assert teacher.logit_scale == pytest.approx(torch.tensor(4.0).exp().item(), rel=1e-5)
    assert teacher.description["weights_sha256"] == sha256_of(weights / "tiny.safetensors")
    assert teacher.description["recognised_as"] is None and "tiny.safetensors" in teacher.name


def test_torch_file_and_safetensors_give_the_same_teacher(weights, images):
    one, other = load(weights), load(weights, "tiny.pt")
    assert torch.equal(one.encode_image(images), other.encode_image(images))
    assert one.fingerprint == other.fingerprint


def test_long_sentences_are_cut_at_the_context_length(weights):
    teacher = load(weights)
    start = " ".join(["word"] * 10)  # with the two markers: 12 tokens
    cut, whole = teacher.encode_text([start + " and a tail of other words", start])
    assert torch.equal(cut, whole)
    assert not torch.equal(*teacher.encode_text(["a cat", "a dog"]))


def test_images_of_other_sizes_are_resized(weights, images):
    teacher = load(weights)
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(teacher.encode_image(large), teacher.encode_image(images), atol=0.05)
    assert teacher.encode_image(large[:, :, :40]).shape == (3, 16)


def test_imagenet_normalisation_is_another_teacher(weights, images):
    own, imagenet = load(weights), load(weights, normalisation="imagenet")
    assert not torch.allclose(own.encode_image(images), imagenet.encode_image(images), atol=1e-4)
    assert torch.equal(own.encode_text(["a"]), imagenet.encode_text(["a"]))
    assert own.fingerprint != imagenet.fingerprint


def test_bf16_weights_give_nearly_the_same_rows(weights, images):
    full, half = load(weights), load(weights, precision="bf16")
    assert next(half.towers.parameters()).dtype == torch.bfloat16
    assert half.encode_image(images).dtype == torch.float32
    assert (full.encode_image(images) * half.encode_image(images)).sum(1).min() > 0.99


def test_quick_gelu_changes_the_tower(weights, images):
    assert not torch.equal(
        load(weights).encode_image(images), load(weights, quick_gelu=True).encode_image(images)
    )


def test_weights_out_of_reach_name_the_stand_ins(tmp_path, monkeypatch):
    def no_network(*arguments, **keywords):
        raise ConnectionError("no route to host\nsecond line")

    monkeypatch.setattr(ours.HfApi, "model_info", no_network)
    monkeypatch.setattr(open_clip, "download_pretrained", no_network)
    with pytest.raises(UserError) as error:
        load_teacher("open_clip:ViT-B-32/openai", cache=tmp_path)
    message = str(error.value)
    assert "\n" not in message
    for part in ("no route to host", "stand-in", "pair:", "open_clip:ViT-B-32/FILE.safetensors"):
        assert part in message


def test_unknown_model_and_tag_say_what_there_is(tmp_path):
    with pytest.raises(UserError, match=r"no model 'ViT-B-33'; near: .*ViT-B-32"):
        load_teacher("open_clip:ViT-B-33/openai", cache=tmp_path)
    with pytest.raises(UserError, match=r"no file and no tag 'opnai'.*openai.*laion2b"):
        load_teacher("open_clip:ViT-B-32/opnai", cache=tmp_path)


def test_damaged_or_foreign_weights_are_one_line(weights, tmp_path):
    whole = (weights / "tiny.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.pt").write_bytes((weights / "tiny.pt").read_bytes()[:5000])
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    torch.save({"visual": nn.Linear(1, 1)}, tmp_path / "pickled.pt")
    for name in ("cut.safetensors", "cut.pt", "other.safetensors", "pickled.pt"):
        with pytest.raises(UserError, match=name) as error:
            load_teacher(f"open_clip:{MODEL}/{tmp_path / name}")
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript_is_opened_only_when_its_hash_is_published(weights, tmp_path, monkeypatch, images):
    model = open_clip.CLIP(**CONFIG).eval()
    model.load_state_dict(torch.load(weights / "tiny.pt", weights_only=True))
    script = torch.jit.trace(model, (images.float(), open_clip.tokenize(["a"] * 3, 12)), check_trace=False)
    torch.jit.save(script, tmp_path / "script.pt")
    with pytest.raises(UserError, match=r"TorchScript.*safetensors"):
        load(tmp_path, "script.pt")

    published = {
        "url": f"https://example.org/{sha256_of(tmp_path / 'script.pt')}/script.pt",
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, {"published": published})
    teacher = load(tmp_path, "script.pt")
    assert teacher.description["recognised_as"] == f"{MODEL}/published"
    assert teacher.description["quick_gelu"] is True
    assert torch.equal(teacher.encode_image(images), load(weights, quick_gelu=True).encode_image(images))


def test_openai_file_is_known_by_its_hash():
    known = ours._known_origin("40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af")
    assert known == ("ViT-B-32", "openai")
    assert ours._known_origin("0" * 64) is None
