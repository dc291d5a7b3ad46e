"""torch.hub: `torch.hub.load("OWNER/REPOSITORY", "load", NAME)` is `vemo.load(NAME)`."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

dependencies = ["torch", "torchvision", "timm", "numpy", "PIL", "safetensors", "pydantic", "yaml", "rich"]
_ROOT = Path(__file__).parent


def load(name_or_folder: str, **options: Any) -> Any:
    """A model by its name or folder; options as for `vemo.load` (device, dtype, batch_size, backend)."""
    before = list(sys.path)
    # torch.hub puts this folder on the path, where our `datasets` would stand in everybody's way.
    sys.path[:] = [place for place in before if not place or Path(place).resolve() != _ROOT.resolve()]
    try:
        return _vemo().load(name_or_folder, **options)
    finally:
        sys.path[:] = before


def _vemo() -> Any:
    """The package `vemo`: the one that is installed, else this folder."""
    if "vemo" not in sys.modules and importlib.util.find_spec("vemo") is None:
        spec = importlib.util.spec_from_file_location(
            "vemo", _ROOT / "__init__.py", submodule_search_locations=[str(_ROOT)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["vemo"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["vemo"])
    return importlib.import_module("vemo")
