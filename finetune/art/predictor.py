"""A SEVLM as `vemo predict` takes models: emotions of pictures, and with --explain a sentence for each."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets.taxonomy import label_space
from ...foundation.errors import UserError
from ..outcome import ABOUT
from .attention import attention_sheet, word_attention
from .explainer import Explainer, load_explainer

TEXT = "explanation"  # the column beside the head


class ArtPredictor:
    """Pictures in, rows out; see `predict.Predictor`, whose attributes these are.

    explain: whether sentences are written, which takes most of the time. emotion: of what; None: of the
    likeliest.
    """

    def __init__(
        self, explainer: Explainer, explain: bool, emotion: str | None, batch_size: int, device: torch.device
    ) -> None:
        self.explainer, self.explain, self.emotion = explainer, explain, emotion
        self.batch_size, self.device = batch_size, device
        explainer.task.to(device)
        self.image_size = explainer.look.size
        self.about: dict[str, Any] = {"person": "none"}
        self.note = ""
        space = label_space(explainer.space)
        self.heads: dict[str, dict[str, Any]] = {
            "emotion": {
                "kind": "distribution",
                "space": space.name,
                "version": space.version,
                "classes": explainer.emotions,
            }
        }
        if explain:
            self.heads[TEXT] = {"kind": "text", "space": None, "version": None, "classes": ("of", "text")}

    def view(self, image: Tensor) -> Tensor:
        """uint8 RGB [3, H, W] as the model sees it, [3, S, S]."""
        return self.explainer.look(lambda: image, {}, 0)["image"]

    def __call__(self, images: Sequence[Tensor]) -> dict[str, Any]:
        """Head → float64 [N, C] on the CPU; `explanation` → for each {"of": emotion, "text"}."""
        rows: list[dict[str, Any]] = []
        for start in range(0, len(images), self.batch_size):
            batch = torch.stack(list(images[start : start + self.batch_size])).to(self.device)
            rows += self.explainer(batch, self.emotion, write=self.explain)
        said = torch.tensor([list(row["distribution"].values()) for row in rows], dtype=torch.float64)
        found: dict[str, Any] = {"emotion": said.reshape(len(rows), len(self.explainer.emotions))}
        if self.explain:
            found[TEXT] = [{"of": row["emotion"], "text": row["explanation"]} for row in rows]
        return found

    @torch.no_grad()
    def attention(self, path: Path, picture: Tensor, said: dict[str, str]) -> Path:
        """Write where each word said of `picture`, uint8 [3, H, W], looked: see `attention_sheet`."""
        explainer = self.explainer
        shown = self.view(picture)
        seen = explainer.task.seen({"image": shown[None].to(self.device)})
        emotion = explainer.emotions.index(said["of"])
        words, maps = word_attention(explainer.task.model, seen, emotion, said["text"], explainer.reader)
        return attention_sheet(path, shown, said["of"], words, maps)


def art_predictor(config: Any) -> ArtPredictor | None:
    """The model that a `PredictConfig` names, if it is a SEVLM; None for another.

    Raises UserError: explanations are asked of another model, or what only --explain has without it.
    """
    folder = Path(config.checkpoint).expanduser()
    about = next((place / ABOUT for place in (folder, folder / "model") if (place / ABOUT).is_file()), None)
    kind = None
    if about is not None:
        try:
            kind = json.loads(about.read_bytes()).get("kind")
        except (ValueError, AttributeError):
            kind = None  # damaged: whoever loads it says so
    if kind != "art":
        if config.explain or config.emotion or config.attention:
            raise UserError(f"{config.checkpoint}: --explain needs a model that was trained with kind: art")
        return None
    if (config.emotion or config.attention) and not config.explain:
        raise UserError("--emotion and --attention need --explain: without it nothing is written")
    for name, value, none in (
        ("--annotate", config.annotate, None),
        ("--faces", config.faces or None, None),
        ("--precision", config.precision, "fp32"),
    ):
        if value != none:
            raise UserError(f"{name} is not for models of kind: art")
    from ..predict.loading import chosen_device

    explainer = load_explainer(folder, config.lexicon)
    if config.emotion is not None:
        explainer.check(config.emotion)
    return ArtPredictor(
        explainer, config.explain, config.emotion, config.batch_size, chosen_device(config.device)
    )


def attention_writer(predictor: Any, folder: Path) -> Callable[[Any, Sequence[Any]], None]:
    """What writes a frame's sheet into `folder`, NAME.png (NAME-FRAME.png of a video's frames; a number is
    added where two pictures have one name)."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()

    def write(frame: Any, rows: Sequence[Any]) -> None:
        for row in rows:
            if row.status != "ok":
                continue
            stem = re.sub(r"[^\w.-]+", "_", Path(frame.path).stem)
            stem = stem if frame.number is None else f"{stem}-{frame.number:06d}"
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name)
            predictor.attention(folder / f"{name}.png", frame.image, row.said[TEXT])

    return write
