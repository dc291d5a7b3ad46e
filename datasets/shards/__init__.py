"""Shard sets: build them, check them, count them.

Here a dataset's native layout (through a reader) becomes tars with records, an index, hashes and a
manifest. What reads them for training is `stream`; what knows a dataset's layout is `readers`. Nothing
here imports torch: it would cost every worker half a gigabyte.
"""

from .build import build
from .config import BuildConfig
from .images import probe_image, reencode
from .report import BuildReport
from .stats import stats
from .verify import VerifyReport, verify
from .worker import ShardReport, ShardSpec, build_shard

__all__ = [
    "BuildConfig",
    "BuildReport",
    "ShardReport",
    "ShardSpec",
    "VerifyReport",
    "build",
    "build_shard",
    "probe_image",
    "reencode",
    "stats",
    "verify",
]
