"""`vemo checkpoints verify`: are a release's files those that were made, and do they still say the same?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..datasets.taxonomy import label_space
from ..foundation.errors import UserError
from .document import CARD, ReleaseDocument, read_document
from .download import RELEASE, fault_of, unreadable
from .models import ModelKind
from .places import WEIGHTS, cached
from .reference import check_reference
from .registry import Entry, ReleaseFile, find, read_registry


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    kind: Literal["good", "look", "bad"]
    text: str

    @property
    def ok(self) -> bool:
        """Whether this is no fault."""
        return self.kind != "bad"

    def __str__(self) -> str:
        return f"{self.kind:5} {self.text}"


def place_of(target: str, own: Path | None = None) -> tuple[Path, Entry | None]:
    """(folder, entry of the registry or None) of a release that is on this machine, by folder or by name.

    A name of the registry means that release, also where a folder is called so: that one is `./NAME`. Raises
    UserError: neither a folder nor a known name, or not downloaded yet.
    """
    folder = Path(target).expanduser()
    if folder.is_dir() and target not in read_registry(own):
        return folder, None
    if "/" in target:
        raise UserError(f"{target}: no such folder")
    entry = find(target, own)
    for place in (cached(entry), WEIGHTS / entry.name):
        if place.is_dir():
            return place, entry
    raise UserError(f"{target}: not on this machine yet; vemo checkpoints download {target}")


def verify(target: str, kinds: Sequence[ModelKind], own: Path | None = None) -> list[Finding]:
    """Everything that was looked at in a release, by name or folder. Faults are findings, not errors.

    Of a name the hashes are the registry's, of a folder those that its release.json states. Where a file is
    not the right one, nothing is loaded.

    Raises UserError: no such release.
    """
    folder, entry = place_of(target, own)
    try:
        document = read_document(folder)
    except UserError as fault:
        if entry is None and not (folder / RELEASE).is_file():
            raise
        return [Finding("bad", str(fault))]
    found = [*_files(folder, document, entry), *_label_spaces(document)]
    if all(each.ok for each in found):
        found += _outputs(folder, document, kinds)
    return found


def _files(folder: Path, document: ReleaseDocument, entry: Entry | None) -> Iterator[Finding]:
    files: tuple[ReleaseFile, ...] = entry.files if entry is not None else document.files
    faults = [fault_of(folder / file.path, file) for file in files]
    faults += [
        f"{folder / file.path}: {fault}"
        for file, before in zip(files, faults)
        if before is None and (fault := unreadable(folder / file.path))
    ]
    known = {file.path for file in files} | {RELEASE, CARD}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".onnx" and path.is_file() and name not in known:
            text = (
                f"{path}: not checked, as it is no part of the release (vemo checkpoints export writes one)"
            )
            yield Finding("look", text)
        elif path.is_symlink() or (path.is_file() and name not in known):
            faults.append(f"{path}: is no part of the release; what reads it by mistake may run code")
    if entry is not None and (document.name, document.kind) != (entry.name, entry.kind):
        faults.append(f"{folder / RELEASE}: is of {document.name} ({document.kind}), not of {entry.name}")
    faulty = [fault for fault in faults if fault]
    yield from (Finding("bad", fault) for fault in faulty)
    if not faulty:
        by = "the registry" if entry is not None else RELEASE
        yield Finding("good", f"{folder}: {len(files)} files, sha256 as {by} says")


def _label_spaces(document: ReleaseDocument) -> Iterator[Finding]:
    for name, head in document.heads.items():
        if head.space is None:
            continue
        try:
            space = label_space(head.space)
        except UserError as fault:
            yield Finding("bad", f"{name}: {fault}")
            continue
        same = space.version == head.version and space.names == head.classes
        text = f"{name}: label space {head.space}, version {head.version}, {len(head.classes)} classes"
        yield Finding(
            "good" if same else "bad",
            text if same else f"{text}: not those of this version of vemo, in their order",
        )


def _outputs(folder: Path, document: ReleaseDocument, kinds: Sequence[ModelKind]) -> Iterator[Finding]:
    model = next((each for each in kinds if each.name == document.kind), None)
    if model is None:
        raise UserError(f"{folder}: releases of kind {document.kind} cannot be run here")
    try:
        found, tolerance = check_reference(folder, model.load(folder))
    except UserError as fault:
        yield Finding("bad", str(fault))
        return
    for each in found:
        kind = "good" if each.value <= tolerance else "bad"
        yield Finding(kind, f"outputs {each}; {tolerance:g} is allowed")
