"""CK+ (Lucey et al. 2010): sequences from a neutral face to the peak of an expression.

root/cohn-kanade-images/S005/001/S005_001_00000001.png … and root/Emotion/S005/001/
S005_001_00000011_emotion.txt, which holds one number and is named after the peak. The copy called CK+48 is
reader.kind=ckplus48.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_space
from ..base import FolderConfig, Reader, Row, image_files
from ..generic.cells import number_of

IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
EMOTIONS = ("Emotion", "Emotion_labels/Emotion", "Emotion_Labels/Emotion", "Emotion_labels")
# The numbers 0 to 7 of the emotion files (the dataset's readme).
ORDER = ("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
SUFFIX = "_emotion.txt"


class CkPlusConfig(FolderConfig):
    kind: Literal["ckplus"] = "ckplus"
    last: int = Field(default=3, ge=1, description="how many frames, up to the peak, bear the expression")
    first: Literal["neutral", "leave_out"] = Field(
        default="neutral", description="whether the first frame of a sequence counts as a neutral face"
    )
    unlabelled: bool = Field(
        default=False,
        description="list sequences without an emotion file too, their last frames without a class",
    )


class CkPlus(Reader):
    """CK+: of each labelled sequence the last frames and, as neutral, the first; the subject is the group.

    593 sequences, of which 327 have an emotion; the frames in between are not listed. Where a sequence is so
    short that the first frame is among the last, it is no neutral face. No split of its own: papers use ten
    folds by subject.
    """

    dataset = "ckplus"
    licence = "research-only"
    spaces = ("fer8",)
    how_to_get = (
        "Ask for CK+ as jeffcohn.net/Resources says; root holds what its archives unpack to, "
        "cohn-kanade-images/ and Emotion/."
    )
    summary = "327 labelled sequences of people in a laboratory, seven expressions and neutral"
    config_class = CkPlusConfig
    config: CkPlusConfig

    def __init__(self, config: CkPlusConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(*IMAGES)
        self.require(*EMOTIONS)
        self.images = next(name for name in IMAGES if (self.root / name).exists())
        self.emotions = next(name for name in EMOTIONS if (self.root / name).exists())

    def _rows(self) -> Iterator[Row]:
        frames: dict[str, list[str]] = {}
        for file in image_files(self.root / self.images):
            path = PurePosixPath(file.relative_to(self.root / self.images).as_posix())
            frames.setdefault(path.parent.as_posix(), []).append(path.name)
        labelled = set()
        for file in sorted((self.root / self.emotions).rglob(f"[!.]*{SUFFIX}")):
            path = PurePosixPath(file.relative_to(self.root / self.emotions).as_posix())
            sequence = path.parent.as_posix()
            labelled.add(sequence)
            facts = {"emotion": f"{self.emotions}/{path}"}
            names = _up_to(path.name.removesuffix(SUFFIX), frames.get(sequence, []))
            yield from self._frames(sequence, names, facts)
        for sequence in sorted(frames.keys() - labelled) if self.config.unlabelled else ():
            yield from self._frames(sequence, frames[sequence], {})

    def _frames(self, sequence: str, names: list[str], facts: dict[str, Any]) -> Iterator[Row]:
        for place, name in enumerate(names):
            path = f"{self.images}/{sequence}/{name}"
            subject, identifier = PurePosixPath(sequence).parts[0], PurePosixPath(name).stem
            if place >= len(names) - self.config.last:
                yield Row(identifier, None, subject, path, facts)
            elif place == 0 and self.config.first == "neutral":
                yield Row(identifier, None, subject, path, {"class": "neutral"})

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        label = self._emotion(row.facts["emotion"]) if "emotion" in row.facts else row.facts.get("class")
        labels: Any = {"fer8": {"class": label}} if label else {}
        return self.sample(row, image, labels=labels), image

    def _emotion(self, path: str) -> str:
        text = self.inside(path).read_text(encoding="utf-8-sig", errors="replace")
        number = number_of(text, f"the emotion in {path}")
        if not (number.is_integer() and 0 <= number < len(ORDER)):
            raise UserError(f"the emotion in {path} is {number:g}, not a number from 0 to {len(ORDER) - 1}")
        return label_space("fer8").canonical(ORDER[int(number)])


def _up_to(peak: str, names: list[str]) -> list[str]:
    """The frames before the peak and the peak, which is named whether or not it is there: so it is missed."""
    before = [name for name in names if PurePosixPath(name).stem < peak]
    return [*before, next((name for name in names if PurePosixPath(name).stem == peak), f"{peak}.png")]
