"""An answer as tokens: what each of them is, and what its word's valence, arousal and dominance are.

    <|endoftext|>  the emotion is  LABEL   because   words …       <|endoftext|>  <pad> …
    PROMPT         PROMPT          LABEL   BECAUSE   EXPLANATION   END            PAD

A word's values are those of the word as far as it is written at that token, so that a model that writes sees
what it saw in training: "content" before "contentment" is whole has content's values. What is *predicted* is
the value of the whole word.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .lexicon import Lexicon
from .vocabulary import Vocabulary, tidy

PROMPT, LABEL, BECAUSE, EXPLANATION, END, PAD = range(6)
FIXED = 6  # the paper's place of " because": after the end token, three words and two tokens of a label


class WordReader:
    """Tokens to the values of the words they write. Picklable.

    level: `word`, or `piece`: each token is looked up alone (paper), which finds words that are not there.
    """

    def __init__(self, vocabulary: Vocabulary, lexicon: Lexicon, level: str = "word") -> None:
        self.pieces, self.lexicon, self.level = vocabulary.pieces, lexicon, level

    def following(self, word: str, token: int) -> tuple[str, bool]:
        """(the word as far as it is written once `token` is, whether it is still `word`, written further)."""
        piece = self.pieces[token]
        # GPT-2's pre-tokenizer keeps letters apart from all else, and a space begins a word.
        goes_on = self.level == "word" and piece[:1].isalpha() and word[-1:].isalpha()
        return (word + piece if goes_on else piece.strip()).lower(), goes_on

    def read(self, tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(values of the words as far as written, of the whole words), each float32 [L, 4]: see `Lexicon`."""
        word, begin, begins, written = "", 0, [], []
        for place, token in enumerate(tokens):
            word, goes_on = self.following(word, token)
            begin = begin if goes_on else place
            begins.append(begin)
            written.append(word)
        whole = dict(zip(begins, written))  # of a word's tokens the last has all of it
        return (
            np.stack([self.lexicon(word) for word in written]),
            np.stack([self.lexicon(whole[begin]) for begin in begins]),
        )


class SequenceBuilder:
    """(emotion, explanation) to arrays of one length. Picklable.

    reader: None leaves out what concerns words' values.
    """

    def __init__(self, vocabulary: Vocabulary, reader: WordReader | None, length: int) -> None:
        self.vocabulary, self.reader, self.length = vocabulary, reader, length
        longest = max(map(len, vocabulary.labels))
        if 1 + len(vocabulary.prompt) + longest + 3 > length:
            raise ValueError(f"max_length {length} has no room for prompt, emotion and explanation")

    def __call__(self, emotion: int, explanation: str) -> dict[str, Any]:
        """ids, kind: int64 [L]; with a reader vad, vad_target: float32 [L, 4] (see `WordReader.read`).

        An explanation that is too long is cut, so that the end is always there.
        """
        vocabulary = self.vocabulary
        head = self.begin(emotion)
        room = self.length - len(head) - 1
        text = vocabulary.encode(f" {tidy(explanation)}")[:room]
        tokens = [*head, *text, vocabulary.end]
        padding = self.length - len(tokens)
        kind = [PROMPT] * (1 + len(vocabulary.prompt)) + [LABEL] * len(vocabulary.labels[emotion])
        kind += [BECAUSE] + [EXPLANATION] * len(text) + [END] + [PAD] * padding
        tokens += [vocabulary.pad] * padding
        found: dict[str, Any] = {"ids": np.array(tokens, np.int64), "kind": np.array(kind, np.int64)}
        if self.reader is not None:
            found["vad"], found["vad_target"] = self.reader.read(tokens)
        return found

    def begin(self, emotion: int) -> list[int]:
        """The tokens before an explanation: end token, prompt, label, " because"."""
        vocabulary = self.vocabulary
        return [vocabulary.end, *vocabulary.prompt, *vocabulary.labels[emotion], vocabulary.because]
