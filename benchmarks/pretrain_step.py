"""What a pretraining step costs: a cached teacher against a live one, our masked step against MAE's own.

    python benchmarks/pretrain_step.py [--rounds 5] [--shards data/built-in-shards]

Forward, backward and AdamW in float32 on one thread, CPU time in alternation. The live teacher is a CLIP
ViT-B/16 with random weights (as dear as with trained ones), whose sentences are remembered in both cases:
what differs is its look at the image. MAE's published formulation, written here from its description, embeds
all patches by a convolution, drops the hidden ones by a gather and puts the mask tokens back by another; its
blocks are timm's. With `--shards` a ViT-S/16 at 224 px is trained by `vemo pretrain` for a few steps on all
cores, and its wait for data read from its log.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from common import measure, write_result
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from vemo.pretrain.masked_autoencoder import ModelConfig
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.task import UniEmoX
from vemo.pretrain.teachers import TeacherOptions
from vemo.pretrain.teachers.open_clip import ClipTeacher

TINY = ModelConfig(
    image_size=112, width=192, depth=12, heads=3, decoder_width=128, decoder_depth=2, decoder_heads=4
)
BASE = ModelConfig()
CASES: dict[str, tuple[ModelConfig, int, float]] = {  # model, batch, wanted
    "ViT-Ti/16 at 112 px": (TINY, 16, 6.0),
    "ViT-B/16 at 224 px": (BASE, 4, 1.25),
}
LOSSES = ("reconstruction", "similarity", "contrastive")


class Rows:
    """A cached teacher's side of a batch: rows that are there already."""

    def __init__(self, width: int) -> None:
        self.width = width

    def image_rows(self, batch: dict[str, Any]) -> Tensor:
        return batch["teacher_image"]

    def text_rows(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return batch["teacher_text"], torch.ones(len(batch["seed"]), dtype=torch.bool)


def live_teacher() -> ClipTeacher:
    """CLIP ViT-B/16, untrained."""
    model = open_clip.create_model("ViT-B-16", load_weights=False)
    tokenizer = open_clip.get_tokenizer("ViT-B-16")
    return ClipTeacher(model.eval(), tokenizer, name="random", description={}, options=TeacherOptions())


class PublishedMae(nn.Module):
    """MAE as its authors describe it (He et al. 2022, appendix A): dense embedding, noise, two gathers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.embed = nn.Conv2d(3, config.width, config.patch_size, config.patch_size)
        self.token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.places = nn.Parameter(torch.zeros(1, config.patches + 1, config.width), requires_grad=False)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_ratio, qkv_bias=True, norm_layer=norm)
            for _ in range(config.depth)
        )
        self.norm = norm(config.width)
        width = config.decoder_width
        self.decoder_embed = nn.Linear(config.width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_places = nn.Parameter(torch.zeros(1, config.patches + 1, width), requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            Block(width, config.decoder_heads, config.mlp_ratio, qkv_bias=True, norm_layer=norm)
            for _ in range(config.decoder_depth)
        )
        self.decoder_norm = norm(width)
        self.head = nn.Linear(width, 3 * config.patch_size**2)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        images = (batch["scene"].float() / 255 - self.mean) / self.std
        count, patches, kept = len(images), self.config.patches, self.config.kept
        tokens = self.embed(images).flatten(2).transpose(1, 2) + self.places[:, 1:]
        order = torch.rand(count, patches).argsort(dim=1)
        back = order.argsort(dim=1)
        tokens = tokens.gather(1, order[:, :kept, None].expand(-1, -1, tokens.shape[-1]))
        mask = torch.ones(count, patches).index_fill(1, torch.arange(kept), 0).gather(1, back)
        tokens = torch.cat([(self.token + self.places[:, :1]).expand(count, -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.decoder_embed(self.norm(tokens))
        hidden = self.mask_token.expand(count, patches - kept, -1)
        all_tokens = torch.cat([tokens[:, 1:], hidden], dim=1)
        all_tokens = all_tokens.gather(1, back[..., None].expand(-1, -1, tokens.shape[-1]))
        tokens = torch.cat([tokens[:, :1], all_tokens], dim=1) + self.decoder_places
        for block in self.decoder_blocks:
            tokens = block(tokens)
        predicted = self.head(self.decoder_norm(tokens))[:, 1:]
        side, size = self.config.image_size // self.config.patch_size, self.config.patch_size
        target = images.reshape(count, 3, side, size, side, size)
        target = torch.einsum("nchpwq->nhwpqc", target).reshape(count, patches, -1)
        loss = ((predicted - target).square().mean(dim=-1) * mask).sum() / mask.sum()
        return {"loss": loss}


def batch_of(config: ModelConfig, count: int) -> dict[str, Any]:
    """Noise, and rows of a teacher 512 wide."""
    size, generator = config.image_size, torch.Generator().manual_seed(0)
    return {
        "scene": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator),
        "seed": torch.arange(count),
        "sentence": [f"a picture that shows number {number}" for number in range(count)],
        "teacher_image": torch.randn(count, 512, generator=generator),
        "teacher_text": torch.randn(count, 512, generator=generator),
    }


def steps_of(task: nn.Module, batch: dict[str, Any], steps: int = 2) -> Callable[[], None]:
    """A function that takes a few training steps."""
    trainable = [parameter for parameter in task.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-5, fused=True)

    def run() -> None:
        for _ in range(steps):
            task(batch)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


def ratio(seconds: dict[str, dict[str, Any]], slow: str, quick: str, images: int) -> dict[str, Any]:
    """How many times as fast `quick` is: the median over rounds, and its range."""
    pairs = zip(seconds[slow]["rounds"], seconds[quick]["rounds"])
    ratios = sorted(one / other for one, other in pairs)
    return {
        "cpu_ms_per_image": {
            name: round(1000 * seconds[name]["median"] / images, 2) for name in (slow, quick)
        },
        "ratio": {
            "median": round(ratios[len(ratios) // 2], 3),
            "min": round(ratios[0], 3),
            "max": round(ratios[-1], 3),
        },
    }


def teachers(rounds: int) -> dict[str, Any]:
    """A step with a cached teacher against one with a live teacher."""
    live, found = live_teacher(), {}
    objective = ObjectiveConfig(components=LOSSES)
    for name, (config, count, wanted) in CASES.items():
        batch = batch_of(config, count)
        tasks = {"live": UniEmoX(config, objective, live), "cached": UniEmoX(config, objective, Rows(512))}  # pyright: ignore
        seconds = measure({kind: steps_of(task, batch) for kind, task in tasks.items()}, rounds)
        found[f"{name}, batch {count}"] = {"wanted": wanted, **ratio(seconds, "live", "cached", 2 * count)}
    return found


def published(rounds: int) -> dict[str, Any]:
    """Our masked step against MAE's published formulation, reconstruction alone, eager and compiled."""
    found = {}
    for name, (config, count, _) in CASES.items():
        for mode in ("eager", "compiled"):
            batch = batch_of(config, count)
            ours = UniEmoX(config, ObjectiveConfig(components=("reconstruction",)), None)
            tasks: dict[str, nn.Module] = {"published": PublishedMae(config), "ours": ours}
            if mode == "compiled":
                for task in tasks.values():
                    task.compile()
            seconds = measure({kind: steps_of(task, batch) for kind, task in tasks.items()}, rounds)
            key = f"{name}, batch {count}, {mode}"
            found[key] = {"wanted": 1.0, **ratio(seconds, "published", "ours", 2 * count)}
    return found


def data_wait(shards: str) -> dict[str, Any]:
    """The share of its time that `vemo pretrain` waits for data: ViT-S/16 at 224 px, reconstruction alone."""
    with tempfile.TemporaryDirectory() as scratch:
        model = "{image_size: 224, patch_size: 16, width: 384, depth: 12, heads: 6, decoder_width: 256, "
        model += "decoder_depth: 4}"
        given = [f"out={scratch}/run", f"data.shards={Path(shards).resolve()}", "data.workers=1"]
        given += [f"model={model}"]
        given += ["objective.components=[reconstruction]", "view.person_view=none", "training.epochs=1"]
        given += ["training.batch_size=32", "training.log_every=5", "training.precision=fp32"]
        given += ["probe=null", "training.checkpoint_every=1000000"]
        command = [str(Path(sys.executable).with_name("vemo")), "pretrain"]
        config = Path(__file__).parent.parent / "configs" / "pretrain" / "tiny.yaml"
        process = subprocess.Popen([*command, str(config), *given], cwd=scratch, stderr=subprocess.DEVNULL)
        log = Path(scratch) / "run" / "metrics.jsonl"
        try:
            while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < 6):
                time.sleep(1)
        finally:
            process.terminate()
            process.wait()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    waits = sorted(line["data_wait"] for line in lines[1:])  # the first holds the start of the workers
    speeds = sorted(line["images_per_second"] for line in lines[1:])
    return {
        "wanted": "< 0.05",
        "data_wait": [round(value, 4) for value in waits],
        "images_per_second": round(speeds[len(speeds) // 2], 1),
    }


def main() -> None:
    """Measure, print and write docs/results/pretrain_step.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards")
    given = parser.parse_args()
    wait = data_wait(given.shards) if given.shards else None
    torch.manual_seed(0)
    torch.set_num_threads(1)
    payload = {
        "claim": "a cached teacher makes a step several times as fast; our masked step is as fast as MAE's",
        "threads": 1,
        "precision": "float32",
        "rounds": given.rounds,
        "cached teacher over live": teachers(given.rounds),
        "ours over the published MAE": published(given.rounds),
        "wait for data, ViT-S/16 at 224 px": wait,
    }
    print(write_result("pretrain_step", payload))


if __name__ == "__main__":
    main()
