"""The authors' released weights: their names made ours, every part loaded whole or refused, a word on all.

A release of theirs is a folder of transformers' (`model.safetensors` or `pytorch_model.bin`: GPT-2 with
cross-attention, and the heads) and a `.tar` of torch's beside it, which holds the encoder of words' values
beside the state of their optimizer. The names are those that their code saves under; no file of theirs was at
hand, so it is tested on state dicts with these names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from ...zoo.release import read_tensors
from ...zoo.weight_files import read_torch
from .model import Sevlm

FILES = ("model.safetensors", "pytorch_model.bin")
VALUES = "emo_encoder_state_dict"  # in the .tar
TUNED = "encoder_state_dict"  # the same, of an image encoder that was tuned, too
# Causal masks, which older versions of transformers saved among the weights.
MASKS = re.compile(r"\.(attn|crossattention)\.(bias|masked_bias)$")
# Prefixes in the folder's file, the part of ours that they are, and its name there.
PARTS = (
    ("transformer.VAD_linear.", "fusion", ""),
    ("VAD_head.", "vad_head", ""),
    ("sim_mlp.pred.", "scorer", "layers."),
    ("transformer.", "decoder", ""),
)
LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
OF_LAYER = {
    "self_attention.query": "query",
    "self_attention.key": "key",
    "self_attention.value": "value",
    "norm1": "attention_norm",
    "norm2": "mlp_norm",
    "fc.0": "mlp.0",
    "fc.2": "mlp.3",
}
OF_ENCODER = {"pos_encoder.weight": "positions", "norm": "norm", "decoder": "unused"}


@dataclass
class Released:
    """What came of a release: parts → tensors loaded, what the file has and the model has no part for."""

    files: dict[str, str]  # name → sha256
    loaded: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {count} tensors" for part, count in self.loaded.items())
        rest = f"; in the files, unused: {', '.join(self.unused)}" if self.unused else ""
        return f"model.released: {parts}{rest}"

    @property
    def facts(self) -> dict[str, Any]:
        """For a release's JSON."""
        return {"files": self.files, "loaded": self.loaded, "unused": self.unused}


def load_released(model: Sevlm, folder: Path) -> Released:
    """The weights of a folder into `model`, in place; nothing is changed unless all of it fits.

    Raises UserError: files are missing or cannot be read, a part of the model is not whole in them or has
    other shapes, there is more of a part than the model has, the logits have a table of their own, the image
    encoder was tuned.
    """
    path, stats = _files(folder)
    given = dict(read_tensors(path) if path.suffix == ".safetensors" else read_torch(path))
    given = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    parts, unused = sorted_out(given)
    if not isinstance(model.project, nn.Identity):
        raise UserError(
            f"{folder}: the released decoder takes patches of its own width ({model.config.decoder.width}) "
            "as they are; this encoder's are of another (ViT-B/16 of CLIP has 768)"
        )
    if stats is not None:
        held = read_torch(stats)
        if not isinstance(held, Mapping) or VALUES not in held:
            raise UserError(f"{stats}: no {VALUES} in it")
        if held.get(TUNED):
            raise UserError(f"{stats}: its image encoder was tuned ({TUNED}), which is not read here")
        parts["emotion_encoder"] = encoder_names(held[VALUES])
    report = Released({each.name: sha256_of(each) for each in (path, stats) if each is not None})
    fitting: list[tuple[nn.Module, dict[str, Tensor]]] = []
    for name in ("decoder", "fusion", "vad_head", "scorer", "emotion_encoder"):
        module = getattr(model, name)
        if module is None:
            unused += [name] if name in parts else []
        else:
            fitting.append((module, _whole(folder, name, module, parts.get(name))))
            report.loaded[name] = len(parts[name])
    for module, tensors in fitting:
        module.load_state_dict(tensors)
    report.unused = unused
    return report


def sorted_out(given: Mapping[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """(part of ours → tensors under our names, names that are no part of it) of the folder's file.

    UserError where the logits' table is not the tokens' own, as ours is.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    unused = []
    for name, value in given.items():
        if name == "lm_head.weight" or MASKS.search(name):
            continue
        for prefix, part, ours in PARTS:
            if name.startswith(prefix):
                parts.setdefault(part, {})[ours + name.removeprefix(prefix)] = value
                break
        else:
            unused.append(name)
    head, table = given.get("lm_head.weight"), given.get("transformer.wte.weight")
    if head is not None and table is not None and not head.equal(table):
        raise UserError(
            "released weights: lm_head.weight is not the table of tokens (transformer.wte.weight)"
        )
    return parts, unused


def encoder_names(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of words' values under our names; a name that is not known stays as it is."""
    found = {}
    for name, value in given.items():
        front, _, last = name.rpartition(".")
        layer = LAYER.fullmatch(front)
        if name in OF_ENCODER:
            found[OF_ENCODER[name]] = value
        elif front in OF_ENCODER:
            found[f"{OF_ENCODER[front]}.{last}"] = value
        elif layer and layer[2] in OF_LAYER:
            found[f"layers.{layer[1]}.{OF_LAYER[layer[2]]}.{last}"] = value
        else:
            found[name] = value
    return found


def _files(folder: Path) -> tuple[Path, Path | None]:
    folder = folder.expanduser()
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise UserError(f"model.released={folder}: no {' or '.join(FILES)} there")
    stats = sorted(folder.glob("*.tar"))
    if len(stats) > 1:
        raise UserError(f"model.released={folder}: {len(stats)} .tar files; leave the one of these weights")
    return path, stats[0] if stats else None


def _whole(
    folder: Path, part: str, module: nn.Module, given: Mapping[str, Tensor] | None
) -> dict[str, Tensor]:
    """The tensors of a part, if they are all there, of the right shapes, and nothing else is."""
    if given is None:
        where = "the .tar beside the weights" if part == "emotion_encoder" else "the weights"
        raise UserError(f"model.released={folder}: no {part} in {where}, and the model has one")
    own = module.state_dict()
    missing, more = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if missing or more:
        what = f"has no {missing[0]}" if missing else f"has {more[0]}, which the model has not"
        raise UserError(f"model.released={folder}: {part} {what}; faithful: true builds the authors' model")
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise UserError(
                f"model.released={folder}: {part}.{name} is {list(given[name].shape)}, the model's is "
                f"{list(value.shape)}; the authors' has distilGPT-2's sizes and vocabulary.gpt2"
            )
    return dict(given)
