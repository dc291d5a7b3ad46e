"""Files behind URLs: read them, write them, mirror them to a local folder.

Here: the few things vemo does with `s3://`, `gs://`, `hf://`, `https://` and whatever else fsspec opens, a
download that survives broken connections, local copies of whole datasets, and archives unpacked. Not here:
what a shard set is (`shards`, `stream`) and what a dataset's files mean (`readers`, which only see folders).
"""

from .archives import is_archive, unpack
from .mirror import download, local_folder
from .places import (
    PathOrUrl,
    is_url,
    join,
    list_folder,
    path_or_url,
    read_many,
    read_ranges,
    remove,
    upload,
    write,
)
from .reading import RemoteFile, read, read_if_there

__all__ = [
    "PathOrUrl",
    "RemoteFile",
    "download",
    "is_archive",
    "is_url",
    "join",
    "list_folder",
    "local_folder",
    "path_or_url",
    "read",
    "read_if_there",
    "read_many",
    "read_ranges",
    "remove",
    "unpack",
    "upload",
    "write",
]
