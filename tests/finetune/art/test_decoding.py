"""Writing: kept keys and values equal reading all anew; beams, nuclei and stops do what they say."""

import itertools

import pytest
import torch
from tiny_sevlm import IMAGE_WIDTH, VAD, model_of
from vemo.finetune.art.config import GenerationConfig
from vemo.finetune.art.decoding import Writer, nucleus, write
from vemo.finetune.art.explain import emotion_log_probabilities, explain, parse, tell


def seen_by(model, count, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return 4 * model.look(torch.randn(count, 9, IMAGE_WIDTH, generator=generator)).detach()


def loud(model):
    """With larger weights, so that sentences differ, and a fusion that does something."""
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.ndim > 1 and "wte" not in name:
                each.mul_(3)
    if model.fusion is not None:
        torch.nn.init.normal_(model.fusion.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return model


def begin_of(vocabulary, count, emotion=7):
    head = [vocabulary.end, *vocabulary.prompt, *vocabulary.labels[emotion], vocabulary.because]
    return torch.tensor([head] * count)


@pytest.mark.parametrize("changes", [{}, {"vad": None}])
def test_kept_keys_and_values_equal_reading_all_anew(vocabulary, reader, changes):
    model = loud(model_of(vocabulary, **changes))
    seen = seen_by(model, 3)[[0, 0, 1]]
    kept, anew = Writer(model, seen, reader), Writer(model, seen, reader, cached=False)
    assert kept.cache is not None and anew.cache is None
    tokens = torch.randint(5, len(vocabulary), (3, 20), generator=torch.Generator().manual_seed(0))
    tokens = torch.cat([begin_of(vocabulary, 3), tokens], dim=1)
    with torch.no_grad():
        for begin, end in itertools.pairwise([0, 7, 8, 9, 13, tokens.shape[1]]):
            assert torch.allclose(kept.feed(tokens[:, begin:end]), anew.feed(tokens[:, begin:end]), atol=1e-4)
            if end == 9:
                for writer in (kept, anew):
                    writer.take(torch.tensor([0, 0, 2]))


def test_writing_sees_what_training_saw(vocabulary, reader):
    """The logits at each place of a taught sentence are those of writing it token by token."""
    from vemo.finetune.art.sequences import LABEL, SequenceBuilder

    model = loud(model_of(vocabulary))
    seen = seen_by(model, 1)
    rows = {
        k: torch.as_tensor(v)[None]
        for k, v in SequenceBuilder(vocabulary, reader, 40)(2, "a calming lake").items()
    }
    with torch.no_grad():
        embedded = model.embed(rows["ids"], rows["kind"] > LABEL, rows["vad"])
        taught = model.logits(model.states(embedded, seen))[0]
        writer = Writer(model, seen, reader)
        for place in range(14):
            assert torch.allclose(writer.feed(rows["ids"][:, place : place + 1])[0], taught[place], atol=1e-4)


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_alone_as_in_company_with_a_cache_as_without(vocabulary, reader, kind):
    model = loud(model_of(vocabulary))
    seen, config = seen_by(model, 3), GenerationConfig(kind=kind, beams=3, tokens=8)
    together = write(model, seen, begin_of(vocabulary, 3), reader, config)
    alone = [
        write(model, seen[row : row + 1], begin_of(vocabulary, 1), reader, config)[0] for row in range(3)
    ]
    assert together == alone
    assert together == write(model, seen, begin_of(vocabulary, 3), reader, config, cached=False)
    assert len({tuple(each) for each in together}) > 1


def test_one_beam_is_greedy_and_many_find_the_likeliest(vocabulary):
    model = loud(model_of(vocabulary, vad=None))
    seen, begin = seen_by(model, 2), begin_of(vocabulary, 2)
    greedy = write(model, seen, begin, None, GenerationConfig(tokens=6))
    assert write(model, seen, begin, None, GenerationConfig(kind="beam", beams=1, tokens=6)) == greedy
    # Of two tokens all pairs are tried: as many beams as tokens leave nothing out.
    size = len(vocabulary)
    config = GenerationConfig(kind="beam", beams=size, tokens=2, length_penalty=0)
    found = write(model, seen[:1], begin[:1], None, config)[0]
    with torch.no_grad():
        first = Writer(model, seen[:1], None).feed(begin[:1]).log_softmax(1)[0]
        writer = Writer(model, seen[:1].expand(size, -1, -1), None)
        second = writer.feed(torch.cat([begin[:1].expand(size, -1), torch.arange(size)[:, None]], 1))
    scores = first[:, None] + second.log_softmax(1)
    specials = list(vocabulary.specials)
    scores[specials] = first[specials, None].expand(-1, size)  # ended after one token
    best = divmod(int(scores.argmax()), size)
    assert found == [token for token in (best[:1] if best[0] in specials else best) if token not in specials]


def test_what_is_special_ends_a_sentence(vocabulary, reader):
    model = model_of(vocabulary)
    with torch.no_grad():
        model.decoder.ln_f.weight.zero_()
        model.decoder.ln_f.bias.copy_(model.decoder.wte.weight[vocabulary.emotion] * 1e4)
    for kind in ("greedy", "beam", "nucleus"):
        config = GenerationConfig(kind=kind, tokens=5, beams=2)
        assert write(model, seen_by(model, 2), begin_of(vocabulary, 2), reader, config) == [[], []]


def test_a_nucleus_is_the_fewest_tokens_of_that_mass():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.05, 0.1, 0.8]]).log()
    assert nucleus(logits, 0.7, 1).allclose(torch.tensor([[0.625, 0.375, 0, 0], [0, 0, 0, 1.0]]))
    assert nucleus(logits, 1.0, 1).allclose(logits.exp())
    assert nucleus(logits, 0.01, 1).argmax(1).tolist() == [0, 3]


def test_drawn_sentences_are_a_function_of_the_seed(vocabulary, reader):
    model = loud(model_of(vocabulary))
    seen, begin = seen_by(model, 2), begin_of(vocabulary, 2)

    def drawn(seed):
        return write(model, seen, begin, reader, GenerationConfig(kind="nucleus", tokens=6, seed=seed))

    assert drawn(1) == drawn(1) != drawn(2)


def test_classes_are_scored_as_if_each_were_written_alone(vocabulary, reader):
    model = loud(model_of(vocabulary))
    seen = seen_by(model, 2)
    scores = torch.zeros(2, len(vocabulary.labels))
    head = [vocabulary.end, *vocabulary.prompt]
    with torch.no_grad():
        for number, label in enumerate(vocabulary.labels):
            writer = Writer(model, seen, reader)
            logits = writer.feed(torch.tensor([head] * 2))
            for token in (*label, vocabulary.because):
                scores[:, number] += logits.log_softmax(1)[:, token]
                logits = writer.feed(torch.tensor([[token]] * 2))
    said = emotion_log_probabilities(model, seen)
    assert torch.allclose(said, scores.log_softmax(1), atol=1e-3)
    assert said.exp().sum(1).allclose(torch.ones(2))


def test_a_bidirectional_encoder_reads_all_anew(vocabulary, reader):
    model = model_of(vocabulary, faithful=True, vad=VAD)
    seen = seen_by(model, 2)
    assert Writer(model, seen, reader).cache is None
    assert len(tell(model, seen, reader, GenerationConfig(tokens=4))) == 2


def test_a_model_of_words_values_does_not_write_without_them(vocabulary):
    model = model_of(vocabulary)
    with pytest.raises(ValueError, match="lexicon"):
        explain(model, seen_by(model, 1), torch.tensor([0]), None, GenerationConfig())


def test_parsing_what_is_written(emotions):
    assert parse(" fear because the sky is dark", emotions) == (6, "the sky is dark")
    assert parse(" something else because a because b", emotions) == (8, "b")
    assert parse(" joy because of it", emotions) == (-1, "of it")
    assert parse(" fear the dark sky", emotions) == (-1, "dark sky")
    assert parse("", emotions) == (-1, "")
