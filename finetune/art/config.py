"""Everything that defines a run of SEVLM: `vemo finetune CONFIG` with `kind: art`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ...datasets.stream import StreamConfig
from ...foundation.config import Config
from ...training import TrainerConfig
from .lexicon import LexiconConfig


class VocabularyConfig(Config):
    """Byte-level BPE: GPT-2's from files, or one trained on the answers of the train split."""

    gpt2: Path | None = Field(
        default=None,
        description="Folder with GPT-2's vocab.json and merges.txt (or encoder.json and vocab.bpe); their "
        "sha256 are checked. null: trained on the answers",
    )
    size: int = Field(default=8000, ge=300, description="Of a trained one: tokens, the special ones included")
    min_frequency: int = Field(default=2, ge=1, description="Of a pair that training joins")


class DecoderConfig(Config):
    """GPT-2 with cross-attention in every layer; the defaults are distilGPT-2's sizes."""

    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=12, ge=1)
    width: int = Field(default=768, ge=1)
    positions: int = Field(default=1024, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    weights: Path | None = Field(
        default=None,
        description="Safetensors of a GPT-2 of these sizes, such as distilGPT-2 (with vocabulary.gpt2); "
        "cross-attention is always drawn. null: all of it is",
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> "DecoderConfig":
        if self.width % self.heads:
            raise ValueError(f"width={self.width} cannot be divided among heads={self.heads}")
        return self


class VadConfig(Config):
    """Valence, arousal and dominance of words, read beside them and predicted."""

    lexicon: LexiconConfig
    weight: float = Field(default=1.0, ge=0, description="Factor of the loss on the next word's values")
    encoder: Literal["causal", "bidirectional"] = Field(
        default="causal",
        description="bidirectional: the paper's, 3 wide, which sees words that are still to be written",
    )
    level: Literal["word", "piece"] = Field(
        default="word", description="What is looked up: the word as far as it is written, or each BPE piece"
    )
    fusion: Literal["residual_zero", "concat_linear"] = Field(
        default="residual_zero",
        description="x + U e with U = 0 at first, or the paper's W [x; e] + b, drawn at random",
    )
    width: int = Field(default=64, ge=1, description="Of the causal encoder")
    layers: int = Field(default=2, ge=1, description="Of the causal encoder")
    heads: int = Field(default=4, ge=1, description="Of the causal encoder")
    lr_scale: float = Field(default=1.0, gt=0, description="Factor of its encoder's rate; paper: 2")


class ContrastiveConfig(Config):
    """Image, emotion and explanation that belong together score higher than with another explanation."""

    weight: float = Field(default=1.0, ge=0)
    source: Literal["text_only", "fused"] = Field(
        default="text_only",
        description="text_only: emotion and explanation are read without the image and without each other, "
        "so that neither tells what it belongs to (a second pass); fused: the decoder's own states",
    )
    score: Literal["cosine", "mlp"] = Field(
        default="cosine", description="How well they belong together; mlp: the paper's, five layers"
    )
    negatives: Literal["two", "batch"] = Field(
        default="two",
        description="two: the image's other explanation and that of another image; batch: all (InfoNCE)",
    )
    distinct: bool = Field(default=True, description="Explanations of the same emotion are no negatives")


class ModelConfig(Config):
    """SEVLM; without vad and contrastive (null) it is NLX-GPT, its baseline."""

    decoder: DecoderConfig = DecoderConfig()
    vad: VadConfig | None = None
    contrastive: ContrastiveConfig | None = ContrastiveConfig()
    max_length: int = Field(
        default=30, ge=12, description="Tokens; explanations are cut so that the end fits"
    )
    released: Path | None = Field(
        default=None,
        description="Folder with the authors' released weights, to start from; needs faithful: true",
    )
    boundary: Literal["mask", "fixed6"] = Field(
        default="mask", description="Where explanations begin: by each token, or at place 6 (paper)"
    )
    prompt_loss: bool = Field(default=False, description="Whether the prompt's own words are learnt (paper)")


class GenerationConfig(Config):
    """How sentences are written."""

    kind: Literal["greedy", "beam", "nucleus"] = "greedy"
    emotion: Literal["closed", "free"] = Field(
        default="closed",
        description="closed: the likeliest class, then why; free: what is written after the prompt (paper)",
    )
    tokens: int = Field(default=25, ge=1, description="At most so many")
    beams: int = Field(default=5, ge=1, description="beam: sentences kept at a time")
    length_penalty: float = Field(default=1.0, ge=0, description="beam: log p / length ** this is compared")
    top_p: float = Field(default=0.9, gt=0, le=1, description="nucleus: the likeliest tokens of so much mass")
    temperature: float = Field(default=1.0, gt=0, description="nucleus: logits are divided by it")
    seed: int = Field(default=0, description="nucleus")


class EvaluationConfig(Config):
    """On what sentences are written and scored."""

    shards: Path | None = Field(default=None, description="null: the run's own shard set")
    validation_split: str | None = Field(
        default="val", description="null: the groups that data.select.hold_out leaves out of training"
    )
    test_split: str | None = Field(default="test", description="null: nothing is measured at the end")
    batch_size: int = Field(default=32, ge=1)
    images: int | None = Field(
        default=500, ge=1, description="Of the validation split, evenly spaced; null: all. Test: always all"
    )
    generation: GenerationConfig = GenerationConfig()
    meteor: bool = Field(
        default=False, description="METEOR of the test split, too: Java, and pip install 'vemo[meteor]'"
    )

    @property
    def validation_name(self) -> str:
        """What the metrics of the validation samples begin with."""
        return self.validation_split or "hold_out"


# What the paper's code does; see docs/art.md for its defects that no switch brings back.
FAITHFUL: dict[str, Any] = {
    "images": "multi_emotion",
    "pixels": "paper",
    "model": {
        "boundary": "fixed6",
        "prompt_loss": True,
        "vad": {"encoder": "bidirectional", "level": "piece", "fusion": "concat_linear", "lr_scale": 2.0},
        "contrastive": {"source": "fused", "score": "mlp", "distinct": False},
    },
    "evaluation": {"generation": {"emotion": "free"}},
}


class ArtConfig(Config):
    """A run of SEVLM: `vemo finetune CONFIG`."""

    kind: Literal["art"] = "art"
    faithful: bool = Field(default=False, description="The paper's behaviour where nothing else is said")
    out: Path = Field(description="Run folder; rerunning with the same folder resumes")
    encoder: str = Field(description="A release folder, or timm:NAME[:IMAGE_SIZE][@FILE.safetensors]")
    random: bool = Field(default=False, description="The same encoder untrained, to compare with")
    image_size: int | None = Field(default=None, ge=8, description="null: the encoder's own")
    tuned: bool = Field(default=False, description="Whether the encoder is trained too")
    pixels: Literal["encoder", "paper"] = Field(
        default="encoder",
        description="encoder: the central square, its own mean and deviation; paper: the image squashed to a "
        "square, ImageNet's",
    )
    patches: str | None = Field(
        default=None,
        description="A sidecar of the shard set with the encoder's patches, made beforehand; null: images",
    )
    space: str = Field(default="artemis9", description="Label space of the answers' emotions")
    images: Literal["all", "multi_emotion"] = Field(
        default="all", description="multi_emotion: only images of which several emotions are said (paper)"
    )
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: ModelConfig = ModelConfig()
    data: StreamConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    training: TrainerConfig = TrainerConfig()
    licence: str | None = Field(
        default=None, description="Of the weights; null: the images' and the encoder's"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, given: Any) -> Any:
        wanted = isinstance(given, dict) and given.get("faithful") in (True, "true", "True")
        return _below(given, FAITHFUL) if wanted else given

    @model_validator(mode="after")
    def _patches_stay_as_they_are(self) -> "ArtConfig":
        if self.patches is not None and self.tuned:
            raise ValueError("patches were computed beforehand, so the encoder cannot be tuned: drop one")
        return self


def _below(given: Any, preset: Any) -> Any:
    """What is given, and where it is silent the preset; a section that is given as null stays null."""
    if not isinstance(given, dict) or not isinstance(preset, dict):
        return given
    return {**preset, **{key: _below(each, preset.get(key)) for key, each in given.items()}}
