"""The two stand-ins for CLIP, fitted on shards that exist only in memory: coloured shapes and their names."""

import io
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image, ImageDraw
from vemo.foundation import UserError
from vemo.pretrain.teachers import PairOptions, StandInOptions, TeacherOptions, load_teacher
from vemo.pretrain.teachers import pair as pairs
from vemo.pretrain.teachers import stand_in as stand_ins

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 230), "white": (245, 245, 245)}
SHAPES = ("ellipse", "rectangle")


class ShardsInMemory:
    """What a teacher uses of `ShardSet`; sample i of train is the i-th of COLOURS × SHAPES, in turn."""

    folder = Path("in memory")
    splits = ("train",)

    def __init__(self, count: int = 32, side: int = 40, seed: int = 0):
        self.samples = [_draw(index, side, np.random.default_rng([seed, index])) for index in range(count)]
        self.fingerprint = f"{count} {side} {seed}"
        self.images_read = 0

    def count(self, split: str) -> int:
        assert split == "train"
        return len(self.samples)

    def record(self, split: str, index: int) -> dict:
        assert split == "train"
        return self.samples[index][0]

    def read(self, split: str, index: int) -> tuple[dict, bytes]:
        self.images_read += 1
        return self.record(split, index), self.samples[index][1]


def _draw(index: int, side: int, generator: np.random.Generator) -> tuple[dict, bytes]:
    colour = list(COLOURS)[index % len(COLOURS)]
    shape = SHAPES[index // len(COLOURS) % len(SHAPES)]
    image = Image.fromarray(generator.integers(60, 120, (side, side, 3), dtype=np.uint8))
    left, top = generator.integers(2, side // 3, 2).tolist()
    box = (left, top, left + side // 2, top + side // 2)
    getattr(ImageDraw.Draw(image), shape)(box, fill=COLOURS[colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return {"id": f"drawn/{index}", "colour": colour, "shape": shape}, stream.getvalue()


def say(record: dict) -> str:
    return f"The color is {record['colour']}. The shape is {record['shape']}."


def images_of(shards: ShardsInMemory) -> torch.Tensor:
    arrays = [np.array(Image.open(io.BytesIO(data))) for _, data in shards.samples]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def accuracy_of_colours(teacher, shards) -> float:
    texts = teacher.encode_text([f"The color is {colour}." for colour in COLOURS])
    found = (teacher.encode_image(images_of(shards)) @ texts.T).argmax(1)
    right = torch.tensor([list(COLOURS).index(record["colour"]) for record, _ in shards.samples])
    return (found == right).float().mean().item()


QUICK = TeacherOptions(stand_in=StandInOptions(image_size=32, epochs=6, batch_size=16))


@pytest.fixture
def one_thread():
    """Convolutions on several threads may differ in the last bit from one moment of a process to another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    cache, shards = tmp_path_factory.mktemp("cache"), ShardsInMemory(64)
    return load_teacher("stand-in", QUICK, shards, cache, say), cache, shards


@pytest.mark.slow
def test_stand_in_learns_what_single_statements_mean(tmp_path):
    options = TeacherOptions(stand_in=StandInOptions(image_size=32, epochs=16, batch_size=16, lr=4e-3))
    teacher = load_teacher("stand-in", options, ShardsInMemory(128), tmp_path, say)
    assert accuracy_of_colours(teacher, ShardsInMemory(32, seed=1)) > 0.75  # chance is 0.25


def test_stand_in_says_what_it_is_and_is_frozen(trained):
    teacher, _, _ = trained
    assert "not OpenAI CLIP" in teacher.name and teacher.description["kind"] == "stand-in"
    assert teacher.description["trained"]["images"] == 64
    assert not any(parameter.requires_grad for parameter in teacher.towers.parameters())


def test_stand_in_is_kept_and_not_trained_twice(trained, monkeypatch):
    teacher, cache, shards = trained
    monkeypatch.setattr(stand_ins, "_train", lambda *_: pytest.fail("trained again"))
    shards.images_read = 0
    again = load_teacher("stand-in", QUICK, shards, cache, say)
    assert again.fingerprint == teacher.fingerprint and shards.images_read == 0
    images = images_of(shards)[:4]
    assert torch.equal(again.encode_image(images), teacher.encode_image(images))


@pytest.mark.parametrize("changed", ["shards", "sentences", "options"])
def test_other_shards_sentences_or_options_are_another_stand_in(trained, changed, monkeypatch):
    _, cache, shards = trained
    monkeypatch.setattr(stand_ins, "_train", lambda folder, *_: pytest.fail(f"new: {folder.parent == cache}"))
    options = QUICK.model_copy(update={"stand_in": StandInOptions(image_size=32, epochs=7, batch_size=16)})
    arguments = {
        "shards": (QUICK, ShardsInMemory(64, seed=9), cache, say),
        "sentences": (QUICK, shards, cache, lambda record: record["colour"]),
        "options": (options, shards, cache, say),
    }[changed]
    with pytest.raises(pytest.fail.Exception, match="new: True"):
        load_teacher("stand-in", *arguments)


def test_damaged_stand_in_is_trained_again(trained, tmp_path, monkeypatch):
    _, cache, shards = trained
    (kept,) = cache.iterdir()
    copy = tmp_path / kept.name
    copy.mkdir()
    data = (kept / "teacher.safetensors").read_bytes()
    (copy / "teacher.safetensors").write_bytes(data[:-100] + bytes(100))
    (copy / "teacher.json").write_bytes((kept / "teacher.json").read_bytes())
    monkeypatch.setattr(stand_ins, "_train", lambda *_: pytest.fail("trained again"))
    with pytest.raises(pytest.fail.Exception):
        load_teacher("stand-in", QUICK, shards, tmp_path, say)


def test_interrupted_stand_in_goes_on_to_the_same_weights(tmp_path, monkeypatch, one_thread):
    shards = ShardsInMemory(64)
    teacher = load_teacher("stand-in", QUICK, shards, tmp_path / "unbroken", say)
    forward, calls = stand_ins.StandInTask.forward, 0

    def dies(self, batch):
        nonlocal calls
        calls += 1
        if calls == 15:  # of 6 epochs x 4 steps, with a checkpoint after every epoch
            raise KeyboardInterrupt
        return forward(self, batch)

    monkeypatch.setattr(stand_ins.StandInTask, "forward", dies)
    with pytest.raises(KeyboardInterrupt):
        load_teacher("stand-in", QUICK, shards, tmp_path, say)
    again = load_teacher("stand-in", QUICK, shards, tmp_path, say)
    assert calls == 15 + (24 - 12) + 1  # the trainer runs each process's first step once more to count
    assert again.fingerprint == teacher.fingerprint


def test_two_ranks_share_a_global_batch():
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 3, 36, 36)
    sentences = [f"A is {i}. B is {i % 3}." for i in range(10)]
    one = stand_ins.Pictures(images, sentences, 32, 4, seed=0)
    parts = [stand_ins.Pictures(images, sentences, 32, 4, 0, rank, 2) for rank in (0, 1)]
    assert one.samples_per_epoch == 8
    for start in (0, 4, 8):
        whole = next(one.batches(start))
        halves = [next(part.batches(start)) for part in parts]
        assert torch.equal(whole["image"], torch.cat([half["image"] for half in halves]))
        assert whole["sentence"] == halves[0]["sentence"] + halves[1]["sentence"]
        assert set(whole["texts"]) == {text for half in halves for text in half["texts"]}
    later = one.batches(0)
    next(later), next(later)
    assert torch.equal(next(later)["image"], next(one.batches(8))["image"])


def test_a_text_is_right_for_every_image_that_says_all_of_it():
    sentences = ["A is 1. B is 2.", "A is 1. B is 3.", "C is 0.5 and D."]
    texts = ["A is 1.", "B is 2. A is 1.", "C is 0.5 and D."]
    assert stand_ins.says(sentences, texts).tolist() == [
        [True, True, False],
        [True, False, False],
        [False, False, True],
    ]


def test_statements_end_at_a_full_stop_before_a_blank():
    sentence = "A is 1.5 and so on. B is 2. And C"
    assert stand_ins.statements(sentence) == ["A is 1.5 and so on.", "B is 2.", "And C"]
    assert stand_ins.statements("one.") == ["one."]


def test_a_batch_compares_images_with_whole_sentences_statements_or_first_statements():
    sentences = ["A is 1. B is 2.", "A is 1. B is 3.", "A is 1. B is 2."]
    assert stand_ins.texts_of(sentences, "whole") == sentences[:2]
    assert stand_ins.texts_of(sentences, "statements") == ["A is 1.", "B is 2.", "B is 3."]
    assert stand_ins.texts_of(sentences, "first") == ["A is 1."]


def test_text_without_its_padding_is_the_same_text():
    model = stand_ins.build_stand_in(StandInOptions(image_size=32)).eval()
    tokens = open_clip.tokenize(["A is 1.", "The overall emotion conveyed is awe.", "word " * 100])
    for rows in (tokens[:2], tokens):
        expected = model.encode_text(rows, normalize=True)
        assert torch.allclose(stand_ins.encode_short(model, rows), expected, atol=1e-6)


def test_stand_ins_need_shards_with_sentences(tmp_path):
    for spec in ("stand-in", "pair:timm:resnet10t+folder"):
        with pytest.raises(UserError, match="shard set"):
            load_teacher(spec, cache=tmp_path)
    with pytest.raises(UserError, match="sentence"):
        load_teacher("stand-in", QUICK, ShardsInMemory(8), tmp_path, lambda record: "")


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    """A BERT so small that the test makes it, in the layout of a sentence-transformers model."""
    transformers = pytest.importorskip("transformers", reason="the `art` extra is not installed")
    folder = tmp_path_factory.mktemp("text") / "tiny-bert"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "color", "shape", "is", ".", *COLOURS, *SHAPES]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=24,
    )
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 10}))
    return folder


@pytest.fixture(scope="module")
def image_file(tmp_path_factory):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("image") / "test_vit.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), file)
    return file


def pair_options(**pair) -> TeacherOptions:
    return TeacherOptions(image_size=48, pair=PairOptions(width=16, epochs=150, batch_size=32, **pair))


def test_pair_joins_two_frozen_towers(text_folder, image_file, tmp_path, monkeypatch):
    shards, spec = ShardsInMemory(96), f"pair:timm:test_vit@{image_file}+{text_folder}"
    teacher = load_teacher(spec, pair_options(), shards, tmp_path, say)
    assert "test_vit at 48 px + tiny-bert" in teacher.name and "not CLIP" in teacher.name
    assert (teacher.width, teacher.image_size) == (16, 48)
    measured = teacher.description["fitted"]
    assert measured["fitted_on"] + measured["held_out"] == 96 and measured["held_out"] > 0
    assert measured["image_to_text_R@1"] > measured["chance_R@1"]
    assert accuracy_of_colours(teacher, ShardsInMemory(32, seed=1)) > 0.5  # chance is 0.25
    assert not any(parameter.requires_grad for parameter in teacher.towers.parameters())
    rows = teacher.encode_text([say(shards.samples[0][0]), "the color is red."])
    assert torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-6)

    monkeypatch.setattr(pairs, "_part_of_features", lambda *_: pytest.fail("features computed again"))
    refitted = load_teacher(spec, pair_options(seed=1), shards, tmp_path, say)
    assert refitted.fingerprint != teacher.fingerprint
    monkeypatch.setattr(pairs, "fit_projections", lambda *_, **__: pytest.fail("fitted again"))
    again = load_teacher(spec, pair_options(), shards, tmp_path, say)
    assert again.fingerprint == teacher.fingerprint


def test_pair_remembers_the_sentences_it_was_fitted_on(text_folder, image_file, tmp_path):
    shards, spec = ShardsInMemory(16), f"pair:timm:test_vit@{image_file}+{text_folder}"
    teacher = load_teacher(spec, pair_options(), shards, tmp_path, say)
    sentence = say(shards.samples[3][0])
    remembered = teacher._remembered[sentence]
    teacher._remembered.clear()
    assert torch.equal(teacher.encode_text([sentence])[0], remembered)


def test_pair_cuts_long_sentences(text_folder, image_file, tmp_path):
    shards, spec = ShardsInMemory(16), f"pair:timm:test_vit@{image_file}+{text_folder}"
    teacher = load_teacher(spec, pair_options(), shards, tmp_path, say)
    start = "the color is red . the shape is"  # 8 tokens and two markers
    assert torch.equal(*teacher.encode_text([f"{start} rectangle", f"{start} ellipse . the end"]))


def test_pair_in_bf16_is_nearly_the_same(text_folder, image_file, tmp_path):
    shards, spec = ShardsInMemory(48), f"pair:timm:test_vit@{image_file}+{text_folder}"
    options = pair_options().model_copy(update={"precision": "bf16"})
    teacher = load_teacher(spec, options, shards, tmp_path, say)
    assert teacher.encode_image(images_of(shards)).dtype == torch.float32
    assert accuracy_of_colours(teacher, shards) > 0.5


def test_a_group_is_held_out_whole():
    groups = torch.tensor([pairs.number_of_group(name) for name in ["a", "b", "a", "c", "b"]])
    assert groups[0] == groups[2] and groups[1] == groups[4] and len(set(groups.tolist())) == 3
    assert groups.min() >= 0 and groups.max() < 2**32


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pair:timm:test_vit", "pair:<image encoder>\\+<text encoder>"),
        ("pair:timm:test_vit@{image}+/no/such/folder", "no text encoder here"),
        ("pair:timm:test_vit@/no/file.safetensors+{text}", "/no/file.safetensors"),
    ],
)
def test_what_a_pair_lacks_is_one_line(spec, message, text_folder, image_file, tmp_path):
    spec = spec.format(image=image_file, text=text_folder)
    with pytest.raises(UserError, match=message) as error:
        load_teacher(spec, None, ShardsInMemory(8), tmp_path, say)
    assert "\n" not in str(error.value)
