"""Finds a file whose name is spelled otherwise on disk than in the table that names it.

Painters have accents. A table holds them composed (é, NFC) or decomposed (e and an accent, NFD); macOS writes
names decomposed; unzip without a UTF-8 locale writes them as `#U00e9` (`#L01f600` beyond four digits).
"""

import re
import unicodedata
from pathlib import Path, PurePosixPath

_ESCAPE = re.compile(r"#U([0-9a-fA-F]{4})|#L([0-9a-fA-F]{6})")


def plain(name: str) -> str:
    """The one form that all spellings of a name share: escapes resolved, composed (NFC)."""
    return unicodedata.normalize("NFC", _ESCAPE.sub(_character, name))


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2], 16)
    # Half of a surrogate pair, or no character at all: that was no escape.
    return escape[0] if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)


class FileNames:
    """The files below `root`, by any spelling of their names; each folder is listed once, when needed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[str, dict[str, str]] = {}

    def find(self, path: str) -> str | None:
        """The path, relative to the root, as it is spelled on disk; None where there is no such file.

        The very spelling comes first, then the composed one, then the others in alphabetical order. The case
        of the file extension does not matter. A path that leads out of the root is never looked for.
        """
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or ".." in parts:
            return None
        found = ""
        for part in parts:
            names = self._names(found)
            name = names.get(part, names.get(_key(part)))
            if name is None:
                return None
            found = f"{found}/{name}" if found else name
        return found

    def _names(self, folder: str) -> dict[str, str]:
        """Name on disk by itself and by its plain form."""
        if folder not in self._listings:
            try:
                there = sorted(path.name for path in (self.root / folder).iterdir())
            except OSError:
                there = []
            names = {name: name for name in there}
            for name in there:
                names.setdefault(_key(name), name)
            self._listings[folder] = names
        return self._listings[folder]


def _key(name: str) -> str:
    stem, dot, extension = plain(name).rpartition(".")
    return f"{stem}{dot}{extension.lower()}"
