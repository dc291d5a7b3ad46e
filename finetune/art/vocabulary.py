"""Words as tokens: GPT-2's vocabulary from files, or a byte-level BPE trained on the answers."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from .library import library

END, PAD, PREFIX, EMOTION, EXPLANATION = "<|endoftext|>", "<pad>", "<prefix>", "<emotion>", "<explanation>"
SPECIALS = (END, PAD, PREFIX, EMOTION, EXPLANATION)  # GPT-2 has the first; the paper adds the others, so
PROMPT, BECAUSE = " the emotion is", " because"
# File names and sha256 of GPT-2's own, as OpenAI released them and as Hugging Face calls them.
GPT2_FILES = (
    (("vocab.json", "encoder.json"), "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    (("merges.txt", "vocab.bpe"), "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
)


class Vocabulary:
    """A byte-level BPE with what SEVLM asks of one. Picklable.

    content: the tokenizer as JSON, which is what a release keeps. emotions: the names of the classes.

    Attributes:
        end, pad, emotion, explanation: ids; `end` begins and ends a sentence.
        prompt, labels: tokens of " the emotion is", and of each emotion. because: one token.

    Raises UserError: special tokens are missing, or " because" is several tokens.
    """

    def __init__(self, content: str, emotions: Sequence[str]) -> None:
        self.content, self.emotions = content, tuple(emotions)
        self.tokenizer: Any = library("tokenizers").Tokenizer.from_str(content)
        self.tokenizer.encode_special_tokens = True  # "<pad>" in an answer is five characters
        ids = [self.tokenizer.token_to_id(name) for name in SPECIALS]
        if None in ids:
            raise UserError(f"vocabulary: no token {SPECIALS[ids.index(None)]}")
        self.end, self.pad, self.prefix, self.emotion, self.explanation = ids
        self.prompt = tuple(self.encode(PROMPT))
        self.labels = tuple(tuple(self.encode(f" {name}")) for name in self.emotions)
        because = self.encode(BECAUSE)
        if len(because) != 1:
            raise UserError(
                f"vocabulary: {BECAUSE!r} is {len(because)} tokens, but where it is written the explanation "
                "begins; raise vocabulary.size"
            )
        self.because = because[0]

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def __getstate__(self) -> tuple[str, tuple[str, ...]]:
        return self.content, self.emotions

    def __setstate__(self, state: tuple[str, tuple[str, ...]]) -> None:
        self.__init__(*state)

    @property
    def specials(self) -> tuple[int, ...]:
        """Ids that stand for no text; each ends what is written."""
        return self.end, self.pad, self.prefix, self.emotion, self.explanation

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The text of every token, "" of special ones."""
        return tuple(self.decode([token]) for token in range(len(self)))

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, without special ones."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True)


def train_vocabulary(
    answers: Iterable[tuple[str, str]], emotions: Sequence[str], size: int, min_frequency: int
) -> Vocabulary:
    """A BPE of at most `size` tokens from (emotion, explanation), each read as it will be taught."""
    tokenizers = library("tokenizers")
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = byte_level(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIALS),
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sentences(answers), trainer)
    return Vocabulary(tokenizer.to_str(), emotions)


def _sentences(answers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for emotion, explanation in answers:
        yield f"{PROMPT} {emotion}{BECAUSE} {tidy(explanation)}"


def gpt2_vocabulary(folder: Path, emotions: Sequence[str]) -> Vocabulary:
    """GPT-2's 50,257 tokens and the four that SEVLM adds: 50,261, in the paper's order.

    Raises UserError: a file is missing, or is not GPT-2's.
    """
    tokenizers = library("tokenizers")
    found = [_checked(folder.expanduser(), names, sha256) for names, sha256 in GPT2_FILES]
    vocabulary, merges = tokenizers.models.BPE.read_file(*map(str, found))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    return Vocabulary(tokenizer.to_str(), emotions)


def _checked(folder: Path, names: tuple[str, ...], sha256: str) -> Path:
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise UserError(f"vocabulary.gpt2={folder}: no {' or '.join(names)} there")
    if (got := sha256_of(path)) != sha256:
        raise UserError(f"{path}: not GPT-2's own (sha256 {got}, expected {sha256})")
    return path


def tidy(text: str) -> str:
    """A text on one line, with single spaces."""
    return " ".join(text.split())
