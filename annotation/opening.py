"""`vemo curate open`: the shard set in the FiftyOne App, until Ctrl-C."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..foundation.errors import UserError
from .app import app_server, fiftyone
from .config import CurateConfig
from .database import database
from .load import IMPORT, find, load, note, noted, restore_media, touched_since
from .media import MediaCache
from .processes import sigterm_as_exit
from .subject import open_subject

GIGABYTE = 10**9


def say_now(text: str) -> None:
    """Print at once, into a pipe, too: whoever waits for the address has to see it."""
    print(text, flush=True)


def open_app(
    config: CurateConfig, *, rater: str = "", prune: bool = False, say: Callable[[str], None] = say_now
) -> None:
    """Load what is not loaded yet and run the App; returns when it is told to end (Ctrl-C, SIGTERM).

    rater: who sits there; edits that are made from now on bear that name. prune: first remove cached images
    that do not belong to this shard set. Raises UserError: no shard set, no FiftyOne, no MongoDB, a port in
    use, or edits that loading again would lose.
    """
    subject, media = open_subject(config), MediaCache(config.cache, int(config.media_limit * GIGABYTE))
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        sigterm_as_exit(),
        database(config.home / "database", config.database, alone=True) as uri,
        fiftyone(uri, config.home) as fo,
    ):
        for left in config.home.glob(f"{IMPORT}*"):  # of a load that was killed
            shutil.rmtree(left)
        dataset = find(fo, config.dataset)
        facts: dict[str, Any] = (noted(dataset) or {}) if dataset is not None else {}
        current = facts.get("fingerprint") == subject.fingerprint
        if dataset is not None and not current:
            refuse_to_lose_edits(fo, dataset, config)
        if prune:
            gone, freed = media.prune(set(dataset.values("filepath")) if dataset is not None else ())
            say(f"removed {gone:,} images of other shard sets, {freed / GIGABYTE:.2f} GB")
        if dataset is not None and current:
            restore_media(dataset, subject, media)
        else:
            dataset = load(fo, config, subject, media)
        sat = (noted(dataset) or {})["sittings"]
        note(dataset, sittings=[*sat, [rater.strip(), datetime.now(UTC)]])
        with app_server(config.port, config.home) as (address, server):
            say(
                f"{len(dataset):,} samples: {address}/datasets/{config.dataset}\n"
                "Ctrl-C ends it; edits are kept. `vemo curate edits CONFIG OUT` writes them down."
            )
            try:
                server.wait()
                raise UserError(f"the App has ended by itself; its log is {config.home / 'app.log'}")
            except KeyboardInterrupt:
                pass


def refuse_to_lose_edits(fo: Any, dataset: Any, config: CurateConfig) -> None:
    """UserError where samples were touched since they were loaded, or last written by `write_edits`."""
    facts = noted(dataset) or {}
    touched = touched_since(fo, dataset, facts["seen_until"]).count()
    deleted = facts["samples"] - len(dataset)
    if touched or deleted > 0:
        raise UserError(
            f"{config.dataset}: shards, edits, audit, predictions or settings are not what was loaded, but "
            f"{touched + max(deleted, 0):,} samples were touched since; write that down first (`vemo curate "
            f"edits CONFIG OUT`, with the old settings), or remove {config.home} to lose it"
        )
