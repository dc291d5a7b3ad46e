"""transformers, and the tokenizers it brings: imported where they are used, asked for where they are missing.

Library: transformers (Apache-2.0) has GPT-2 with cross-attention and key-value caches; tokenizers
(Apache-2.0) trains and runs byte-level BPE.
"""

import os
from importlib import import_module
from typing import Any

from ...foundation.errors import UserError


def library(name: str, what: str = "kind: art", extra: str = "art") -> Any:
    """A module by its name. Raises UserError where it is missing: `what` needs it, vemo[`extra`] has it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader workers are forked
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"{what} needs the package {error.name}: pip install 'vemo[{extra}]'") from None
