"""A training step that drops the masked 75 % of the tokens against the same step that keeps them all.

    python benchmarks/masked_step.py [--rounds 7]

ViT-Ti/16, a decoder of 2 blocks of width 96, forward, backward and AdamW in float32 on one thread. Both steps
run the same code on the same images: one encodes a quarter of the patches, the other all of them; both decode
every patch. CPU time, in alternation.
"""

import argparse
from collections.abc import Callable

import torch
from common import measure, write_result
from timm.version import __version__ as timm_version
from vemo.pretrain.masked_autoencoder import ModelConfig
from vemo.pretrain.objective import ObjectiveConfig
from vemo.pretrain.task import UniEmoX

CASES = {"224": 16, "112": 32}  # image size: batch size
STEPS = 3  # in a measurement
WANTED = 2.7


def make_step(image_size: int, batch_size: int, mask_ratio: float) -> Callable[[], None]:
    """A function that takes `STEPS` training steps."""
    torch.manual_seed(0)
    model = ModelConfig(
        image_size=image_size,
        width=192,
        heads=3,
        decoder_width=96,
        decoder_depth=2,
        decoder_heads=3,
        mask_ratio=mask_ratio,
    )
    task = UniEmoX(model, ObjectiveConfig(components=("reconstruction",)), None)
    trainable = [parameter for parameter in task.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4, fused=True)
    images = torch.randint(0, 256, (batch_size, 3, image_size, image_size), dtype=torch.uint8)
    batch = {"scene": images, "seed": torch.arange(batch_size)}

    def steps() -> None:
        for _ in range(STEPS):
            task(batch)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return steps


def main() -> None:
    """Measure every case, print and write docs/results/masked_step.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    cases = {}
    for size, batch_size in CASES.items():
        seconds = measure(
            {
                "dropping 75 %": make_step(int(size), batch_size, 0.75),
                "keeping all": make_step(int(size), batch_size, 0.0),
            },
            rounds,
        )
        images = STEPS * batch_size
        pairs = zip(seconds["keeping all"]["rounds"], seconds["dropping 75 %"]["rounds"])
        ratios = sorted(slow / quick for slow, quick in pairs)
        cases[f"ViT-Ti/16 at {size} px, batch {batch_size}"] = {
            "cpu_ms_per_image": {
                name: {part: round(1000 * found[part] / images, 3) for part in ("median", "min", "max")}
                for name, found in seconds.items()
            },
            "images_per_second_per_core": {
                name: round(images / found["median"], 1) for name, found in seconds.items()
            },
            "ratio": {"median": ratios[len(ratios) // 2], "min": ratios[0], "max": ratios[-1]},
        }
    payload = {
        "claim": f"dropping the masked tokens makes a 75 %-masked step at least {WANTED} times as fast",
        "threads": 1,
        "precision": "float32",
        "rounds": rounds,
        "timm": timm_version,
        "cases": cases,
        "holds": {name: case["ratio"]["median"] >= WANTED for name, case in cases.items()},
    }
    print(write_result("masked_step", payload))


if __name__ == "__main__":
    main()
