"""vemo: what an image makes a person feel, and what a face or a painting expresses.

The repository root is this package; each folder beside this file is one room of the
house (`vemo.datasets`, `vemo.training`, ...). `tests/test_house.py` says who may import whom.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .finetune.predict.api import load

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .finetune.predict.api import load  # with it comes torch, which `import vemo` should not wait for

    return load


__all__ = ["__version__", "load"]
