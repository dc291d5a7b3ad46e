"""What every teacher is: a frozen pair of towers that puts images and sentences into one space."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.transforms.v2.functional import InterpolationMode, center_crop, resize

from .storage import weights_sha256

Method = TypeVar("Method", bound=Callable[..., Any])


def _eager(method: Method) -> Method:
    """Without gradients, and eager where the student is compiled (typed, which torch's own are not)."""
    return cast(Method, torch.compiler.disable(torch.no_grad()(method)))


class Teacher(nn.Module):
    """A frozen image encoder and text encoder with a common space (paper §3: CLIP; here one of three kinds).

    The towers are kept out of the module tree on purpose: a student that holds a teacher as an attribute
    neither saves it in its state_dict, nor hands its parameters to an optimizer, DDP, FSDP or an average
    of weights. `teacher.to(device)` still moves them, and a deep copy shares them.

    Subclasses give `_image_features` (uint8 [B, 3, S, S] on the device, S = image_size) and `_text_features`
    (one list of sentences), both to [B, width] of any length and dtype.

    Attributes:
        name: what this teacher is, in words.
        description: the same as JSON-able facts (weights, preprocessing, how it was fitted, how well).
        width: D, the width of the common space.
        image_size: the side S to which `encode_image` brings images, in pixels.
        logit_scale: the factor s on cosines (the exponential is already taken; 100 in OpenAI's CLIP).
    """

    def __init__(
        self,
        towers: nn.Module,
        *,
        name: str,
        description: dict[str, Any],
        width: int,
        image_size: int,
        logit_scale: float,
        remembered_sentences: int,
        compile: bool = False,
    ):
        super().__init__()
        self.towers: Any  # an nn.Module, with what its subclass knows of it
        # Written past nn.Module.__setattr__, which would register the towers.
        self.__dict__["towers"] = towers.eval().requires_grad_(False)
        self.name = name
        self.description = description
        self.width = width
        self.image_size = image_size
        self.logit_scale = logit_scale
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()
        self._remember_at_most = remembered_sentences
        self._seen = torch.compile(self._image_features) if compile else self._image_features

    def image_rows(self, batch: dict[str, Any]) -> Tensor:
        """float32 [B, width], rows of length 1: what the teacher makes of a batch's scenes."""
        return self.encode_image(batch["scene"])

    def text_rows(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(float32 [T, width], rows of length 1, of those samples that say something; bool [B], which)."""
        sentences = batch["sentence"]
        said = torch.tensor([bool(sentence) for sentence in sentences], device=self.device)
        return self.encode_text([sentence for sentence in sentences if sentence]), said

    @_eager
    def encode_image(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] → float32 [B, width], rows of length 1.

        Other sizes are resized (shorter side, bicubic, antialiased) and centre-cropped to `image_size`.
        Autocast is switched off inside: weights are cast instead (`precision`), because open_clip under
        bf16 autocast on a CPU is slower than float32. Raises TypeError for images that are not uint8.
        """
        if images.dtype != torch.uint8:
            raise TypeError(f"a teacher takes uint8 images, got {images.dtype}")
        images = images.to(self.device)
        if images.shape[-2:] != (self.image_size, self.image_size):
            images = resize(images, [self.image_size], InterpolationMode.BICUBIC, antialias=True)
            images = center_crop(images, [self.image_size, self.image_size])
        with torch.autocast(self.device.type, enabled=False):
            # Cheaper than no_grad; what leaves is made outside, because autograd saves no inference tensors.
            with torch.inference_mode():
                features = self._seen(images)
            return normalize(features.float(), dim=-1)

    @_eager
    def encode_text(self, sentences: list[str]) -> Tensor:
        """N sentences → float32 [N, width] on the teacher's device, rows of length 1.

        Sentences are cut at the context length, keeping their start. Rows are remembered, up to the
        `remembered_sentences` most recent. On a CPU each new sentence is encoded by itself, so that its row
        does not depend, in the last bit, on its neighbours: a resumed run equals an unbroken one.
        """
        if not sentences:
            return torch.zeros(0, self.width, device=self.device)
        new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._remembered]
        known = {
            sentence: self._remembered[sentence] for sentence in sentences if sentence in self._remembered
        }
        chunk = 1 if self.device.type == "cpu" else 256
        with torch.autocast(self.device.type, enabled=False):
            for start in range(0, len(new), chunk):
                part = new[start : start + chunk]
                with torch.inference_mode():
                    features = self._text_features(part)
                known.update(zip(part, normalize(features.float(), dim=-1)))
        self._remember(known)
        return torch.stack([known[sentence] for sentence in sentences])

    def remember(self, sentences: list[str], features: Tensor) -> None:
        """Take `features` [N, width], of any length, for what `_text_features` gives for the sentences."""
        rows = normalize(features.float().to(self.device), dim=-1)
        self._remember(dict(zip(sentences, rows)))

    def _remember(self, rows: dict[str, Tensor]) -> None:
        for sentence, row in rows.items():
            # clone: a row must not keep the batch alive that it is a view of
            self._remembered[sentence] = row.clone() if sentence not in self._remembered else row
            self._remembered.move_to_end(sentence)
        while len(self._remembered) > self._remember_at_most:
            self._remembered.popitem(last=False)

    def _image_features(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def _text_features(self, sentences: list[str]) -> Tensor:
        raise NotImplementedError

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over every weight and buffer and over the description of the preprocessing."""
        facts = {"image_size": self.image_size, "preprocessing": self.description.get("preprocessing")}
        text = json.dumps(facts, sort_keys=True) + weights_sha256(self.towers)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def device(self) -> torch.device:
        return next(self.towers.parameters()).device

    def _apply(self, fn: Any, recurse: bool = True) -> "Teacher":
        """`to`, `cuda`, `cpu` of a student reach the towers; a change of dtype does not (`precision`)."""
        super()._apply(fn, recurse)
        self.towers.to(fn(torch.empty(0, device=self.device)).device)
        self._remembered.clear()
        return self

    def train(self, mode: bool = True) -> "Teacher":
        """Stays in eval mode whatever the student does."""
        return super().train(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Teacher":
        """Frozen, so a copy would be equal for ever: hand out the same one (an average of weights copies)."""
        return self

    def extra_repr(self) -> str:
        return f"{self.name}; width {self.width}, {self.image_size} px"
