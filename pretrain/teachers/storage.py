"""A fitted teacher on disk: a folder with its tensors and, written last, a JSON with their sha256."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn

from ...foundation.files import write_atomically, write_json

Fitted = tuple[dict[str, Tensor], dict[str, Any]]

TENSORS, FACTS = "teacher.safetensors", "teacher.json"


def save_fitted(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write `tensors`, then `facts`, into `folder`; interrupted anywhere, `read_fitted` finds nothing."""
    (folder / FACTS).unlink(missing_ok=True)
    payload = save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()})
    with write_atomically(folder / TENSORS) as stream:
        stream.write(payload)
    write_json(folder / FACTS, {**facts, "sha256": hashlib.sha256(payload).hexdigest()})


def read_fitted(folder: Path) -> Fitted | None:
    """What `save_fitted` wrote, or None where there is nothing whole (then it is to be fitted again)."""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        payload = (folder / TENSORS).read_bytes()
    except (OSError, ValueError):
        return None
    if hashlib.sha256(payload).hexdigest() != facts.pop("sha256", None):
        return None
    return load(payload), facts


def weights_sha256(module: nn.Module) -> str:
    """sha256 over names, types, shapes and values of every tensor in the module's state_dict."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(save({"": value.detach().cpu().contiguous().clone()}))
    return digest.hexdigest()
