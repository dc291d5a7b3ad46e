"""The real teacher: a CLIP that open_clip can build, with weights from a tag or a local file.

OpenAI's CLIP was trained with QuickGELU. Its tags bring that setting along and so do OpenAI's own files,
known by their sha256; for any other local file the model name says it (`ViT-B-32-quickgelu`), or the option.
"""

import difflib
import logging
import zipfile
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from safetensors import SafetensorError
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize as normalise

from ...foundation.errors import UserError
from ...foundation.files import sha256_of
from .options import TeacherOptions
from .teacher import Teacher

STAND_INS = (
    "`stand-in` (a small CLIP trained on the dataset's own sentences) or "
    "`pair:<image encoder>+<text encoder>` (two pretrained towers joined on them)"
)


class ClipTeacher(Teacher):
    """An open_clip model (CLIP, CustomTextCLIP, CoCa) with its tokenizer and its normalisation."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        description: dict[str, Any],
        mean: tuple[float, ...] = open_clip.OPENAI_DATASET_MEAN,
        std: tuple[float, ...] = open_clip.OPENAI_DATASET_STD,
        options: TeacherOptions,
    ):
        if options.normalisation == "imagenet":
            mean, std = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
        size = model.visual.image_size
        size = size if isinstance(size, int) else size[0]
        if options.precision == "bf16":
            model = model.to(torch.bfloat16)
        preprocessing = {
            "image_size": size,
            "mean": list(mean),
            "std": list(std),
            "normalisation": options.normalisation,
            "interpolation": "bicubic",
            "context_length": tokenizer.context_length,
            "precision": options.precision,
        }
        super().__init__(
            model,
            name=name,
            description={"name": name, **description, "preprocessing": preprocessing},
            width=_width_of(model, tokenizer),
            image_size=size,
            logit_scale=model.logit_scale.detach().float().exp().item(),
            remembered_sentences=options.remembered_sentences,
            compile=options.compile,
        )
        self.tokenizer = tokenizer
        self._mean, self._std = list(mean), list(std)

    def _image_features(self, images: Tensor) -> Tensor:
        weight = next(self.towers.parameters())
        images = normalise(images.float() / 255, self._mean, self._std)
        return self.towers.encode_image(images.to(weight.dtype))

    def _text_features(self, sentences: list[str]) -> Tensor:
        return self.towers.encode_text(self.tokenizer(sentences).to(self.device))


def load_open_clip(source: str, options: TeacherOptions, cache: Path) -> ClipTeacher:
    """`source` is `<model>/<tag or file>`, e.g. `ViT-B-16/openai` or `ViT-B-32/weights/ViT-B-32.pt`.

    A file may be safetensors, a torch file (read with weights_only), or one of OpenAI's own TorchScript
    archives, which is opened only when its sha256 is one that open_clip lists. Tags are downloaded through
    open_clip into `cache`/open_clip. Raises UserError for unknown names and for weights that cannot be had.
    """
    model_name, _, weights = source.partition("/")
    config = open_clip.get_model_config(model_name) if model_name and ":" not in model_name else None
    if config is None:
        near = difflib.get_close_matches(model_name, open_clip.list_models(), 3, 0.3)
        raise UserError(f"open_clip:{source}: open_clip has no model {model_name!r}; near: {', '.join(near)}")
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    file = Path(weights).expanduser()
    if weights and file.is_file():
        sha256 = sha256_of(file)
        origin = _known_origin(sha256)
    elif weights in tags:
        file = _download(model_name, weights, cache / "open_clip")
        sha256, origin = sha256_of(file), (model_name, weights)
    else:
        known = f"tags: {', '.join(tags)}" if tags else "this model has no tags, so give a file"
        raise UserError(f"open_clip:{source}: no file and no tag {weights!r} for {model_name}; {known}")

    facts = open_clip.get_pretrained_cfg(*origin) if origin else _common_facts(model_name, tags)
    quick_gelu = options.quick_gelu
    if quick_gelu is None:
        quick_gelu = bool(config.get("quick_gelu") or (origin and facts.get("quick_gelu")))
    try:
        model = _build(model_name, quick_gelu)
        tokenizer = open_clip.get_tokenizer(model_name)
    except (OSError, RuntimeError) as error:  # a Hugging Face text tower or tokenizer out of reach
        raise UserError(
            f"open_clip:{source}: {model_name} needs files from a hub ({_reason(error)}); use {STAND_INS}"
        ) from None
    _load_weights(model, file, sha256, verified=origin is not None, source=source)
    return ClipTeacher(
        model.eval(),
        tokenizer,
        name=f"open_clip {model_name} ({'/'.join(origin) if origin else file.name})",
        description={
            "kind": "open_clip",
            "model": model_name,
            "weights": weights if weights in tags else file.name,
            "weights_sha256": sha256,
            "recognised_as": "/".join(origin) if origin else None,
            "quick_gelu": quick_gelu,
        },
        mean=tuple(facts.get("mean", open_clip.OPENAI_DATASET_MEAN)),
        std=tuple(facts.get("std", open_clip.OPENAI_DATASET_STD)),
        options=options,
    )


def _width_of(model: Any, tokenizer: Any) -> int:
    with torch.no_grad():
        return model.encode_text(tokenizer(["a"])).shape[-1]


def _known_origin(sha256: str) -> tuple[str, str] | None:
    """(model, tag) of the published file with this sha256: the addresses of OpenAI's files contain theirs."""
    for model_name, tag in open_clip.list_pretrained():
        if sha256 in open_clip.get_pretrained_cfg(model_name, tag).get("url", ""):
            return model_name, tag
    return None


def _common_facts(model_name: str, tags: list[str]) -> dict[str, Any]:
    """Preprocessing for a file of unknown origin: that of the model's tags where all agree."""
    found = [open_clip.get_pretrained_cfg(model_name, tag) for tag in tags]
    keys = ("mean", "std")
    agreed = {tuple(tuple(facts.get(key) or ()) for key in keys) for facts in found}
    return {key: found[0][key] for key in keys if key in found[0]} if len(agreed) == 1 else {}


def _build(model_name: str, quick_gelu: bool) -> nn.Module:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # open_clip would warn that nothing was loaded: that comes next, strictly
    try:
        return open_clip.create_model(
            model_name, load_weights=False, force_quick_gelu=quick_gelu, pretrained_text=False
        )
    finally:
        root.setLevel(level)


def _load_weights(model: Any, file: Path, sha256: str, verified: bool, source: str) -> None:
    try:
        if _is_torchscript(file):
            if not verified:
                raise UserError(
                    f"{file}: a TorchScript archive holds code and is opened only when it is a file OpenAI "
                    f"published; its sha256 {sha256} is not known (damaged?); give safetensors"
                )
            state_dict = torch.jit.load(file, map_location="cpu").state_dict()
            # An archive also holds what is no weight: settings as tensors, and masks that are computed.
            computed = {key for key, _ in model.named_buffers()} - set(model.state_dict())
            for key in {"input_resolution", "context_length", "vocab_size", *computed}:
                state_dict.pop(key, None)
            model.load_state_dict(state_dict, strict=True)
        else:
            open_clip.load_checkpoint(model, str(file), strict=True, weights_only=True)
    except UserError:
        raise
    except (RuntimeError, ValueError, KeyError, AttributeError, TypeError, OSError, EOFError) as error:
        raise UserError(
            f"open_clip:{source}: {file.name} does not fit the model ({_reason(error)})"
        ) from None
    except SafetensorError as error:
        raise UserError(f"open_clip:{source}: {file.name} is damaged ({_reason(error)})") from None
    except Exception as error:  # pickle.UnpicklingError and its kin, whatever torch raises for a refusal
        if type(error).__name__ != "UnpicklingError":
            raise
        raise UserError(
            f"open_clip:{source}: {file.name} holds more than tensors and is not opened; give safetensors"
        ) from None


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _download(model_name: str, tag: str, cache: Path) -> Path:
    facts = open_clip.get_pretrained_cfg(model_name, tag)
    repository, _, filename = facts.get("hf_hub", "").rpartition("/")
    try:
        if repository:
            names = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", filename)
            for name in filter(None, names):
                if isinstance(found := try_to_load_from_cache(repository, name, cache_dir=cache), str):
                    return Path(found)
            # Fails at once without a network; open_clip itself would retry, loudly, for a minute.
            HfApi().model_info(repository, timeout=15)
        return Path(open_clip.download_pretrained(facts, cache_dir=str(cache)))
    except Exception as error:  # the hub client raises its own, httpx's, urllib's and plain RuntimeErrors
        raise UserError(
            f"open_clip:{model_name}/{tag}: the weights could not be downloaded ({_reason(error)}); "
            f"give a local file (open_clip:{model_name}/FILE.safetensors) or a stand-in: {STAND_INS}"
        ) from None


def _reason(error: BaseException) -> str:
    """What an exception says, on one line of bearable length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
