"""The model: what it may see, what its switches change, how many numbers it has, and that it can learn."""

import pytest
import torch
from safetensors.torch import save_file
from tiny_sevlm import ANSWERS, IMAGE_WIDTH, VAD, batch_of, config_of, model_of
from vemo.finetune.art.config import ArtConfig, DecoderConfig, GenerationConfig, ModelConfig
from vemo.finetune.art.decoder import build_decoder
from vemo.finetune.art.emotion_encoder import CausalEncoder, PaperEncoder
from vemo.finetune.art.explain import emotion_log_probabilities, explain, tell
from vemo.finetune.art.model import Sevlm
from vemo.finetune.art.sequences import END, LABEL
from vemo.foundation import UserError

PATCHES = 16


def flat(batch):
    return {name: value.flatten(0, 1) for name, value in batch.items()}


def states_of(model, rows, patches):
    embedded = model.embed(rows["ids"], rows["kind"] > LABEL, rows["vad"])
    return model.states(embedded, model.look(patches), rows["kind"] <= END)


def loud(model):
    """With a fusion that does something."""
    torch.nn.init.normal_(model.fusion.weight, std=0.1)
    return model


@pytest.mark.parametrize("changes", [{}, {"vad": None, "contrastive": None}])
def test_memorises_eight_answers_word_for_word(vocabulary, reader, changes):
    answers = ANSWERS[:8]
    model = model_of(vocabulary, **changes)
    patches = torch.randn(8, PATCHES, IMAGE_WIDTH, generator=torch.Generator().manual_seed(1))
    batch = batch_of(vocabulary, reader, [[each] for each in answers])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    contrast = []
    for step in range(150):
        parts = model(patches, batch)
        if step == 0:
            first = parts["loss"].item()
        contrast += [parts["contrastive"].item()] if "contrastive" in parts else []
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
    model.eval()
    assert first > 4 and parts["language"].item() < 0.1
    assert sum(contrast[-20:]) < 20 * 0.3, "chance is 0.69"
    seen = model.look(patches)
    said = emotion_log_probabilities(model, seen)
    assert said.exp().sum(1).allclose(torch.ones(8))
    assert said.argmax(1).tolist() == list(range(8))
    reader = reader if model.emotion_encoder is not None else None
    config = GenerationConfig(tokens=30)
    assert explain(model, seen, said.argmax(1), reader, config) == [text for _, text in answers]
    assert tell(model, seen, reader, config) == [(number, text) for number, (_, text) in enumerate(answers)]


def test_the_explanation_follows_the_emotion_that_is_asked_for(vocabulary, reader):
    """Two answers to one image, told apart by their emotion alone."""
    model = model_of(vocabulary)
    patches = torch.randn(1, PATCHES, IMAGE_WIDTH, generator=torch.Generator().manual_seed(1))
    batch = batch_of(vocabulary, reader, [[ANSWERS[1], ANSWERS[7]]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(150):
        optimizer.zero_grad()
        model(patches, batch)["loss"].backward()
        optimizer.step()
    seen = model.eval().look(patches).expand(2, -1, -1)
    texts = explain(model, seen, torch.tensor([1, 7]), reader, GenerationConfig(tokens=30))
    assert texts == [ANSWERS[1][1], ANSWERS[7][1]]


def test_later_tokens_change_nothing_before_them(vocabulary, reader):
    model = loud(model_of(vocabulary))
    rows = flat(batch_of(vocabulary, reader, [[ANSWERS[7]]]))
    patches = torch.randn(1, PATCHES, IMAGE_WIDTH)
    place = 12
    changed = {name: value.clone() for name, value in rows.items()}
    changed["vad"][:, place:] = torch.rand_like(changed["vad"][:, place:])
    changed["ids"][:, place:] = 70
    with torch.no_grad():
        one, other = states_of(model, rows, patches), states_of(model, changed, patches)
    assert torch.equal(one[:, :place], other[:, :place])
    assert not torch.allclose(one[:, place:], other[:, place:])


def test_the_papers_encoder_sees_what_is_still_to_be_written(vocabulary, reader):
    model = model_of(vocabulary, faithful=True, vad=VAD)
    assert not model.causal and isinstance(model.emotion_encoder, PaperEncoder)
    rows = flat(batch_of(vocabulary, reader, [[ANSWERS[7]]]))
    patches = torch.randn(1, PATCHES, IMAGE_WIDTH)
    changed = {**rows, "vad": rows["vad"].clone()}
    changed["vad"][:, 12:] = 0.9
    with torch.no_grad():
        one, other = states_of(model, rows, patches), states_of(model, changed, patches)
    assert (one[:, 6:12] - other[:, 6:12]).abs().max() > 1e-3
    assert torch.allclose(one[:, :6], other[:, :6])  # where nothing joins


def test_padding_and_company_change_nothing(vocabulary, reader):
    model = loud(model_of(vocabulary))
    patches = torch.randn(3, PATCHES, IMAGE_WIDTH)
    rows = flat(batch_of(vocabulary, reader, [[each] for each in ANSWERS[:3]]))
    length = int((rows["kind"][1] <= END).sum())
    alone = {name: value[1:2, :length] if value.ndim > 1 else value[1:2] for name, value in rows.items()}
    with torch.no_grad():
        together = states_of(model, rows, patches)[1, :length]
        single = states_of(model, alone, patches[1:2])[0]
    assert torch.allclose(together, single, atol=1e-5)


def test_at_first_fusion_changes_nothing(vocabulary, reader):
    patches = torch.randn(2, PATCHES, IMAGE_WIDTH)
    rows = flat(batch_of(vocabulary, reader, [[ANSWERS[7]], [ANSWERS[2]]]))
    model = model_of(vocabulary)
    with torch.no_grad():
        with_values = states_of(model, rows, patches)
        without = states_of(model, {**rows, "vad": None}, patches)
    assert torch.equal(with_values, without)
    paper = model_of(vocabulary, faithful=True, vad=VAD)
    with torch.no_grad():
        assert not torch.allclose(
            states_of(paper, rows, patches), states_of(paper, {**rows, "vad": None}, patches), atol=1e-3
        )


def test_the_papers_fusion_is_w_x_e_after_the_positions(vocabulary, reader):
    model = model_of(vocabulary, faithful=True, vad=VAD)
    rows = flat(batch_of(vocabulary, reader, [[ANSWERS[7]]]))
    explaining = rows["kind"] > LABEL
    wte, wpe = model.decoder.wte.weight, model.decoder.wpe.weight
    sort = torch.where(explaining, vocabulary.explanation, vocabulary.emotion)
    with torch.no_grad():
        got = model.embed(rows["ids"], explaining, rows["vad"]) + wpe[: rows["ids"].shape[1]]
        x = wte[rows["ids"]] + wte[sort] + wpe[: rows["ids"].shape[1]]
        fused = (
            torch.cat([x, model.emotion_encoder(rows["vad"])], -1) @ model.fusion.weight.T + model.fusion.bias
        )
    assert torch.allclose(got[:, :6], x[:, :6], atol=1e-6)
    assert torch.allclose(got[:, 6:], fused[:, 6:], atol=1e-5)


def test_every_weight_has_a_gradient_whatever_the_batch(vocabulary, reader):
    """Also of one image with one answer without a known word: no contrast, no values to predict."""
    for faithful in (False, True):
        model = model_of(vocabulary, faithful=faithful, vad=VAD).train()
        batch = batch_of(vocabulary, reader, [[("awe", "it is what it is"), None]])
        parts = model(torch.randn(1, PATCHES, IMAGE_WIDTH), batch)
        parts["loss"].backward()
        assert parts["contrastive"] == 0 and parts["vad"] == 0 and parts["loss"].isfinite()
        absent = [name for name, each in model.named_parameters() if each.grad is None]
        assert not absent
        assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)


def test_answers_that_are_not_there_count_nothing(vocabulary, reader):
    model = model_of(vocabulary, contrastive=None)
    patches = torch.randn(2, PATCHES, IMAGE_WIDTH)
    one = model(patches, batch_of(vocabulary, reader, [[ANSWERS[0]], [ANSWERS[7]]]))
    two = model(patches, batch_of(vocabulary, reader, [[ANSWERS[0], None], [ANSWERS[7], None]]))
    assert one.keys() == two.keys() and all(torch.allclose(one[name], two[name]) for name in one)


def test_switched_off_it_is_the_baseline(vocabulary):
    model = model_of(vocabulary, vad=None, contrastive=None)
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"decoder", "project"}


class Gpt2Sized:
    """As much of GPT-2's vocabulary as sizes depend on."""

    end, pad, emotion, explanation, labels = 50256, 50257, 50259, 50260, ((1,), (2, 3))

    def __len__(self):
        return 50261


def test_full_size_has_the_papers_parameters():
    pytest.importorskip("transformers", reason="SEVLM needs transformers: pip install 'vemo[art]'")
    full = {"vad": {"lexicon": {"path": "none"}}}
    with torch.device("meta"):
        decoder = build_decoder(DecoderConfig(), Gpt2Sized())
        config = ArtConfig.model_validate(
            {"faithful": True, "out": "o", "encoder": "e", "data": {"shards": "d"}, "model": full}
        ).model
        paper = Sevlm(config, Gpt2Sized(), 768)
        ours = Sevlm(ModelConfig.model_validate(full), Gpt2Sized(), 768)

    def count(module):
        return sum(each.numel() for each in module.parameters())

    assert count(decoder) == 96_099_072
    assert (count(paper.fusion), count(paper.vad_head)) == (592_896, 2_307)
    assert (count(paper.scorer), count(paper.emotion_encoder)) == (3_542_785, 17_851)
    assert count(paper) == 100_254_911
    assert isinstance(ours.emotion_encoder, CausalEncoder) and count(ours) < 101e6


def test_faithful_is_what_is_not_said_otherwise():
    given = {"faithful": True, "out": "o", "encoder": "e", "data": {"shards": "d"}}
    nlx_gpt = {**given, "model": {"vad": None, "contrastive": None, "prompt_loss": False}}
    config = ArtConfig.model_validate(nlx_gpt)
    assert config.pixels == "paper" and config.images == "multi_emotion"
    assert config.evaluation.generation.emotion == "free"
    assert config.model.boundary == "fixed6" and not config.model.prompt_loss
    assert config.model.vad is None and config.model.contrastive is None
    assert ArtConfig.model_validate({**given, "faithful": False}).model.boundary == "mask"


def test_place_six_needs_short_labels(vocabulary):
    longer = type("Longer", (), {"labels": ((1,), (2, 3, 4)), "__len__": lambda self: 99})()
    with pytest.raises(UserError, match="labels of one or two tokens"):
        Sevlm(config_of(boundary="fixed6"), longer, 8)


def test_gpt2s_weights_from_a_file(vocabulary, tmp_path):
    """Fewer tokens than ours, no cross-attention, and the buffers and the head that such files have."""
    transformers = pytest.importorskip("transformers")
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 64, "n_positions": 64}
    plain = transformers.GPT2Model(transformers.GPT2Config(vocab_size=len(vocabulary) - 4, **sizes))
    given = {f"transformer.{name}": value for name, value in plain.state_dict().items()}
    path = tmp_path / "gpt2.safetensors"
    extra = {"transformer.h.0.attn.bias": torch.ones(3), "lm_head.weight": plain.wte.weight.detach().clone()}
    save_file(given | extra, path)
    config = config_of(decoder={"layers": 2, "heads": 4, "width": 64, "positions": 64, "weights": path})
    decoder = build_decoder(config.decoder, vocabulary).eval()
    ids = torch.randint(0, len(vocabulary) - 4, (2, 9))
    with torch.no_grad():
        assert torch.allclose(decoder(ids).last_hidden_state, plain.eval()(ids).last_hidden_state, atol=1e-5)
    for wrong, message in (
        ({"layers": 1}, r"h\.1.* is not of this decoder"),
        ({"layers": 3}, r"h\.2.* is missing"),
        ({"width": 32}, "is not of this decoder"),
    ):
        with pytest.raises(UserError, match=message):
            build_decoder(config.decoder.model_copy(update=wrong), vocabulary)
