"""`vemo shards card DIR`: a dataset card for people (README.md) and Croissant metadata for programs.

Both are written from what lies in the folder, and say nothing that it does not: what only people know of a
dataset (its page, who made it, how to cite it) is given as settings.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ...foundation.config import Config
from ...foundation.files import write_atomically, write_json
from .card_page import CROISSANT, card_page
from .croissant import croissant
from .facts import gather

README = "README.md"
# What Croissant requires of a dataset, by the setting that states it.
REQUIRED = {"url": "url", "creators": "creator", "published": "datePublished"}


class CardConfig(Config):
    """What a shard set's own files cannot say of its dataset."""

    shards: Path = Field(description="the shard set; the card is written into it")
    description: str | None = Field(
        default=None, description="what the dataset is, in a few words; null: as its reader says"
    )
    url: str | None = Field(default=None, pattern="^https?://", description="the dataset's own page")
    creators: tuple[str, ...] = Field(default=(), description="who made the dataset, by name")
    published: datetime.date | None = Field(default=None, description="when, as YYYY-MM-DD")
    citation: str | None = Field(
        default=None, description="how its authors want it cited, best as BibTeX; null: as the reader says"
    )
    version: str | None = Field(
        default=None, pattern=r"^\d+(\.\d+){0,2}$", description="of the dataset, 1.0.0"
    )


@dataclass(frozen=True)
class CardReport:
    """What was written, and which settings would complete the Croissant file."""

    readme: Path
    croissant: Path
    missing: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The two paths, and what only the user can add."""
        lines = [str(self.readme), str(self.croissant)]
        if self.missing:
            given = " ".join(f"{key}=…" for key in self.missing)
            lines.append(f"Croissant requires what only you can say of the dataset: {given}")
        return "\n".join(lines)


def write_card(config: CardConfig) -> CardReport:
    """Write README.md and croissant.json into a shard set, over those that are there.

    Raises UserError: no finished shard set, or a damaged one.
    """
    facts = gather(config.shards, config.description)
    citation = config.citation or (facts.reader.citation if facts.reader else "")
    stated = {
        "url": config.url,
        "creator": [{"@type": "sc:Person", "name": name} for name in config.creators],
        "datePublished": config.published.isoformat() if config.published else None,
        "citeAs": citation,
        "version": config.version,
    }
    stated = {key: value for key, value in stated.items() if value}
    report = CardReport(
        readme=config.shards / README,
        croissant=config.shards / CROISSANT,
        missing=tuple(key for key, name in REQUIRED.items() if name not in stated),
    )
    write_json(report.croissant, croissant(facts, stated))
    with write_atomically(report.readme) as stream:
        stream.write(card_page(facts, stated).encode())
    return report
