"""Twitter I and II: tweeted photos in `Agg_AMT_Candidates/`, workers' votes in `amt_result.csv`."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....foundation.errors import UserError
from ...sample import Sample
from ..base import FolderConfig, Reader, Row, image_files

TABLE, IMAGES = "amt_result.csv", "Agg_AMT_Candidates"
Order = Literal["positive_negative", "negative_positive"]
ORDERS: tuple[Order, Order] = ("positive_negative", "negative_positive")


class TwitterAmtConfig(FolderConfig):
    kind: Literal["twitter_amt"] = "twitter_amt"
    part: Literal[1, 2] = 1  # Twitter I (You et al. 2015) or II (Borth et al. 2013)
    order: Order | None = Field(
        default=None, description="of the two vote columns; null: as the header or the *agree*.txt lists tell"
    )
    min_agree: int = Field(default=0, ge=0, description="an image that fewer workers agree on has no label")


class TwitterAmt(Reader):
    """Twitter I (five workers an image) and II (three): votes as polarity2, [negative, positive].

    A line of the table is file, voters, votes, votes; public code and descriptions disagree about which votes
    are the positive ones. So nothing is taken on trust: reader.order or else the header's words tell, lists
    `*agree*.txt` (file, then 1 for positive or 0 for negative) tell or check, and where none does, or they
    contradict each other, reading ends before a label is turned round. The subsets of benchmarks are
    reader.min_agree=3, 4 and 5. Identical files share a group (their sha256). No split of its own.
    """

    dataset = "twitter-1"
    licence = "research-only"
    spaces = ("polarity2",)
    how_to_get = (
        "Take the PCNN Twitter Dataset at qzyou.github.io; root holds amt_result.csv and Agg_AMT_Candidates/."
    )
    summary = "1,269 tweeted photos (Twitter I, five voters) or 603 (Twitter II, three), positive or negative"
    config_class = TwitterAmtConfig
    config: TwitterAmtConfig

    def __init__(self, config: TwitterAmtConfig, root: Path) -> None:
        super().__init__(config, root)
        self.dataset = f"twitter-{config.part}"
        self.require(TABLE)

    def _rows(self) -> Iterator[Row]:
        header, lines = self._table()
        votes = {name: facts["votes"] for _, name, facts in lines if "votes" in facts}
        places = [0, 1] if self._order(header, votes) == "negative_positive" else [1, 0]
        named = set()
        for number, name, facts in lines:
            path = f"{IMAGES}/{name}"
            named.add(path)
            if "failure" in facts:
                yield Row(name or f"line{number}", None, None, path, facts)
            else:
                polarity = [facts["votes"][place] for place in places]
                yield Row(name, None, self.group_of_file(path), path, {"votes": polarity})
        for file in image_files(self.root / IMAGES):
            path = file.relative_to(self.root).as_posix()
            if path not in named:
                detail = f"{TABLE} does not name {path}"
                name = path.removeprefix(f"{IMAGES}/")
                yield Row(name, None, None, path, {"failure": ["missing_annotation", detail]})

    def _table(self) -> tuple[list[str] | None, list[tuple[int, str, dict[str, Any]]]]:
        """The header, if there is one, and (line number, file, facts) of every line that is not empty."""
        with (self.root / TABLE).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            table = [
                (number, [cell.strip() for cell in line]) for number, line in enumerate(csv.reader(stream), 1)
            ]
        table = [(number, cells) for number, cells in table if any(cells)]
        first = table[0][1] if table else []
        if len(first) < 4:
            raise UserError(
                f"{self.root / TABLE}: expected file, voters and two columns of votes, got {first}. "
                f"{self.how_to_get}"
            )
        header = None if any(cell.isdecimal() for cell in first[1:4]) else first
        lines = table if header is None else table[1:]
        return header, [(number, cells[0], self._votes(number, cells)) for number, cells in lines]

    def _votes(self, number: int, cells: list[str]) -> dict[str, Any]:
        """The two counts in the order of the columns, or a failure."""
        try:
            voters, first, second = (int(cell) for cell in cells[1:4])
            if not cells[0] or min(first, second) < 0 or first + second > voters:
                raise ValueError
        except ValueError:
            wanted = "file, voters, and two counts of votes that voters suffice for"
            return {"failure": ["bad_row", f"{TABLE} line {number}: expected {wanted}, got {cells}"]}
        return {"votes": [first, second]}

    def _order(self, header: list[str] | None, votes: dict[str, list[int]]) -> Order:
        told = self.config.order or _told_by_header(header or [])
        listed, agreeing, of = self._told_by_lists(votes)
        if told and listed and told != listed:
            source = "reader.order" if self.config.order else f"the header {header}"
            raise UserError(
                f"{self.root / TABLE}: {source} says {told}, but {agreeing} of {of} images in the lists "
                f"*agree*.txt say {listed}; look at some images, then correct or remove what is wrong"
            )
        order = told or listed
        if order is None:
            raise UserError(
                f"{self.root / TABLE}: neither the header ({header}) nor a list *agree*.txt tells which "
                f"votes are positive; look at some images and set reader.order to {' or '.join(ORDERS)}"
            )
        return order

    def _told_by_lists(self, votes: dict[str, list[int]]) -> tuple[Order | None, int, int]:
        """(order, images that say so, images asked), by majority; None where they are undecided."""
        positive_first = positive_second = 0
        for path in sorted(self.root.glob("*agree*.txt")):
            for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
                name, _, label = line.strip().rpartition(" ")
                first, second = votes.get(name.strip(), (0, 0))
                if label in ("0", "1") and first != second:
                    positive_first += (first > second) == (label == "1")
                    positive_second += (first > second) != (label == "1")
        asked = positive_first + positive_second
        if positive_first == positive_second:
            return None, positive_first, asked
        order = ORDERS[0] if positive_first > positive_second else ORDERS[1]
        return order, max(positive_first, positive_second), asked

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        image = self.image_bytes(row.path)
        votes = row.facts["votes"]
        decided = any(votes) and max(votes) >= self.config.min_agree
        labels: Any = {"polarity2": {"votes": votes}} if decided else {}
        return self.sample(row, image, labels=labels), image


def _told_by_header(header: list[str]) -> Order | None:
    """By the words pos… and neg… over the third and fourth column; None where they are not both there."""
    first, second = (
        [word for word in ("pos", "neg") if word in cell.lower()] for cell in [*header, "", "", "", ""][2:4]
    )
    if (first, second) == (["pos"], ["neg"]):
        return ORDERS[0]
    return ORDERS[1] if (first, second) == (["neg"], ["pos"]) else None
