"""Aff-Wild2 in the ABAW competitions, and C-EXPR-DB: video frames, cut out and aligned, with a label each.

root/cropped_aligned/<video>/00001.jpg … and a file for each video, a line a frame after one that names the
classes: root/[…/]EXPR_Recognition_Challenge/{Train_Set,Validation_Set}/<video>.txt (-1 for none),
VA_Estimation_Challenge likewise (`valence,arousal`, -5 for none); or one file for each split,
root/[…/]MTL_Challenge/training_set_annotations.txt (`image,valence,arousal,expression,…`).
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ..base import FolderConfig, Reader, Row, image_files
from .frame_annotations import (
    ByHeader,
    annotated_lines,
    classes_of,
    multi_task,
    predictions,
    valence_arousal,
)

FRAMES = ["cropped_aligned", "cropped_aligned_new_50_vids"]
CHALLENGES = {
    "expression": ("EXPR_Recognition_Challenge", "EXPR_Classification_Challenge"),
    "valence_arousal": ("VA_Estimation_Challenge",),
    "multi_task": ("MTL_Challenge",),
}
SPLITS = {"Train_Set": "train", "Training_Set": "train", "Validation_Set": "val"}
FRAME = re.compile(r".+/[0-9]+\.\w+")
MULTI_TASK = {"training_set_annotations*.txt": "train", "validation_set_annotations*.txt": "val"}


class FramesOptions(FolderConfig):
    """What the configs of both datasets share."""

    frames: list[str] = Field(
        default=FRAMES,
        min_length=1,
        description="folders below the root that hold a folder of frames for each video",
    )
    every: int = Field(default=1, ge=1, description="30: frames 1, 31, 61 … of each video; 1: all")


class AffWild2Config(FramesOptions):
    kind: Literal["affwild2"] = "affwild2"
    task: Literal["expression", "valence_arousal", "multi_task"] = Field(
        default="expression", description="which challenge's annotations; each has a split of its own"
    )
    annotations: str | None = Field(
        default=None, description="the challenge's folder below the root; default: where it is found"
    )


class CExprDbConfig(FramesOptions):
    kind: Literal["cexpr_db"] = "cexpr_db"
    annotations: str | None = Field(
        default=None,
        description="a file like the challenge's predictions (`image_location,<classes>`, then frame,place), "
        "or a folder like Aff-Wild2's challenges; default: no labels, as the challenge gives out the videos",
    )


class Frames(Reader):
    """One sample a frame; the group is the video, whichever of its people (`_left`, `_right`) is cut out.

    Frames whose annotation is marked as none are not listed, as the competitions leave them out. Frames that
    are annotated and not there fail: where no face was found, none was cut out.
    """

    licence = "research-only"
    config: Any

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        self.require(*config.frames)
        self.folders: dict[str, str] = {}

    def _videos(self, folder: Path, by_header: ByHeader) -> Iterator[Row]:
        """The rows of a folder that holds [Train_Set/ or Validation_Set/]<video>.txt; line 2 is frame 1."""
        sets = [(split, folder / name) for name, split in SPLITS.items() if (folder / name).is_dir()]
        for split, place in sets or [(None, folder)]:
            for path in sorted(place.glob("[!.]*.txt")):
                for number, _, facts in annotated_lines(path, by_header):
                    yield from self._frame(split, f"{path.stem}/{number - 1:05d}.jpg", facts)

    def _listed(self, split: str | None, path: Path, by_header: ByHeader) -> Iterator[Row]:
        """The rows of one file that names a frame in each line, `<video>/<frame>.jpg,…`."""
        for number, frame, facts in annotated_lines(path, by_header):
            if FRAME.fullmatch(frame):
                yield from self._frame(split, frame, facts)
            else:
                where = f"{path.relative_to(self.root).as_posix()} line {number}"
                detail = f"{where}: expected <video>/00001.jpg first, got {frame[:80]!r}"
                yield Row(where, split, None, frame, {"failure": ["bad_row", detail]})

    def _frame(self, split: str | None, frame: str, facts: dict[str, Any]) -> Iterator[Row]:
        """The row of a frame, unless nothing is known of it or reader.every passes over it."""
        name = PurePosixPath(frame)
        if facts and (int(name.stem) - 1) % self.config.every == 0:
            video = name.parent.as_posix()
            path = f"{self._folder_of(video)}/{frame}"
            yield Row(f"{video}/{name.stem}", split, video_group(video), path, facts)

    def _folder_of(self, video: str) -> str:
        if video not in self.folders:
            there = (name for name in self.config.frames if (self.root / name / video).is_dir())
            self.folders[video] = next(there, self.config.frames[0])
        return self.folders[video]

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {self.spaces[0]: {"class": row.facts["class"]}} if "class" in row.facts else {}
        return self.sample(row, image, labels=labels, vad=row.facts.get("vad")), image


class AffWild2(Frames):
    """Aff-Wild2: eight expressions (seven in early editions) as abaw8, or valence and arousal, or both.

    One challenge at a time: each has its own split of the videos, and what one trains on another tests on.
    Action units are not read.
    """

    dataset = "affwild2"
    spaces = ("abaw8", "vad")
    how_to_get = (
        "Ask for Aff-Wild2 as affective-behavior-analysis-in-the-wild.github.io says; root holds "
        "cropped_aligned/ and the annotations, such as EXPR_Recognition_Challenge/."
    )
    summary = "video frames with expressions, or valence and arousal, of the ABAW competitions"
    config_class = AffWild2Config
    config: AffWild2Config

    def __init__(self, config: AffWild2Config, root: Path) -> None:
        super().__init__(config, root)
        self.annotations = self._find_annotations()

    def _find_annotations(self) -> Path:
        names = CHALLENGES[self.config.task]
        if self.config.annotations is not None:
            found = [self.root / self.config.annotations]
        else:
            places = [f"{above}{name}" for above in ("", "*/", "*/*/") for name in names]
            found = [path for place in places for path in sorted(self.root.glob(place))]
            if not found and self.config.task == "multi_task":
                found = [self.root] if any(self.root.glob(next(iter(MULTI_TASK)))) else []
        if len(found) != 1 or not found[0].is_dir():
            several = ", ".join(path.relative_to(self.root).as_posix() for path in found)
            problem = f"{several}; name one folder" if found else f"no {names[0]}; name its folder"
            raise UserError(f"{self.root}: {problem} in reader.annotations. {self.how_to_get}")
        return found[0]

    def _rows(self) -> Iterator[Row]:
        if self.config.task == "expression":
            yield from self._videos(self.annotations, classes_of("abaw8"))
        elif self.config.task == "valence_arousal":
            yield from self._videos(self.annotations, valence_arousal)
        else:
            for pattern, split in MULTI_TASK.items():
                for path in sorted(self.annotations.glob(pattern)):
                    yield from self._listed(split, path, multi_task)


class CExprDb(Frames):
    """C-EXPR-DB: seven compound expressions as compound7; without annotations, unlabelled test frames."""

    dataset = "c-expr-db"
    spaces = ("compound7",)
    how_to_get = (
        "Ask for C-EXPR-DB as affective-behavior-analysis-in-the-wild.github.io says; root holds "
        "cropped_aligned/<video>/<frame>.jpg and, where you have them, annotations (reader.annotations)."
    )
    summary = "video frames with compound expressions, given out unlabelled for the ABAW competitions"
    config_class = CExprDbConfig
    config: CExprDbConfig

    def __init__(self, config: CExprDbConfig, root: Path) -> None:
        super().__init__(config, root)
        if config.annotations is not None and not (self.root / config.annotations).exists():
            raise UserError(f"{self.root / config.annotations}: no such file or folder (reader.annotations)")

    def _rows(self) -> Iterator[Row]:
        if self.config.annotations is None:
            yield from self._unlabelled()
            return
        path = self.root / self.config.annotations
        if path.is_dir():
            yield from self._videos(path, classes_of("compound7"))
        else:
            yield from self._listed(None, path, predictions)

    def _unlabelled(self) -> Iterator[Row]:
        for folder in self.config.frames:
            for file in image_files(self.root / folder):
                path = file.relative_to(self.root).as_posix()
                video = file.relative_to(self.root / folder).parent.as_posix()
                if not file.stem.isdecimal() or (int(file.stem) - 1) % self.config.every == 0:
                    yield Row(f"{video}/{file.stem}", "test", video_group(video), path)


def video_group(video: str) -> str:
    """The recording: its two people, in `<video>_left` and `<video>_right`, belong together."""
    return re.sub(r"_(left|right)$", "", video)
