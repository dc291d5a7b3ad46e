"""Heads on an encoder as a task: one sample, one feature, a loss for every head."""

from typing import Any

import torch
from torch import Tensor, nn

from ..foundation.errors import UserError
from ..training.task import Task
from ..zoo.encoder import Encoder
from .emotion import ContextFusion, Head
from .fer import FeatureSqueeze, SqueezeConfig, squeeze_stages
from .lora import LoraConfig, add_adapters
from .mixing import MixingConfig, mix

LAST = 99999  # timm's mark for what belongs above all blocks


class FinetuneTask(Task):
    """An encoder, its heads and the mixing of samples.

    Args:
        encoder: its weights are trained as `train` says (see FinetuneConfig).
        heads: their losses, times `config.weight`, are added.
        fusion: joins a person's features with the scene's, of the same encoder; None: there is one image.
        lora: what is trained of the encoder with train=lora.
        squeeze: what stands between features and heads, which share it; None: nothing.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: dict[str, Head],
        mixing: MixingConfig | None = None,
        train: str = "all",
        fusion: ContextFusion | None = None,
        lora: LoraConfig | None = None,
        squeeze: SqueezeConfig | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.mixing, self.fusion = encoder, mixing, fusion
        self.heads: Any = nn.ModuleDict(heads)
        self.frozen = train == "heads"
        self.squeeze = None
        if squeeze is not None:
            self.squeeze = FeatureSqueeze(encoder.width if fusion is None else fusion.width, squeeze)
            if squeeze.position == "stages":
                squeeze_stages(encoder.model, squeeze.reduction)
        if train == "lora":
            add_adapters(encoder, lora or LoraConfig())
        else:
            _freeze(encoder.model, train)

    @property
    def views(self) -> tuple[str, ...]:
        """What of a batch the encoder sees."""
        return ("image",) if self.fusion is None else ("image", "person")

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """batch: as for `features`, and the targets of the heads. Returns a part for each head and `loss`,
        their weighted sum. Samples are mixed in training mode only, all views of a sample alike and with a
        sample that shows a person exactly if it does."""
        shown, soft = batch, None
        if self.mixing is not None and self.training:
            targets = [head.soft_targets(batch) for head in self.heads.values()]
            views = torch.cat([batch[name] for name in self.views], dim=1)
            alike = [] if self.fusion is None else [batch["has_person"]]
            views, mixed = mix(views, targets, self.mixing, training=True, alike=alike)
            soft = [target for target, _ in mixed]
            shown = {**batch, **dict(zip(self.views, views.split(3, dim=1)))}
        features = self.features(shown)
        parts = {
            name: head.loss(head(features), batch, soft[number] if soft else None)
            for number, (name, head) in enumerate(self.heads.items())
        }
        loss = torch.stack([self.heads[name].config.weight * part for name, part in parts.items()]).sum()
        return {"loss": loss, **parts}

    def features(self, batch: dict[str, Any]) -> Tensor:
        """image: uint8 [B, 3, S, S]; with a fusion also person, like it, and has_person, bool [B]. Returns
        [B, width]. The encoder sees all views of a batch in one pass."""
        images = torch.cat([batch[name] for name in self.views])
        if self.frozen:
            with torch.no_grad():
                features = self.encoder(images)
        else:
            features = self.encoder(images)
        if self.fusion is not None:
            scene, person = features.chunk(2)
            features = self.fusion(scene, person, batch["has_person"])
        return self.squeezed(features)

    def squeezed(self, features: Tensor) -> Tensor:
        """What the heads are given of features [B, width]."""
        return features if self.squeeze is None else self.squeeze(features)

    def outputs(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Head → what it says of a batch (see `features`), before `predict`."""
        features = self.features(batch)
        return {name: head(features) for name, head in self.heads.items()}

    def train(self, mode: bool = True) -> "FinetuneTask":
        """A frozen encoder stays in eval mode: its norms and its dropout belong to it."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """timm's, of the encoder below us, with what is ours on top: for layer-wise learning rates."""
        matcher = getattr(self.encoder.model, "group_matcher", None)
        if matcher is None:
            raise UserError("optimizer.layer_decay: timm knows no layers of this encoder; use null")
        found = matcher(coarse=coarse)
        below = {
            name: [(_prefixed(each[0]), *each[1:]) for each in patterns]
            if isinstance(patterns, list | tuple)
            else _prefixed(patterns)
            for name, patterns in found.items()
        }
        above = below["blocks"] if isinstance(below["blocks"], list) else [(below["blocks"], None)]
        return {**below, "blocks": [*above, (r"^(?:fusion|squeeze|heads)", (LAST + 1,))]}

    def no_weight_decay(self) -> set[str]:
        """timm's convention, of the encoder below us."""
        names = getattr(self.encoder.model, "no_weight_decay", lambda: set())()
        return {f"encoder.model.{name}" for name in names}


def _prefixed(pattern: str) -> str:
    """A pattern for names of the encoder's model as one for our names."""
    return "|".join(rf"^encoder\.model\.{part.removeprefix('^')}" for part in pattern.split("|"))


def _freeze(model: Any, train: str) -> None:
    if train == "all":
        return
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if train == "heads":
        return
    count = int(train.removeprefix("last-"))
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or count > len(blocks):
        held = f"{len(blocks)} blocks" if blocks is not None else "no blocks that timm names"
        raise UserError(f"train={train}: this encoder has {held}")
    for module in (
        *blocks[len(blocks) - count :],
        *(getattr(model, name, None) for name in ("norm", "fc_norm")),
    ):
        for parameter in module.parameters() if isinstance(module, nn.Module) else ():
            parameter.requires_grad_(True)
