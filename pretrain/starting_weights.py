"""Which weights a run starts from: what `model.init` may say, and where those weights are found."""

import re
from dataclasses import dataclass
from pathlib import Path

import timm
from timm.data import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from timm.models import get_pretrained_cfg

from ..foundation.errors import UserError
from ..foundation.files import sha256_of
from ..zoo import load_encoder, read_release
from ..zoo.encoder import TIMM_SPEC
from ..zoo.release import DESCRIPTION_NAME
from ..zoo.trunk import SIZES, size_of
from ..zoo.weight_files import read_weight_file
from .fitting import IMAGENET, StartingWeights, Statistics, Weights, is_decoder, load_decoder, load_trunk
from .masked_autoencoder import MaskedAutoencoder, ModelConfig

NAMED = re.compile(r"(?P<name>mae|dbot|clip|timm:[^@]+)(?:@(?P<file>.+))?")
# What timm downloads for `mae` and `clip`, by size.
PUBLISHED = {
    "mae": {
        "base": "vit_base_patch16_224.mae",
        "large": "vit_large_patch16_224.mae",
        "huge": "vit_huge_patch14_224.mae",
    },
    "clip": {"base": "vit_base_patch16_clip_224.openai", "large": "vit_large_patch14_clip_224.openai"},
}
MAE_DECODER = (512, 16)  # width, heads


@dataclass
class Source:
    """Weights under timm's, MAE's or CLIP's names, and what is known of them."""

    tensors: Weights
    outside: tuple[str, ...] = ()  # names in the same file that are no part of the encoder
    statistics: Statistics | None = None  # of the pixels
    heads: int | None = None
    licence: str | None = None
    sha256: str | None = None


def initialise(model: MaskedAutoencoder, spec: str | None) -> StartingWeights:
    """Start `model` from the weights that `spec` (`ModelConfig.init`) names; returns what became of them.

    The encoder must be of the config's architecture, else UserError. Positions and patch projection are
    resampled to the model's by timm. MAE's decoder comes along where the file holds one of the same sizes.
    """
    if spec is None or spec == "none":
        return StartingWeights("none")
    source = _find(spec, model.config)
    report = StartingWeights(spec, licence=source.licence, sha256=source.sha256)
    _compare_heads(source, model.config, report)
    decoder = {name: value for name, value in source.tensors.items() if is_decoder(name)}
    encoder = {name: value for name, value in source.tensors.items() if name not in decoder}
    load_trunk(model.trunk, encoder, report, source.statistics)
    if any(name != "mask_token" for name in decoder):
        load_decoder(model, decoder, report)
    else:
        report.changes.append("no decoder in the file: ours stays as drawn")
        report.unused += decoder
    report.unused += source.outside
    return report


def _compare_heads(source: Source, config: ModelConfig, report: StartingWeights) -> None:
    """Shapes do not tell how attention is cut into heads: the source does, or the standard sizes must."""
    if source.heads not in (None, config.heads):
        raise UserError(
            f"model.init={report.spec}: not the encoder of this config: it has {source.heads} heads, "
            f"model.heads is {config.heads}"
        )
    standard = [
        (name, heads) for name, (*sides, heads) in SIZES.items() if sides == [config.width, config.depth]
    ]
    if source.heads is None and standard and standard[0][1] != config.heads:
        report.warnings.append(
            f"a file does not tell the number of heads; ViT-{standard[0][0]} has {standard[0][1]}, "
            f"model.heads is {config.heads}"
        )
    width, heads = MAE_DECODER
    if (
        "decoder_embed.weight" in source.tensors
        and config.decoder_width == width
        and config.decoder_heads != heads
    ):
        report.warnings.append(
            f"MAE's decoder has {heads} heads, model.decoder_heads is {config.decoder_heads}"
        )


def _find(spec: str, config: ModelConfig) -> Source:
    named = NAMED.fullmatch(spec)
    if named is None:
        return _path(Path(spec).expanduser(), spec)
    name, file = named["name"], Path(named["file"]).expanduser() if named["file"] else None
    if name.startswith("timm:"):
        return _timm(name, file, spec)
    if file is None:
        return _timm(f"timm:{_published(name, config)}", None, spec)
    source = _file(file, IMAGENET if name != "clip" else (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    if name == "mae":
        source.licence = _licence(PUBLISHED["mae"]["base"])
    return source


def _published(name: str, config: ModelConfig) -> str:
    if name == "dbot":
        raise UserError(
            "model.init=dbot: timm has no weights of dBOT; download a pre-trained model by the links in the "
            "README of github.com/liuxingbin/dbot (86.6_dbot_large_pre.pth for ViT-L) and say dbot@FILE"
        )
    size = size_of(config.width, config.depth, config.heads)
    if size not in PUBLISHED[name]:
        raise UserError(
            f"model.init={name}: there are weights for model.size {', '.join(PUBLISHED[name])}, and this "
            f"config is {size or 'of no standard size'}; give a file: {name}@FILE"
        )
    return PUBLISHED[name][size]


def _timm(name: str, file: Path | None, spec: str) -> Source:
    matched = TIMM_SPEC.fullmatch(name)
    if file is None or matched is None:
        encoder = load_encoder(name)  # says what is wrong with a name, and why a download failed
        statistics = (tuple(encoder.mean.flatten().tolist()), tuple(encoder.std.flatten().tolist()))
        blocks = getattr(encoder.model, "blocks", None)
        heads = getattr(getattr(blocks[0], "attn", None), "num_heads", None) if blocks else None
        licence = encoder.description["licence"]
        return Source(encoder.model.state_dict(), (), statistics, heads, licence)
    if not timm.is_model(matched["name"]):
        raise UserError(f"model.init={spec}: timm {timm.__version__} has no model {matched['name']}")
    facts = get_pretrained_cfg(matched["name"])
    source = _file(file, (facts.mean, facts.std) if facts else None)
    source.licence = facts.license if facts else None
    return source


def _licence(name: str) -> str | None:
    facts = get_pretrained_cfg(name)
    return facts.license if facts else None


def _path(path: Path, spec: str) -> Source:
    folder = path.parent if path.name == DESCRIPTION_NAME else path
    if folder.is_dir():
        about, tensors = read_release(folder)
        statistics = (about.preprocessing.mean, about.preprocessing.std)
        heads = about.architecture.arguments.get("num_heads")
        return Source(tensors, (), statistics, heads, about.licence, about.weights_sha256)
    if not path.exists():
        raise UserError(
            f"model.init={spec}: no such file or release folder, and none of the words none, mae, clip, dbot "
            "and timm:NAME (with @FILE where the weights are on disk)"
        )
    return _file(path, None)


def _file(path: Path, statistics: Statistics | None) -> Source:
    content = read_weight_file(path)
    if content.is_clip and statistics is None:
        statistics = (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    return Source(content.tensors, content.outside, statistics, sha256=sha256_of(path))
