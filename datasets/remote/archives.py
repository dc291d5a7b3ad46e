"""Archives unpacked: whole or not at all, and nothing outside the folder they are meant for."""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ...foundation.errors import UserError
from ...foundation.files import PART_SUFFIX
from .places import reason

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError)


def is_archive(name: str) -> bool:
    """Whether a file of this name is one that `unpack` takes."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive` as `folder`, by way of `folder.part`.

    Raises UserError for a damaged or encrypted archive, for names that lead elsewhere (absolute, `..`), links
    out of the folder (in a zip: any link) and whatever is neither file nor folder.
    """
    part = folder.with_name(folder.name + PART_SUFFIX)
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        (_unpack_zip if archive.name.lower().endswith(".zip") else _unpack_tar)(archive, part)
    except (tarfile.FilterError, *_DAMAGED) as error:
        state = "refused to unpack" if isinstance(error, tarfile.FilterError) else "damaged"
        shutil.rmtree(part, ignore_errors=True)
        raise UserError(f"{archive}: {state}: {type(error).__name__}: {reason(error)}") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.replace(folder)


def leads_out(name: str) -> bool:
    """Whether a name that came from elsewhere would lead out of the folder it is put into."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\0" in name


def _unpack_tar(archive: Path, folder: Path) -> None:
    def inside(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        if leads_out(member.name):
            raise _escape(archive, member.name)
        return tarfile.data_filter(member, destination)

    if not hasattr(tarfile, "data_filter"):
        raise UserError(f"{archive}: unpacking it safely needs Python 3.11.4 or later; or unpack it yourself")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter=inside)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        for member in members:
            if leads_out(member.filename):
                raise _escape(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise UserError(f"{archive}: refused to unpack: {member.filename!r} is a link")
            if member.flag_bits & 1:
                raise UserError(f"{archive}: is encrypted; unpack it yourself and give the folder as root")
        try:
            source.extractall(folder, members)
        except NotImplementedError as error:  # a compression that Python does not know
            raise UserError(f"{archive}: {error}; unpack it yourself and give the folder as root") from None


def _escape(archive: Path, name: str) -> UserError:
    return UserError(f"{archive}: refused to unpack: {name!r} would lie outside the folder")
