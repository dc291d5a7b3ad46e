"""Evaluate one set in 1, 2 and 3 processes; `ranks.py OUT` leaves OUT/SIZE-RANK.json of each.

The processes are forked from one that has imported everything, because starting torch takes seconds.
"""

import json
import multiprocessing
import os
import socket
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from vemo.evaluation.metrics import (
    Predictions,
    confusion_matrix,
    fit_temperature,
    gather,
    multilabel_scores,
    negative_log_likelihood,
    reliability,
    scores,
)
from vemo.training import join_world, leave_world

SAMPLES = 23  # 2 and 3 processes have to pad
SIZES = (1, 2, 3)


def everything() -> Predictions:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SAMPLES, 4, generator=generator)
    return Predictions(torch.arange(SAMPLES), logits, torch.randint(4, (SAMPLES,), generator=generator))


def scored(found: Predictions) -> dict:
    """Scores that are no sums over samples, so that nothing but one computation over all gives them."""
    matrix = confusion_matrix(found.targets, found.predictions.argmax(1), 4)
    return {
        "samples": len(found.numbers),
        **{name: float(value) for name, value in scores(matrix).items()},
        "nll": float(negative_log_likelihood(found.targets, found.predictions).mean()),
        "temperature": asdict(fit_temperature(found.targets, found.predictions)),
        "reliability": asdict(reliability(found.targets, found.predictions, equal="mass")),
        "multilabel": asdict(
            multilabel_scores(torch.nn.functional.one_hot(found.targets, 4), found.predictions.sigmoid())
        ),
    }


def evaluate(rank: int, size: int, port: int, out: Path) -> None:
    """What a padding DistributedSampler deals out: every size-th sample, the first ones again at the end."""
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    world = join_world("cpu")
    dealt = [*range(SAMPLES), *range(-SAMPLES % size)]
    own = torch.tensor(dealt[rank::size]).flip(0)
    whole = everything()
    found = gather(world, own, whole.predictions[own], whole.targets[own], samples=SAMPLES)
    (out / f"{size}-{rank}.json").write_text(json.dumps({"dealt": len(own), **scored(found)}))
    nothing = torch.zeros(0, dtype=torch.int64) if rank else own  # a process that got no sample
    gather(world, nothing, whole.predictions[nothing], whole.targets[nothing])
    leave_world()


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    for size in SIZES:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        started = [
            fork.Process(target=evaluate, args=(r, size, port, Path(sys.argv[1]))) for r in range(size)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(120)
        if any(process.exitcode for process in started):
            sys.exit(f"{size} processes ended with {[process.exitcode for process in started]}")
