"""Sidecars: more columns for the samples of a shard set, without a copy of its images.

What a detector, a hash or a teacher says of every sample, in a file per shard beside the tars: their layout,
the resumable writer, the checks, and what makes persons, faces and hashes. Joining them to records is
`stream`'s business, through `reading`; teachers belong to `pretrain`, which writes theirs with this writer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .boxes import FacesConfig, PersonsConfig, write_faces, write_persons
    from .hashes import HashesConfig, write_hashes
    from .layout import Description, Maker, Sidecar
    from .writing import Part, SidecarReport, write_sidecar

# Fetched on first use: what is written here is read from shard sets, and those import `reading` from here.
_HOMES = {
    "boxes": ("FacesConfig", "PersonsConfig", "write_faces", "write_persons"),
    "hashes": ("HashesConfig", "write_hashes"),
    "layout": ("Description", "Maker", "Sidecar"),
    "writing": ("Part", "SidecarReport", "write_sidecar"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Description",
    "FacesConfig",
    "HashesConfig",
    "Maker",
    "Part",
    "PersonsConfig",
    "Sidecar",
    "SidecarReport",
    "write_faces",
    "write_hashes",
    "write_persons",
    "write_sidecar",
]
