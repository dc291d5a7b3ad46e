"""A vocabulary of a few sentences and a lexicon of a few words."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.taxonomy import label_space
from vemo.finetune.art.lexicon import Lexicon
from vemo.finetune.art.sequences import WordReader
from vemo.finetune.art.vocabulary import train_vocabulary

sys.path.append(str(Path(__file__).parent))  # for `tiny_sevlm`

from tiny_sevlm import ANSWERS, WORDS


@pytest.fixture(scope="session")
def emotions():
    return label_space("artemis9").names


@pytest.fixture(scope="session")
def vocabulary(emotions):
    pytest.importorskip("transformers", reason="SEVLM needs transformers: pip install 'vemo[art]'")
    return train_vocabulary(ANSWERS * 3, emotions, 600, 2)


@pytest.fixture(scope="session")
def lexicon():
    return Lexicon(WORDS)


@pytest.fixture(scope="session")
def reader(vocabulary, lexicon):
    return WordReader(vocabulary, lexicon)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SPLITS = ["train"] * 8 + ["val"] * 3 + ["test"] * 3


@pytest.fixture(scope="session")
def paintings(tmp_path_factory):
    """Fourteen plain paintings; each is described twice with one emotion and, but for every third, once with
    another."""
    pytest.importorskip("transformers", reason="SEVLM needs transformers: pip install 'vemo[art]'")
    root = tmp_path_factory.mktemp("artemis")
    lines = []
    for number, split in enumerate(SPLITS):
        path = root / "wikiart" / "Style" / f"painting-{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = np.array([40 * (number % 6), 255 - 30 * (number % 8), 18 * number], np.uint8)
        Image.fromarray(np.broadcast_to(colour, (40, 50, 3)).copy()).save(path)
        for step in (0, 0, *([] if number % 3 == 0 else [1])):
            emotion, text = ANSWERS[(number + step) % len(ANSWERS)]
            lines.append(["Style", path.stem, emotion, text, 3, split])
    with (root / "artemis_preprocessed.csv").open("w", newline="") as stream:
        columns = ["art_style", "painting", "emotion", "utterance", "repetition", "split"]
        csv.writer(stream).writerows([columns, *lines])
    lexicon = root / "words.tsv"
    lexicon.write_text("".join(f"{word}\t{v}\t{a}\t{d}\n" for word, (v, a, d) in WORDS.items()))
    out = tmp_path_factory.mktemp("shards") / "set"
    build(BuildConfig(root=root, out=out, reader={"kind": "artemis"}, workers=0, samples_per_shard=10))
    return out, lexicon
