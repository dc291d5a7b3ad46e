"""People at the data: a shard set in the FiftyOne App, and what they change there as an overlay.

Lives here: the private MongoDB, the cache of images, records as FiftyOne documents, the saved views, the App,
and the way back. Not here: what an overlay does to records (`datasets.stream`), and what makes a label
doubtful or a copy (`evaluation.audit`). Shards are never changed, and truth is shards and overlays: the
database can be thrown away once the edits are written. FiftyOne is imported late, and by its own server.
"""

from .config import CurateConfig
from .edits import EditsReport, write_edits
from .opening import open_app

__all__ = ["CurateConfig", "EditsReport", "open_app", "write_edits"]
