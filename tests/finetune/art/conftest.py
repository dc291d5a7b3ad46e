"""A vocabulary of a few sentences and a lexicon of a few words."""

import sys
from pathlib import Path

import pytest
import torch
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
