"""From a build's `root` to a reader: a folder as it is, a URL or an archive by way of a local copy."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...foundation.errors import UserError
from ..readers import Reader, make_reader
from ..remote import local_folder, read_if_there
from ..remote.places import is_url, is_web
from .layout import FAILURES, MANIFEST, SHARDS

# Beside the tars, what the reader of shard sets looks at where it is there.
_OPTIONAL = (FAILURES, "overrides.jsonl", "audit/duplicates.jsonl", "audit/elsewhere.jsonl")


def open_reader(
    config: Any, root: Path | str, mirror: Path | None = None, sha256: str | None = None
) -> Reader:
    """The reader of the dataset at `root`, made local first where it is not.

    Where the reader finds nothing at the top of an archive that holds a single folder, as archives do, it
    looks in there. UserError as `make_reader` and `local_folder`.
    """
    listing = None
    if is_url(root) and is_web(str(root)) and config.kind == "shards":
        listing = partial(_files_of_set, str(root), config.sidecars)
    folder = local_folder(root, mirror, sha256, listing)
    try:
        return make_reader(config, folder)
    except UserError:
        below = _only_folder(folder)
        if folder == root or below is None:
            raise
        return make_reader(config, below)


def _only_folder(folder: Path) -> Path | None:
    if not folder.is_dir():
        return None
    entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None


def _files_of_set(url: str, sidecars: Sequence[str]) -> dict[str, tuple[int | None, None]]:
    """What `list_tree` would say of a shard set on a web server: its own list says it."""
    from ..sidecars.layout import FOLDER, SIDECAR
    from ..stream.download import fetch_catalogue, fetch_sidecars

    catalogue = fetch_catalogue(url)
    names = [MANIFEST, SHARDS, *(name for name in _OPTIONAL if read_if_there(f"{url}/{name}") is not None)]
    sizes: dict[str, int | None] = dict.fromkeys(names)
    for entry in (entry for split in catalogue.splits for entry in catalogue.of(split)):
        sizes |= {f"{entry.name}.tar": entry.bytes, f"{entry.name}.index.npy": None}
    for sidecar in fetch_sidecars(url, sidecars, catalogue):
        folder = f"{FOLDER}/{sidecar.name}"
        sizes[f"{folder}/{SIDECAR}"] = None
        sizes |= {f"{folder}/{sidecar.file_of(shard)}": rows.bytes for shard, rows in sidecar.shards.items()}
    return {name: (size, None) for name, size in sizes.items()}
