"""Flickr_LDL and Twitter_LDL (Yang et al. 2017): Mikels' eight emotions by people's votes, in MATLAB files.

Form 1: `data_fli.mat` (ind: image numbers), `nvote_fli.mat` (n_vote_all: N x 8), `_twi` for Twitter.
Form 2: `flickrldl_config.mat` or `twitterldl_config.mat` (HDF5, vote: N x 8), images 1.jpg … N.jpg.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ...taxonomy import label_map, label_space
from ..base import FolderConfig, Reader, Row, image_files
from ..generic.file_names import FileNames
from ..generic.matlab import load_hdf5, load_mat

# Which column is which emotion the files do not say, and public code disagrees.
ORDERS = {
    "amusement awe contentment excitement anger disgust fear sadness": "public code for form 1",
    "anger amusement awe contentment disgust excitement fear sadness": "a public converter of form 2",
    "amusement anger awe contentment disgust excitement fear sadness": "the alphabet",
}
TOLERANCE = 1e-9  # of rounding


class LDLConfig(FolderConfig):
    kind: Literal["flickr_ldl", "twitter_ldl"]
    columns: list[str] | None = Field(
        default=None, description="the emotion of each of the eight columns, in the file's order; required"
    )
    check: bool = Field(default=True, description="refuse an order that the votes themselves speak against")
    images: str = Field(default="images", description="the folder of the images; where it is not, the root")


class LDL(Reader):
    """Votes for eight emotions, in mikels8's order; shares, where a copy holds those, as a distribution.

    reader.columns must say which column is which emotion. That is checked against the votes: people who look
    at the same image mostly agree on positive or negative, so none of the orders that are about may make them
    agree more than the stated one (our choice of a check). It cannot see an exchange within the positive or
    within the negative four. Identical files share a group (their sha256). No split of its own.
    """

    licence = "research-only"
    spaces = ("mikels8",)
    config_class = LDLConfig
    config: LDLConfig
    form1: ClassVar[tuple[str, str]]
    form2: ClassVar[str]

    def __init__(self, config: LDLConfig, root: Path) -> None:
        super().__init__(config, root)
        self.require(self.form1[0], self.form2)
        self.top = f"{config.images}/" if (self.root / config.images).is_dir() else ""

    def _rows(self) -> Iterator[Row]:
        names, votes = self._table()
        columns = self._columns(votes)
        places = [columns.index(emotion) for emotion in label_space("mikels8").names]
        whole = bool((votes == np.floor(votes))[np.isfinite(votes)].all())
        images, named = FileNames(self.root), set()
        for name, line in zip(names, votes[:, places].tolist()):
            path = images.find(f"{self.top}{name}") or f"{self.top}{name}"
            named.add(path)
            yield Row(name, None, self.group_of_file(path), path, _facts(name, line, whole))
        for file in image_files(self.root / self.top):
            path = file.relative_to(self.root).as_posix()
            if path not in named:
                detail = f"no votes for {path}"
                name = path.removeprefix(self.top)
                yield Row(name, None, None, path, {"failure": ["missing_annotation", detail]})

    def _table(self) -> tuple[list[str], np.ndarray]:
        """The images' names and their votes [N, 8], columns in the file's order."""
        if (self.root / self.form1[0]).is_file():
            path = self.root / self.form1[1]
            numbers = _variable(self.root / self.form1[0], "ind").ravel()
            votes = _variable(path, "n_vote_all")
            votes = votes.reshape(1, -1) if len(numbers) == 1 else votes
            names = [f"{str(number).removesuffix('.0')}.jpg" for number in numbers.tolist()]
        else:
            path = self.root / self.form2
            votes = load_hdf5(path, "vote")
            names = [f"{number}.jpg" for number in range(1, len(votes) + 1)]
        if votes.shape != (len(names), 8) or votes.dtype.kind not in "biuf":
            shape = " x ".join(map(str, votes.shape))
            raise UserError(f"{path}: expected {len(names)} x 8 numbers, got {shape} of {votes.dtype}")
        return names, votes.astype(np.float64)

    def _columns(self, votes: np.ndarray) -> list[str]:
        space = label_space("mikels8")
        known = votes[np.isfinite(votes).all(axis=1) & (votes.sum(axis=1) > 0)]
        scores = {order: _agreement(known, order.split()) for order in ORDERS}
        evidence = _contents(known) + ". People agree on positive or negative (0: by chance, 1: always) to "
        evidence += "; ".join(f"{score:.2f} by {order} ({ORDERS[order]})" for order, score in scores.items())
        if self.config.columns is None:
            raise UserError(
                f"{self.root}: reader.columns must name the emotions of the eight columns, in which public "
                f"sources contradict each other. {evidence}"
            )
        columns = [space.canonical(name) for name in self.config.columns]
        if sorted(columns) != sorted(space.names):
            raise UserError(f"reader.columns must name each of {', '.join(space.names)} once, got {columns}")
        score = _agreement(known, columns)
        if self.config.check and score < max(scores.values()) - TOLERANCE:
            raise UserError(
                f"{self.root}: the votes speak against the order in reader.columns, by which people agree on "
                f"positive or negative to {score:.2f} only. {evidence}. Look at some images and correct the "
                "order, or set reader.check=false"
            )
        return columns

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        labels: Any = {"mikels8": row.facts["label"]} if row.facts["label"] else {}
        return self.sample(row, image, labels=labels), image


class FlickrLDL(LDL):
    dataset = "flickr-ldl"
    how_to_get = (
        "Ask its authors (Yang et al. 2017); root holds data_fli.mat and nvote_fli.mat, or "
        "flickrldl_config.mat, and the images, beside them or in images/."
    )
    summary = "11,150 photos of Flickr, about 11 voters each, eight emotions"
    form1 = ("data_fli.mat", "nvote_fli.mat")
    form2 = "flickrldl_config.mat"


class TwitterLDL(LDL):
    dataset = "twitter-ldl"
    how_to_get = (
        "Ask its authors (Yang et al. 2017); root holds data_twi.mat and nvote_twi.mat, or "
        "twitterldl_config.mat, and the images, beside them or in images/."
    )
    summary = "10,045 photos of Twitter, about 8 voters each, eight emotions"
    form1 = ("data_twi.mat", "nvote_twi.mat")
    form2 = "twitterldl_config.mat"


def _variable(path: Path, name: str) -> np.ndarray:
    variables = load_mat(path)
    if name not in variables:
        names = ", ".join(key for key in variables if not key.startswith("__"))
        raise UserError(f"{path}: no variable {name}; there are {names or 'none'}")
    return np.atleast_1d(variables[name])


def _facts(name: str, line: list[float], whole: bool) -> dict[str, Any]:
    """The label of one image: votes, or shares where the file holds no whole numbers; None for only zeros."""
    if not all(0 <= value < math.inf for value in line):
        return {"failure": ["bad_annotation", f"{name}: votes must be numbers from 0 up, got {line}"]}
    if not any(line):
        return {"label": None}
    return {"label": {"votes": [int(value) for value in line]} if whole else {"distribution": line}}


def _agreement(votes: np.ndarray, columns: Sequence[str]) -> float:
    """How far the votes for an image lie on one side, positive or negative, if these are the columns.

    The variance of the positive share between images, over what it would be were each image's votes all on
    one side: 0 where the share is the same everywhere, 1 where it is nothing or all.
    """
    polarity = label_map("mikels8", "polarity2")
    positive = [place for place, name in enumerate(columns) if polarity.row(name).to == "positive"]
    share = votes[:, positive].sum(axis=1) / votes.sum(axis=1)
    mean = share.mean() if len(share) else 0.0
    return float(share.var() / (mean * (1 - mean))) if 0 < mean < 1 else 0.0


def _contents(votes: np.ndarray) -> str:
    """What the columns hold, in words."""
    totals = votes.sum(axis=0)
    shares = totals / max(totals.sum(), 1)
    strongest = np.bincount(votes.argmax(axis=1), minlength=8)
    columns = (f"{place + 1}: {shares[place]:.1%}, {strongest[place]:,}" for place in range(8))
    return f"By column, its share of the votes and the images where it is strongest: {'; '.join(columns)}"
