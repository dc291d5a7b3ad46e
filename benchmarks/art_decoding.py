"""What writing and training cost at SEVLM's full size, beside the authors' way, on one thread.

    python benchmarks/art_decoding.py [--rounds 3] [--only decoding training memory]

decoding: 25 tokens, greedy, by our loop with kept keys and values, by our loop reading all anew, and as the
published code writes: for every token all of the sequence again, with the image's keys and values of every
layer, and words' values and logits of every place. (Their tagging of parts of speech comes on top and is left
out, which favours them.) All three write the same tokens. training: forward, backward and AdamW of a batch of
images with two answers each, with patches made beforehand and with a live ViT-B/16, frozen; CPU time, and
counted operations, which are what a device does that is busy computing.
memory: bytes that autograd keeps for 2 and 4 images, counted as it keeps them, and so, being linear, for 32;
with weights, gradients and AdamW's two averages. Weights are drawn: what they are changes no cost.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from common import measure, write_result
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from vemo.datasets.taxonomy import label_space
from vemo.finetune.art import decoding
from vemo.finetune.art.config import GenerationConfig, ModelConfig
from vemo.finetune.art.decoding import Writer, write
from vemo.finetune.art.lexicon import Lexicon
from vemo.finetune.art.model import Sevlm
from vemo.finetune.art.sequences import SequenceBuilder, WordReader
from vemo.finetune.art.vision import Vision
from vemo.finetune.art.vocabulary import Vocabulary, train_vocabulary
from vemo.zoo import load_encoder

TOKENS, PATCHES, WIDTH = 25, 196, 768
EMOTIONS = label_space("artemis9").names
TEXT = "the dark sky over the old house makes me feel that something bad is going to happen to them"
ASKED = {"decoding": 5.0, "training": 2.0, "memory_gb": 11.0}


class FullSize(Vocabulary):
    """A small vocabulary that claims the size of GPT-2's and SEVLM's four tokens: costs depend on that."""

    def __len__(self) -> int:
        return 50_261


def vocabulary() -> Vocabulary:
    small = train_vocabulary([(name, TEXT) for name in EMOTIONS] * 3, EMOTIONS, 600, 2)
    return FullSize(small.content, EMOTIONS)


def model_of(words: Vocabulary, **changes: Any) -> tuple[Sevlm, WordReader]:
    torch.manual_seed(0)
    reader = WordReader(words, Lexicon({"dark": (-0.5, 0.1, 0.1), "bad": (-0.7, 0.2, -0.2)}))
    given = {"vad": {"lexicon": {"path": "none"}}, **changes}
    return Sevlm(ModelConfig.model_validate(given), words, WIDTH), reader


@torch.no_grad()
def as_published(model: Sevlm, seen: Tensor, begin: Tensor, reader: WordReader) -> list[list[int]]:
    """Greedy, all anew for every token: states, the image's keys and values, logits of every place."""
    ids = begin
    for _ in range(TOKENS):
        writer = Writer(model, seen, reader, cached=False)
        values = writer._read(reader, ids)  # of the whole prefix
        explaining = (ids == model.vocabulary.because).cumsum(1) > 0
        logits = model.logits(model.states(model.embed(ids, explaining, values), seen)).float()
        ids = torch.cat([ids, logits[:, -1].argmax(1)[:, None]], dim=1)
    return ids[:, begin.shape[1] :].tolist()


def counted(calls: dict[str, Callable[[], Any]]) -> tuple[dict[str, Any], dict[str, int]]:
    """(what calls return, floating-point operations of their matrix products, backward included)."""
    returned, operations = {}, {}
    for name, call in calls.items():
        with FlopCounterMode(display=False) as counter:
            returned[name] = call()
        operations[name] = counter.get_total_flops()
    return returned, operations


def writing(rounds: int) -> dict[str, Any]:
    words = vocabulary()
    model, reader = model_of(words)
    model.eval()
    decoding._stops = lambda model, device: torch.tensor([-1])  # nothing ends early
    decoding._until = lambda tokens, stops: list(tokens)
    config, found = GenerationConfig(tokens=TOKENS), {}
    for count in (1, 4):
        seen = model.look(torch.randn(count, PATCHES, WIDTH)).detach()
        begin = torch.tensor([[words.end, *words.prompt, *words.labels[6], words.because]] * count)
        ways = {
            "kept": lambda seen=seen, begin=begin: write(model, seen, begin, reader, config),
            "anew": lambda seen=seen, begin=begin: write(model, seen, begin, reader, config, cached=False),
            "as_published": lambda seen=seen, begin=begin: as_published(model, seen, begin, reader),
        }
        said, operations = counted(ways)
        spent = measure(ways, rounds)
        found[f"{count} sentences"] = {
            "same_tokens": said["kept"] == said["anew"] == said["as_published"],
            "operations": operations,
            "operations_against_published": operations["as_published"] / operations["kept"],
            "cpu_seconds": spent,
            "against_published": spent["as_published"]["median"] / spent["kept"]["median"],
            "against_anew": spent["anew"]["median"] / spent["kept"]["median"],
        }
        print(count, found[f"{count} sentences"], flush=True)
    return found


def batch_of(words: Vocabulary, reader: WordReader | None, images: int, slots: int) -> dict[str, Tensor]:
    row = SequenceBuilder(words, reader, 30)(6, TEXT)
    batch = {key: torch.as_tensor(value).expand(images, slots, *value.shape) for key, value in row.items()}
    emotion = torch.tensor([6, 1][:slots]).expand(images, slots)
    return {**batch, "emotion": emotion, "there": torch.ones(images, slots, dtype=torch.bool)}


def training(rounds: int, images: int) -> dict[str, Any]:
    """SEVLM as it is here (a second pass for the contrast), as published (fused), NLX-GPT (one answer)."""
    words, found = vocabulary(), {}
    fused = {"contrastive": {"source": "fused"}}
    vision = Vision(load_encoder("timm:vit_base_patch16_clip_224", random=True)).eval()
    pixels = torch.randint(0, 256, (images, 3, 224, 224), dtype=torch.uint8)
    patches = vision(pixels)
    for name, changes, slots in (
        ("sevlm", {}, 2),
        ("sevlm, fused contrast", fused, 2),
        ("nlx_gpt", {"vad": None, "contrastive": None}, 1),
    ):
        model, reader = model_of(words, **changes)
        batch = batch_of(words, reader if model.vad_head is not None else None, images, slots)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step(seen: Any, model: Sevlm = model, batch: Any = batch, optimizer: Any = optimizer) -> None:
            model(seen(), batch)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()

        ways = {"patches": lambda step=step: step(lambda: patches)}
        ways["live"] = lambda step=step: step(lambda: vision(pixels))
        _, operations = counted(ways)
        spent = measure(ways, rounds)
        found[name] = {
            "operations": operations,
            "operations_live_over_patches": operations["live"] / operations["patches"],
            "cpu_seconds": spent,
            "live_over_patches": spent["live"]["median"] / spent["patches"]["median"],
        }
        print(name, found[name], flush=True)
    return {"images": images, "answers": 2, **found}


def kept_bytes(model: Sevlm, words: Vocabulary, reader: WordReader, images: int) -> int:
    """What autograd keeps of a forward pass, each storage once, weights not counted."""
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        parts = model(torch.randn(images, PATCHES, WIDTH), batch_of(words, reader, images, 2))
    assert parts["loss"].requires_grad
    return sum(storages.values())


def memory() -> dict[str, Any]:
    words = vocabulary()
    model, reader = model_of(words)
    one, two = (kept_bytes(model, words, reader, images) for images in (2, 4))
    weights = sum(each.numel() for each in model.parameters())
    encoder = 86_192_640  # CLIP's ViT-B/16, frozen: no gradient, no averages
    tokens = 64 * 30
    parts = {
        "weights, gradients, AdamW": 4 * 4 * weights,
        "frozen encoder": 4 * encoder,
        "kept for backward": one + (two - one) // 2 * 30,
        # While backward starts: the logits' gradient beside the logits (at most, of all places).
        "gradient of the logits": 4 * tokens * 50_261,
    }
    total = sum(parts.values())
    found = {name: round(value / 1e9, 3) for name, value in parts.items()}
    found |= {"total_gb": round(total / 1e9, 2), "images": 32, "answers": 2, "precision": "float32"}
    print(found, flush=True)
    return found


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2, help="of a training step")
    parts = ("memory", "decoding", "training")
    parser.add_argument("--only", nargs="+", default=parts, choices=parts)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"asked": ASKED, "tokens": TOKENS}
    if "memory" in arguments.only:
        found["memory"] = memory()
    if "decoding" in arguments.only:
        found["decoding"] = writing(arguments.rounds)
    if "training" in arguments.only:
        found["training"] = training(arguments.rounds, arguments.images)
    claim = "cached keys decode, precomputed patches train several times as fast; the full size fits 11 GB"
    print(write_result("art_decoding", {"claim": claim, **found}))


if __name__ == "__main__":
    main()
