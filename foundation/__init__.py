"""What every floor stands on: user errors, validated configs, atomic files, progress.

Knows nothing of images, emotions or models, and imports nothing from the floors above.
"""

from .config import Config
from .errors import UserError

__all__ = ["Config", "UserError"]
