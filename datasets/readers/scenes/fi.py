"""FI (You et al. 2016), also called DeepEmotion: class folders; the votes behind them, where there are any.

Copies are passed on as root/emotion_dataset/<emotion>/<file>. The original is root/agg/<emotion>_*.csv: of
every candidate the URL and how many of (mostly) five workers, asked whether the image evokes this one
emotion, said no and yes.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from ....foundation.errors import UserError
from ..base import Row
from .class_folders import ClassFolders, FolderOptions

VOTES = "agg"
# Headerless. Public code that keeps the lines with more yes than no gets about as many images as FI has,
# which settles which of the two columns is which.
COLUMNS = ("number", "url", "disagree", "agree")


class FIConfig(FolderOptions):
    kind: Literal["fi"] = "fi"
    votes: bool = True  # read agg/ where it is there
    min_agree: int = Field(default=3, ge=0, description="an image that fewer workers agree on has no label")


class FI(ClassFolders):
    """FI: a class for each image; workers' votes as attributes (they answered yes or no to one emotion each).

    With votes, images below the paper's rule (three of five agree) keep their votes and carry no label. Of
    candidates that are not there, many links having died, those within the rule are failures; the others are
    no part of FI. Placeholder pictures saved from dead links are not recognised here, but by the audit.
    Identical files share a group (their sha256). No split of its own: papers draw one.
    """

    dataset = "fi"
    licence = "research-only"
    spaces = ("mikels8",)
    how_to_get = (
        "Take the Emotion Dataset at qzyou.github.io or a copy of it; root holds emotion_dataset/<emotion>/ "
        "and, for votes, agg/<emotion>_*.csv. To download what those list: kind img2dataset (fi_urls.yaml)."
    )
    summary = "nominally 23,308 photos of Flickr and Instagram, fewer in every copy; eight emotions"
    config_class = FIConfig
    config: FIConfig
    outer = ("emotion_dataset",)

    def _rows(self) -> Iterator[Row]:
        votes = self._votes()
        unseen = dict(votes)
        for row in super()._rows():
            key = (row.facts["class"], PurePosixPath(row.path).name)
            unseen.pop(key, None)
            yield replace(row, facts=self._with_vote(row.facts, votes[key])) if key in votes else row
        named = [key for key, vote in votes.items() if "failure" not in vote]
        if named and all(key in unseen for key in named):
            raise UserError(
                f"{self.root / VOTES}: no image bears the name of a URL there, such as {named[0][1]}, so "
                "this copy was renamed and its votes cannot be told; read it without (reader.votes=false)"
            )
        for (label, name), vote in unseen.items():
            if "failure" in vote:
                yield Row(f"{label}/{name}", None, None, "", vote)
            elif vote["agree"] >= self.config.min_agree:
                detail = f"no file {name} in {label}, as {vote['agree']} workers called it; is its link dead?"
                yield Row(f"{label}/{name}", None, None, "", {"failure": ["missing_image", detail]})

    def _with_vote(self, facts: dict[str, Any], vote: dict[str, Any]) -> dict[str, Any]:
        if "failure" in vote:
            return vote
        known = {"attributes": {f"votes_{answer}": count for answer, count in vote.items()}}
        return known if vote["agree"] < self.config.min_agree else {**facts, **known}

    def _votes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(emotion, file name) → how many agree and disagree, or the failure of a broken line."""
        votes: dict[tuple[str, str], dict[str, Any]] = {}
        for path in sorted((self.root / VOTES).glob("*.csv")) if self.config.votes else []:
            try:
                label = self.space.canonical(path.stem.split("_")[0])
            except UserError as error:
                raise UserError(f"{path}: expected {VOTES}/<emotion>_*.csv; {error}") from None
            for number, line in _lines(path):
                where = f"{VOTES}/{path.name} line {number}"
                key, vote = _vote(label, line, where)
                if key in votes and votes[key] != vote:
                    detail = f"{where}: other votes for {key[1]} than before"
                    vote = {"failure": ["bad_annotation", detail]}
                votes[key] = vote
        return votes


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the lines that are not empty."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(csv.reader(stream), start=1):
            if any(cell.strip() for cell in line):
                yield number, line


def _vote(label: str, line: list[str], where: str) -> tuple[tuple[str, str], dict[str, Any]]:
    """The file's name is the last part of the URL."""
    try:
        _, url, disagree, agree = (cell.strip() for cell in line)
        name = PurePosixPath(urlsplit(url).path).name
        if not name:
            raise ValueError
        return (label, name), {"agree": int(agree), "disagree": int(disagree)}
    except ValueError:
        detail = f"{where}: expected {', '.join(COLUMNS)}, got {','.join(line)[:200]}"
        return (label, where), {"failure": ["bad_row", detail]}
