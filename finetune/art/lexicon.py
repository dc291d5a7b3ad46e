"""Valence, arousal and dominance of words, from a list that the user has: none is shipped.

Lists that people use are free for research only (NRC-VAD: Mohammad 2018; Warriner et al. 2013), so that a
release cannot hold one either: it says by sha256 which it was trained with.
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ...foundation.config import Config
from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from .library import library

AXES = ("valence", "arousal", "dominance")
WARRINER = ("Word", "V.Mean.Sum", "A.Mean.Sum", "D.Mean.Sum")


class LexiconConfig(Config):
    """A file of words and their values."""

    path: Path = Field(description="NRC-VAD's .txt, Warriner's .csv, or a table of your own")
    format: Literal["nrc", "warriner", "table"] = Field(
        default="nrc",
        description="nrc: word, valence, arousal, dominance between tabs; table: named columns, .csv or tabs",
    )
    columns: tuple[str, str, str, str] = Field(
        default=("word", *AXES), description="table: the columns of word, valence, arousal and dominance"
    )
    scale: tuple[float, float] | None = Field(
        default=None,
        description="Lowest and highest value of the file. null: Warriner's 1 to 9; else −1 to 1 if a value "
        "is negative, 0 to 1 if none is",
    )
    lemmas: bool = Field(
        default=False, description="Look up a word's lemma where it is missing (pip install 'vemo[lemmas]')"
    )

    @model_validator(mode="after")
    def _scale_rises(self) -> "LexiconConfig":
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale must rise, got {list(self.scale)}")
        return self


class Lexicon:
    """A word, in lower case, to float32 [4]: valence, arousal, dominance in [−1, 1], and 1 where it is known;
    zeros where it is not. Picklable.

    values: by word. lemma: what to look up where a word is missing, if anything.
    """

    def __init__(
        self,
        values: Mapping[str, tuple[float, float, float]],
        lemma: Callable[[str], str] | None = None,
        sha256: str | None = None,
    ) -> None:
        self.values, self.lemma, self.sha256 = dict(values), lemma, sha256
        self._found: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.values)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_found": {}}

    def __call__(self, word: str) -> np.ndarray:
        found = self._found.get(word)
        if found is None:
            found = self._found[word] = self._look_up(word)
        return found

    def _look_up(self, word: str) -> np.ndarray:
        value = self.values.get(word)
        if value is None and self.lemma is not None and word:
            value = self.values.get(self.lemma(word))
        return np.array((0, 0, 0, 0) if value is None else (*value, 1), np.float32)


def read_lexicon(config: LexiconConfig) -> Lexicon:
    """The words of a file, scaled to [−1, 1].

    Raises UserError: no such file or column, a line that is no word with three numbers, a value off the
    scale, no words, or no simplemma for `lemmas`.
    """
    path = config.path.expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"model.vad.lexicon.path={path}: cannot be read ({error}); NRC-VAD and Warriner's norms come "
            "from their authors, or leave the words' values out with model.vad=null"
        ) from None
    lines = text.splitlines()
    raw = _plain(lines, path) if config.format == "nrc" else _columns(lines, path, config)
    if not raw:
        raise UserError(f"{path}: no words")
    low, high = config.scale or _scale(config, [value for each in raw.values() for value in each])
    for word, each in raw.items():
        if not all(low <= value <= high for value in each):
            raise UserError(f"{path}: {word!r} has {list(each)}, which is not between {low:g} and {high:g}")
    scaled: Any = {
        word: tuple(2 * (value - low) / (high - low) - 1 for value in each) for word, each in raw.items()
    }
    if config.lemmas:
        english_lemma("words")  # a missing package is reported now, not by a loader's worker
    return Lexicon(scaled, english_lemma if config.lemmas else None, sha256_of(path))


def english_lemma(word: str) -> str:
    """A word's lemma in lower case. Library: simplemma (MIT), whose tables come in its wheel."""
    return library("simplemma", "lexicon.lemmas", "lemmas").lemmatize(word, lang="en").lower()


def _scale(config: LexiconConfig, values: list[float]) -> tuple[float, float]:
    if config.format == "warriner":
        return 1.0, 9.0
    return (-1.0, 1.0) if min(values) < 0 else (0.0, 1.0)


def _plain(lines: list[str], path: Path) -> dict[str, tuple[float, ...]]:
    """Lines of a word and three numbers between tabs; the first line may be a heading."""
    found: dict[str, tuple[float, ...]] = {}
    for number, line in enumerate(lines, start=1):
        word, *cells = line.split("\t")
        if number == 1 and not _is_number(cells[-1] if cells else ""):
            continue
        if line.strip():
            found[word.strip().lower()] = _numbers(cells, path, number)
    return found


def _columns(lines: list[str], path: Path, config: LexiconConfig) -> dict[str, tuple[float, ...]]:
    names = WARRINER if config.format == "warriner" else config.columns
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    rows = csv.DictReader(lines, delimiter=delimiter)
    if missing := [name for name in names if name not in (rows.fieldnames or ())]:
        there = ", ".join(filter(None, rows.fieldnames or ())) or "none"
        raise UserError(f"{path}: no column {missing[0]!r}; there are {there}")
    return {
        (row[names[0]] or "").strip().lower(): _numbers([row[name] or "" for name in names[1:]], path, number)
        for number, row in enumerate(rows, start=2)
    }


def _numbers(cells: list[str], path: Path, line: int) -> tuple[float, ...]:
    if len(cells) != len(AXES) or not all(map(_is_number, cells)):
        raise UserError(f"{path} line {line}: expected a word and three numbers, got {cells}")
    return tuple(map(float, cells))


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text)).item()
    except ValueError:
        return False
