"""Lists of words: their formats, their scales, and what is said of a bad one."""

import importlib.util

import pytest
from vemo.finetune.art.lexicon import Lexicon, LexiconConfig, read_lexicon
from vemo.foundation import UserError


def read(tmp_path, text, **settings):
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    return read_lexicon(LexiconConfig(path=path, **settings))


def test_nrc_with_and_without_a_heading_on_either_scale(tmp_path):
    signed = read(tmp_path, "calm\t0.8\t-0.6\t0.2\nice cream\t0.9\t0.1\t0\n")
    assert signed("calm").tolist() == pytest.approx([0.8, -0.6, 0.2, 1])
    assert signed("storm").tolist() == [0, 0, 0, 0] and len(signed) == 2
    shares = read(tmp_path, "Word\tValence\tArousal\tDominance\nCalm\t0.9\t0.2\t0.5\n")
    assert shares("calm").tolist() == pytest.approx([0.8, -0.6, 0.0, 1])
    told = read(tmp_path, "calm\t0.9\t0.2\t0.5\n", scale=(-1, 1))
    assert told("calm").tolist() == pytest.approx([0.9, 0.2, 0.5, 1])


def test_warriners_norms_and_a_table_of_ones_own(tmp_path):
    warriner = ",Word,V.Mean.Sum,V.SD.Sum,A.Mean.Sum,D.Mean.Sum\n1,calm,7,1.2,1,5\n"
    assert read(tmp_path, warriner, format="warriner")("calm").tolist() == [0.5, -1, 0, 1]
    own = "lemma\tv\ta\td\ncalm\t100\t0\t50\n"
    settings = {"format": "table", "columns": ("lemma", "v", "a", "d"), "scale": (0, 100)}
    assert read(tmp_path, own, **settings)("calm").tolist() == [1, -1, 0, 1]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "no words"),
        ("calm\t0.8\t0.1\n", {}, "line 1: expected a word and three numbers"),
        ("a\t0\t0\t0\ncalm\t0.8\tx\t0\n", {}, "line 2: expected a word and three numbers"),
        ("calm\t0.8\tnan\t0\nb\t0\t0\t0\n", {}, "line 1"),
        ("calm\t5\t5\t5\n", {}, "not between 0 and 1"),
        ("word,valence\ncalm,1\n", {"format": "table"}, "no column 'arousal'; there are word, valence"),
    ],
)
def test_bad_lists(tmp_path, text, settings, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, **settings)


def test_no_list_at_all(tmp_path):
    with pytest.raises(UserError, match=r"model\.vad=null"):
        read_lexicon(LexiconConfig(path=tmp_path / "none.txt"))


def test_a_word_then_its_lemma(tmp_path):
    lexicon = Lexicon({"paint": (0.5, 0, 0), "painted": (0.1, 0, 0)}, lambda word: word.removesuffix("ing"))
    assert lexicon("painting")[0] == 0.5 and lexicon("painted")[0] == pytest.approx(0.1)
    assert lexicon("").tolist() == [0, 0, 0, 0]
    if importlib.util.find_spec("simplemma") is None:
        with pytest.raises(UserError, match=r"vemo\[lemmas\]"):
            read(tmp_path, "paint\t0.5\t-0.1\t0\n", lemmas=True)
    else:
        assert read(tmp_path, "paint\t0.5\t-0.1\t0\n", lemmas=True)("painted")[3] == 1
