"""`pair:<image encoder>+<text encoder>`: two frozen pretrained towers, joined by fitted projections.

For where CLIP cannot be had: the towers know images and language, the projections learn from the dataset's
own sentences which belong together. The space is as good as these sentences; measured retrieval on samples
kept aside stands in the description.
"""

from pathlib import Path
from typing import Any, cast

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from ...datasets.stream import ShardSet
from ...foundation.errors import UserError
from ...foundation.progress import Progress
from ...training import World
from ...zoo.encoder import Encoder, load_encoder
from .options import TeacherOptions
from .projections import Projections, fit_projections, number_of_group, numbers_of_sentences
from .reading import Sentence, cache_key, chosen, read_pairs
from .sentence_folder import HOW_TO_GET, SentenceFolder
from .storage import Fitted, read_fitted, save_fitted, weights_sha256
from .teacher import Teacher

FORMAT = 1  # part of the cache key: raise it when what is fitted changes


class PairTeacher(Teacher):
    """Image encoder, text encoder and their projections. Towers may be bf16, projections are float32."""

    def __init__(
        self,
        image_encoder: Encoder,
        text_encoder: SentenceFolder,
        projections: Projections,
        *,
        name: str,
        description: dict[str, Any],
        options: TeacherOptions,
    ):
        super().__init__(
            nn.ModuleDict({"image": image_encoder, "text": text_encoder, "projections": projections}),
            name=name,
            description=description,
            width=projections.image.linear.out_features,
            image_size=image_encoder.image_size,
            logit_scale=projections.log_scale.detach().exp().item(),
            remembered_sentences=options.remembered_sentences,
            compile=options.compile,
        )

    def _image_features(self, images: Tensor) -> Tensor:
        return self.towers["projections"].image(self.towers["image"](images).float())

    def _text_features(self, sentences: list[str]) -> Tensor:
        return self.towers["projections"].text(self.towers["text"](sentences).float())


def load_pair(
    source: str,
    options: TeacherOptions,
    shards: ShardSet | None,
    cache: Path,
    sentence: Sentence,
    world: World,
) -> PairTeacher:
    """`source` is `<image encoder>+<text encoder>`.

    The first is what `vemo.zoo.load_encoder` takes (`timm:vit_small_patch14_dinov2@FILE.safetensors`; a
    position embedding is resampled to `options.image_size`), the second a local folder of a
    sentence-transformers model. Features of the train split are computed once and kept, as are the fitted
    projections, in `cache`/pair-KEY. Raises UserError for what is missing.
    """
    image_spec, plus, text_spec = source.rpartition("+")
    if not (plus and image_spec and text_spec):
        raise UserError(
            f"pair:{source}: give pair:<image encoder>+<text encoder>, e.g. "
            f"pair:timm:vit_small_patch14_dinov2@FILE.safetensors+FOLDER; the text encoder is {HOW_TO_GET}"
        )
    if shards is None:
        raise UserError(f"pair:{source}: the two towers are joined on a shard set's sentences; give one")
    text_encoder = SentenceFolder(Path(text_spec).expanduser()).eval()
    image_encoder = load_encoder(image_spec, image_size=options.image_size).eval()
    _set_normalisation(image_encoder, options)
    preprocessing = {
        "image_size": image_encoder.image_size,
        "mean": image_encoder.mean.flatten().tolist(),
        "std": image_encoder.std.flatten().tolist(),
        "normalisation": options.normalisation,
        "interpolation": "bicubic",
        "context_length": text_encoder.context_length,
        "precision": options.precision,
    }
    image_name, text_name = image_encoder.description.get("name", image_spec), Path(text_spec).name
    name = (
        f"pair: {image_name} at {image_encoder.image_size} px + {text_name}, joined on this dataset; not CLIP"
    )
    if options.precision == "bf16":
        image_encoder.model.bfloat16()
        image_encoder.mean, image_encoder.std = image_encoder.mean.bfloat16(), image_encoder.std.bfloat16()
        text_encoder.bfloat16()
    facts = {
        "format": FORMAT,
        "image": weights_sha256(image_encoder),
        "text": text_encoder.fingerprint(),
        "preprocessing": preprocessing,
    }
    features_at = cache / f"pair-features-{cache_key(shards, sentence, facts)}"
    fitted_at = cache / f"pair-{cache_key(shards, sentence, {**facts, 'pair': options.pair.model_dump()})}"
    features, sentences = _features(features_at, shards, image_encoder, text_encoder, sentence, world)

    def fitted() -> Fitted:
        if (kept := read_fitted(fitted_at)) is not None:
            return kept
        projections, measured = fit_projections(**features, options=options.pair)
        save_fitted(fitted_at, projections.state_dict(), {"options": options.pair.model_dump(), **measured})
        return cast(Fitted, read_fitted(fitted_at))

    state_dict, measured = world.on_main(fitted)
    projections = Projections(image_encoder.width, text_encoder.width, options.pair.width)
    projections.load_state_dict(state_dict)
    teacher = PairTeacher(
        image_encoder,
        text_encoder,
        projections,
        name=name,
        description={"name": name, "kind": "pair", **facts, "fitted": measured},
        options=options,
    )
    with torch.no_grad():
        rows = dict(zip(sentences, features["texts"]))
        # One by one, as `encode_text` does on a CPU: the same to the last bit.
        projected = torch.cat([projections.text(row[None]) for row in rows.values()])
    teacher.remember(list(rows), projected)
    return teacher


def _features(
    folder: Path,
    shards: ShardSet,
    images: Encoder,
    texts: SentenceFolder,
    sentence: Sentence,
    world: World,
) -> tuple[dict[str, Tensor], list[str]]:
    """What `fit_projections` takes, and the sentences, from `folder` where an earlier run got that far.

    Each process computes its part.
    """
    kept = world.on_main(lambda: read_fitted(folder))
    if kept is None:
        indices = chosen(shards)
        ends = [len(indices) * rank // world.size for rank in (world.rank, world.rank + 1)]
        part = _part_of_features(shards, indices[slice(*ends)], images, texts, sentence, world)
        parts = world.gather(part)

        def save() -> Fitted:
            keys = ("images", "texts", "groups")
            features = {key: torch.cat([part[key] for part, _ in parts]) for key in keys}
            sentences = [text for _, part in parts for text in part]
            if len(sentences) < 2:
                raise UserError(f"{shards.folder}: fewer than two samples have a sentence to join a pair on")
            features["sentences"] = numbers_of_sentences(sentences)
            save_fitted(folder, features, {"sentences": sentences})
            return features, {"sentences": sentences}

        kept = world.on_main(save)
    features, facts = kept
    return features, facts["sentences"]


def _part_of_features(
    shards: ShardSet,
    indices: list[int],
    images: Encoder,
    texts: SentenceFolder,
    sentence: Sentence,
    world: World,
) -> tuple[dict[str, Tensor], list[str]]:
    image_rows = [torch.zeros(0, images.width)]
    text_rows = [torch.zeros(0, texts.width)]
    sentences: list[str] = []
    groups: list[int] = []
    for tower in (images, texts):
        tower.to(world.device)
    # One by one on a CPU, as `Teacher.encode_text` does, so that the rows are the same to the last bit.
    chunk = 1 if world.device.type == "cpu" else 64
    with Progress("teacher: features", len(indices), enabled=world.is_main) as progress, torch.no_grad():
        for pairs in read_pairs(shards, indices, images.image_size, sentence):
            image_rows.append(images(pairs.images.to(world.device)).float().cpu())
            for start in range(0, len(pairs.sentences), chunk):
                text_rows.append(texts(pairs.sentences[start : start + chunk]).float().cpu())
            sentences += pairs.sentences
            groups += [number_of_group(group) for group in pairs.groups]
            progress.update(len(pairs.groups))
    for tower in (images, texts):
        tower.cpu()
    features = {
        "images": torch.cat(image_rows),
        "texts": torch.cat(text_rows),
        "groups": torch.tensor(groups),
    }
    return features, sentences


def _set_normalisation(encoder: Encoder, options: TeacherOptions) -> None:
    if options.normalisation == "imagenet":
        encoder.mean = torch.tensor(IMAGENET_DEFAULT_MEAN).view(1, 3, 1, 1)
        encoder.std = torch.tensor(IMAGENET_DEFAULT_STD).view(1, 3, 1, 1)
