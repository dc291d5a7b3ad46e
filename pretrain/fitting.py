"""Published weights made to fit: an encoder into our trunk, MAE's decoder into ours, a word on every tensor.

Names and sizes of other people's transformers are timm's business (`checkpoint_filter_fn`: CLIP's names, and
positions or patches of another size). Ours: whether it is the same architecture, what can be folded into the
weights so that nothing is lost, and MAE's decoder.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor

from ..foundation.errors import UserError
from ..zoo.trunk import sincos_positions
from .masked_autoencoder import MaskedAutoencoder

Weights = dict[str, Tensor]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation of RGB in [0, 1]

IMAGENET: Statistics = (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)  # what the student is fed
PATCHES, BIAS = "patch_embed.proj.weight", "patch_embed.proj.bias"
LAYER_SCALE = re.compile(r"(blocks\.\d+)\.(?:ls|gamma_)([12])(?:\.gamma)?")
# What a trunk cannot do without becoming another: the tensor that shows it, and what the published one does.
UNLIKE = {
    "norm_pre.weight": "normalises its tokens before the first block (model.variant=clip is such an encoder)",
    "reg_token": "has register tokens",
}


@dataclass
class StartingWeights:
    """What came of `model.init`: `str` for people, `facts` for a release's JSON.

    `loaded` counts the tensors taken, of how many, in encoder and decoder. `missing` stayed as drawn,
    `unused` are in the file only, `changes` were made on the way; `warnings` say why the encoder is not the
    published one until it has been trained.
    """

    spec: str
    loaded: dict[str, tuple[int, int]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    licence: str | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        counts = ", ".join(f"{part} {some} of {total} tensors" for part, (some, total) in self.loaded.items())
        lines = [f"model.init={self.spec}: {counts or 'all weights as drawn'}"]
        lines += [f"missing, kept as drawn: {listed(self.missing)}"] if self.missing else []
        lines += [f"in the file, unused: {listed(self.unused)}"] if self.unused else []
        lines += [*self.changes, *(f"warning: {warning}" for warning in self.warnings)]
        lines += [f"licence of these weights: {self.licence}"] if self.licence else []
        return "\n  ".join(lines)

    def facts(self) -> dict[str, Any]:
        """JSON-able; the names as in the text."""
        names = {"missing": listed(self.missing), "unused": listed(self.unused)}
        return {**self.__dict__, "loaded": {part: list(n) for part, n in self.loaded.items()}, **names}


def listed(names: list[str]) -> str:
    """Up to six names in full; more are counted by their first word: `transformer 148, ln_final 2`."""
    if len(names) <= 6:
        return ", ".join(names)
    return ", ".join(
        f"{word} {count}" for word, count in Counter(name.split(".")[0] for name in names).items()
    )


def load_trunk(
    trunk: Any, tensors: Weights, report: StartingWeights, statistics: Statistics | None = IMAGENET
) -> None:
    """Load an encoder under timm's, MAE's or CLIP's names into a timm VisionTransformer; fills `report`.

    `statistics` are those that the encoder's pixels were normalised by (None: unknown); the trunk will be fed
    ImageNet's. Raises UserError where a block or the patch projection lacks a tensor, has another shape, or
    holds a tensor that the trunk's has no place for.
    """
    mine, tensors = trunk.state_dict(), dict(tensors)
    if "register_tokens" in tensors:  # DINOv2's own name, at which timm would cut the positions
        tensors["reg_token"] = tensors.pop("register_tokens")
    if "pos_embed" in tensors:
        tensors["pos_embed"] = _with_class_position(tensors["pos_embed"], trunk.num_prefix_tokens, report)
    try:
        found = checkpoint_filter_fn(dict(tensors), trunk)
    except RuntimeError as error:  # positions or a patch projection that cannot be brought into shape
        raise UserError(f"model.init={report.spec}: not the encoder of this config ({error})") from None
    is_clip = "visual.class_embedding" in tensors
    dropped = (
        [] if is_clip else [name for name in tensors if name not in found]
    )  # by timm, such as pre_logits
    _fold_layer_scale(found, report)
    _refuse_misfits(mine, found, report.spec)
    _note_resampling(tensors, found, report)
    if BIAS in mine and BIAS not in found:
        found[BIAS] = torch.zeros(len(found[PATCHES]))
        report.changes.append("patch projection has no bias in the file: set to 0")
    _fold_normalisation(found, statistics, report)
    taken = {name: found[name] for name in mine if name in found}
    trunk.load_state_dict({**mine, **taken})
    if "pos_embed" in taken and not _is_sincos(trunk):
        report.changes.append("positions are the file's, not sin-cos of this grid; they stay fixed")
    report.warnings += [
        f"the published encoder {does}, this trunk does not: until trained it is another encoder"
        for name, does in UNLIKE.items()
        if name in found and name not in mine
    ]
    report.loaded["encoder"] = (len(taken), len(mine))
    report.missing += [name for name in mine if name not in taken]
    report.unused += [name for name in [*found, *dropped] if name not in mine]


def load_decoder(model: MaskedAutoencoder, tensors: Weights, report: StartingWeights) -> None:
    """Load a decoder under MAE's names, whole or, where its sizes are others, not at all; fills `report`.

    MAE predicts a patch as (row, column, channel), we as (channel, row, column): the head's rows are put in
    our order.
    """
    mine = {name: value for name, value in model.state_dict().items() if is_decoder(name)}
    found = {name.replace("decoder_pred.", "decoder_head."): value for name, value in tensors.items()}
    positions = found.pop("decoder_pos_embed", None)
    misfit = _misfit(mine, found)
    if misfit:
        report.unused += tensors
        report.changes.append(f"decoder stays as drawn: {misfit}")
        return
    size = model.config.patch_size
    for name in ("decoder_head.weight", "decoder_head.bias"):
        rows = found[name].unflatten(0, (size, size, 3))
        found[name] = rows.movedim(2, 0).flatten(0, 2)
    model.load_state_dict({**model.state_dict(), **found})
    report.loaded["decoder"] = (len(found), len(mine))
    if positions is not None and positions.shape != model.decoder_positions.shape:
        report.unused.append("decoder_pos_embed")
        report.changes.append("decoder positions are sin-cos of this grid")


def is_decoder(name: str) -> bool:
    return name == "mask_token" or name.startswith("decoder_")


def _misfit(mine: Weights, found: Weights) -> str | None:
    """The first difference between two sets of tensors, in words."""
    for name, value in mine.items():
        if name not in found:
            return f"the file has no {name.replace('decoder_head', 'decoder_pred')}"
        if found[name].shape != value.shape:
            return f"{name} is {list(found[name].shape)} in the file, {list(value.shape)} here"
    return next((f"the file's {name} has no place here" for name in found if name not in mine), None)


def _refuse_misfits(mine: Weights, found: Weights, spec: str) -> None:
    def is_needed(name: str) -> bool:
        return name.startswith("blocks.") or name == PATCHES

    misfits = [f"{name} is not in the file" for name in mine if is_needed(name) and name not in found]
    misfits += [
        f"{name} is {list(found[name].shape)} in the file, {list(mine[name].shape)} here"
        for name in mine
        if name in found and found[name].shape != mine[name].shape
    ]
    misfits += [f"{name} has no place here" for name in found if is_needed(name) and name not in mine]
    if misfits:
        more = f" (and {len(misfits) - 3} more)" if len(misfits) > 3 else ""
        raise UserError(f"model.init={spec}: not the encoder of this config: {'; '.join(misfits[:3])}{more}")


def _with_class_position(positions: Tensor, prefix: int, report: StartingWeights) -> Tensor:
    """`positions` [1, N, D] with a row for the class token; zeros, where only patches have positions."""
    count = positions.shape[1]
    if isqrt(count - prefix) ** 2 == count - prefix:
        return positions
    if isqrt(count) ** 2 == count:
        report.changes.append("class token without a position in the file: set to 0")
        return torch.cat([positions.new_zeros(1, prefix, positions.shape[2]), positions], dim=1)
    raise UserError(
        f"model.init={report.spec}: {count} positions are no square grid, with or without a class token"
    )


def _note_resampling(before: Weights, after: Weights, report: StartingWeights) -> None:
    old, new = before.get("pos_embed", before.get("visual.positional_embedding")), after.get("pos_embed")
    if old is not None and new is not None and old.shape[-2] != new.shape[-2]:
        sides = [isqrt(tensor.shape[-2] - 1) for tensor in (old, new)]
        report.changes.append("positions resampled {0}×{0} → {1}×{1}".format(*sides))
    old, new = before.get(PATCHES, before.get("visual.conv1.weight")), after[PATCHES]
    if old is not None and old.shape != new.shape:
        report.changes.append(f"patch projection resampled {old.shape[-1]} → {new.shape[-1]} pixels")


def _fold_layer_scale(found: Weights, report: StartingWeights) -> None:
    """Multiply each layer scale into the linear layer before it: the same function, one tensor less."""
    scales = [match for name in found if (match := LAYER_SCALE.fullmatch(name))]
    for match in scales:
        scale = found.pop(match[0])
        layer = f"{match[1]}.{'attn.proj' if match[2] == '1' else 'mlp.fc2'}"
        for name in (f"{layer}.weight", f"{layer}.bias"):
            if name in found:
                found[name] = (scale.double().view(-1, *[1] * (found[name].ndim - 1)) * found[name]).float()
    if scales:
        report.changes.append("layer scale folded into the layers before it")


def _fold_normalisation(found: Weights, statistics: Statistics | None, report: StartingWeights) -> None:
    """Let the patch projection undo ImageNet's normalisation and apply its own: the same tokens, exactly.

    With v in [0, 1]: (v − m)/s = x·s₀/s + (m₀ − m)/s, where x = (v − m₀)/s₀ is what the trunk is fed.
    """
    if statistics is None:
        report.changes.append("how the file's pixels were normalised is not known: taken for ImageNet's")
        return
    mean, std, ours_mean, ours_std = (
        torch.tensor(values, dtype=torch.float64) for values in (*statistics, *IMAGENET)
    )
    if torch.allclose(torch.cat([mean, std]), torch.cat([ours_mean, ours_std])):
        return
    kernel = found[PATCHES].double()
    shift = (kernel.sum(dim=(2, 3)) * ((ours_mean - mean) / std)).sum(dim=1)
    found[PATCHES] = (kernel * (ours_std / std).view(1, 3, 1, 1)).float()
    if BIAS in found:
        found[BIAS] = (found[BIAS] + shift).float()
    else:  # a trunk without that bias: every patch's position takes it
        positions = found["pos_embed"].double().clone()
        positions[:, 1:] += shift
        found["pos_embed"] = positions.float()
    shown = "/".join(f"{value:.3g}" for value in (mean.mean().item(), std.mean().item()))
    report.changes.append(
        f"pixels were normalised otherwise (mean/std {shown}): folded into the patch projection"
    )


def _is_sincos(trunk: Any) -> bool:
    rows, columns = trunk.patch_embed.grid_size
    table = sincos_positions(trunk.embed_dim, rows, columns, trunk.num_prefix_tokens)
    return torch.allclose(trunk.pos_embed.detach().cpu(), table, atol=1e-4)
