"""Where a release's files may lie: the repository's own folder, mirrors by URL, and the cache."""

import hashlib
import json
import os
import re
import sys
from pathlib import Path

from ..foundation.errors import UserError
from .registry import Entry

WEIGHTS = Path(__file__).parent / "weights"
OFFLINE = ("VEMO_OFFLINE", "HF_HUB_OFFLINE")
HUB = re.compile(
    r"hf://(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?:@(?P<middle>[^/@]+))?/(?P<file>[^@]+)(?:@(?P<end>[^@]+))?"
)


def is_offline() -> bool:
    """Whether VEMO_OFFLINE or HF_HUB_OFFLINE forbids the network."""
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in OFFLINE)


def cache_folder() -> Path:
    """VEMO_CACHE, or `vemo` in the platform's folder for caches; absolute."""
    if given := os.environ.get("VEMO_CACHE"):
        return Path(given).expanduser().absolute()
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return (base / "vemo").absolute()


def cached(entry: Entry) -> Path:
    """The folder of a release in the cache: another one for other files, whatever they are called."""
    files = sorted((file.path, file.sha256) for file in entry.files)
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
    return cache_folder() / "checkpoints" / f"{entry.name}-{digest}"


def sources(entry: Entry, path: str) -> list[tuple[str, str | None]]:
    """(URL, token or None) of a file of a release, in the order to try them; offline only those on this
    machine."""
    found: list[tuple[str, str | None]] = []
    if (WEIGHTS / entry.name / path).is_file():
        found.append(((WEIGHTS / entry.name / path).as_uri(), None))
    for mirror in entry.mirrors:
        url = mirror.replace("{path}", path) if "{path}" in mirror else f"{mirror.rstrip('/')}/{path}"
        if url.startswith("file://") or not is_offline():
            found.append(on_hub(url) if url.startswith("hf://") else (url, None))
    return found


def on_hub(url: str) -> tuple[str, str | None]:
    """(web address, token) of hf://OWNER/NAME/FILE[@REVISION], also written hf://OWNER/NAME[@REVISION]/FILE.

    The hub's address (HF_ENDPOINT) and the token (HF_TOKEN, or the one that `hf auth login` kept) are
    huggingface_hub's to find. Raises UserError for other forms.
    """
    from huggingface_hub import get_token, hf_hub_url

    match = HUB.fullmatch(url)
    if match is None or (match["middle"] and match["end"]):
        raise UserError(f"{url}: must be hf://OWNER/NAME/FILE, with @REVISION at its end if any")
    found = hf_hub_url(
        f"{match['owner']}/{match['name']}",
        match["file"],
        revision=match["middle"] or match["end"],
        endpoint=os.environ.get("HF_ENDPOINT"),
    )
    return found, get_token()
