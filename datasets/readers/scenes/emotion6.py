"""Emotion6 (Peng et al. 2015): `images/<keyword>/<number>.jpg`, rated in `ground_truth.txt`, tab-separated.

Not Emotion-6 of Panda et al. 2018, which has love, no disgust and no ratings (reader.kind=panda_emotion6).
"""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, image_files
from .class_folders import class_folder_names

TABLE = "ground_truth.txt"
# The header writes them [image_filename], [valence], [prob. anger] and so on (the dataset's readme.txt).
NAME, VALENCE, AROUSAL = "image_filename", "valence", "arousal"
EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
COLUMNS = (NAME, VALENCE, AROUSAL, *EMOTIONS)
LOWEST, HIGHEST = 1, 9  # the scale of valence and arousal


class Emotion6Config(FolderConfig):
    kind: Literal["emotion6"] = "emotion6"


class Emotion6(Reader):
    """Emotion6: voters' answers as an ekman7 distribution, valence and arousal, and a class of ekman6.

    The class is the folder: the word by which the image was searched for, on which six-class benchmarks are
    run. It need not be what most voters chose. For distributions over six, map ekman7 to ekman6: that leaves
    neutral out and renormalises. Valence and arousal are rescaled from 1 … 9. Identical files share a group
    (their sha256). No split of its own.
    """

    dataset = "emotion6"
    licence = "research-only"
    spaces = ("ekman7", "ekman6", "vad")
    how_to_get = "Take Emotion6.zip from the Chen lab at Cornell; root holds ground_truth.txt and images/."
    summary = "1,980 photos of Flickr: distribution over seven emotions, valence and arousal, search word"
    config_class = Emotion6Config
    config: Emotion6Config

    def __init__(self, config: Emotion6Config, root: Path) -> None:
        super().__init__(config, root)
        images = self.root / "images"
        if "love" in class_folder_names(images if images.is_dir() else self.root):
            raise UserError(
                f"{self.root}: a class folder love: this is Emotion-6 of Panda et al. 2018 "
                "(reader.kind=panda_emotion6), not Emotion6 of Peng et al. 2015"
            )
        self.require(TABLE)

    def _rows(self) -> Iterator[Row]:
        table = self._table()
        header = [cell.strip("[]").removeprefix("prob.").strip() for cell in next(table, (1, []))[1]]
        missing = [column for column in COLUMNS if column not in header]
        if missing:
            raise UserError(
                f"{self.root / TABLE}: no column {', '.join(missing)} in the first line, {header}. "
                f"{self.how_to_get}"
            )
        named = set()
        for number, cells in table:
            row = self._row(number, dict(zip(header, cells)))
            named.add(row.path)
            yield row
        for file in image_files(self.root / "images"):
            path = file.relative_to(self.root).as_posix()
            if path not in named:
                detail = f"{TABLE} does not name {path}"
                yield Row(
                    path.removeprefix("images/"),
                    None,
                    None,
                    path,
                    {"failure": ["missing_annotation", detail]},
                )

    def _table(self) -> Iterator[tuple[int, list[str]]]:
        """(line number, cells) of the lines that are not empty."""
        with (self.root / TABLE).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(csv.reader(stream, "excel-tab", quoting=csv.QUOTE_NONE), start=1):
                cells = [cell.strip() for cell in line]
                if any(cells):
                    yield number, cells

    def _row(self, number: int, line: dict[str, str]) -> Row:
        name = line.get(NAME, "").replace("\\", "/").removeprefix("images/")
        path = f"images/{name}"
        try:
            word = label_space("ekman6").canonical(PurePosixPath(name).parts[0])
            numbers = {column: float(line[column]) for column in COLUMNS[1:]}
        except (UserError, IndexError, KeyError, ValueError):
            detail = f"{TABLE} line {number}: expected <keyword>/<image> and nine numbers, got {line}"
            return Row(name or f"line{number}", None, None, path, {"failure": ["bad_row", detail]})
        valence, arousal = numbers[VALENCE], numbers[AROUSAL]
        shares = [numbers[emotion] for emotion in label_space("ekman7").names]
        if not all(LOWEST <= value <= HIGHEST for value in (valence, arousal)):  # NaN included
            detail = f"{TABLE} line {number}: valence {valence}, arousal {arousal} are not from 1 to 9"
            return Row(name, None, None, path, {"failure": ["bad_annotation", detail]})
        if not all(0 <= share <= 1 for share in shares):
            detail = f"{TABLE} line {number}: probabilities {shares} are not from 0 to 1"
            return Row(name, None, None, path, {"failure": ["bad_annotation", detail]})
        vad = {"valence": _rescaled(valence), "arousal": _rescaled(arousal)}
        facts = {"word": word, "shares": shares, "vad": vad}
        return Row(name, None, self.group_of_file(path), path, facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {
            "ekman7": {"distribution": row.facts["shares"]},
            "ekman6": {"class": row.facts["word"]},
        }
        return self.sample(row, image, labels=labels, vad=row.facts["vad"]), image


def _rescaled(value: float) -> float:
    """From 1 … 9 to -1 … 1."""
    return 2 * (value - LOWEST) / (HIGHEST - LOWEST) - 1
