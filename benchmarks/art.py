"""SEVLM against NLX-GPT (the same model, its switches off) and a head without words, on three datasets.

    python benchmarks/art.py --encoder SPEC [--weights FILE] --lexicon FILE [--archives FOLDER]
        [--out runs/art] [--datasets synthetic wikiart stamps] [--models sevlm nlx_gpt head] [--seeds 1 2 3]
        [--report-only]

Data are built, and cells trained, once: run again, it goes on where it stopped; what is there is reported.
synthetic: paintings and answers that are drawn here. wikiart, stamps: from wikiart_emotions.tar.gz and
stamps.tar.gz in `--archives`. SPEC: a release folder, or timm:NAME:SIZE with its weights' FILE; the encoder
is frozen and its patches are computed once. FILE: NRC-VAD or a table like it.

A step of SEVLM teaches two answers of an image, one of NLX-GPT teaches one: NLX-GPT gets twice the epochs, so
that both are taught as many sentences. The head is a linear distribution over emotions on the mean patch; it
is convex and sees all samples at every step, so its seeds are one. Intervals: 95 %, of the mean over seeds,
when test images are drawn anew; the deviation between seeds stands beside them.
"""

import argparse
import csv
import hashlib
import json
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import cpu_seconds, write_result
from torch import Tensor
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.datasets.taxonomy import label_space
from vemo.evaluation.bootstrap import difference_of, interval_of
from vemo.evaluation.captions import cider_d, learn_emotions, rouge_l, words
from vemo.evaluation.features import group_of
from vemo.evaluation.linear import LinearConfig, linear_probe
from vemo.evaluation.predictions import Predictions, load_predictions, save_predictions
from vemo.evaluation.scoring import flat_scores
from vemo.finetune.art.answers import answers_of
from vemo.finetune.art.config import ArtConfig
from vemo.finetune.art.patches import PatchesConfig, write_patches
from vemo.finetune.art.run import finetune_art
from vemo.foundation.config import load_config
from vemo.foundation.files import write_json

CONFIGS = Path(__file__).parent.parent / "configs"
SPACES = {"synthetic": "artemis9", "wikiart": "wikiart20", "stamps": "artemis9"}
SAYS = {
    "synthetic": "drawn paintings; explanations need picture and emotion, by construction",
    "wikiart": "real paintings, real emotions; sentences are made by template from style, title and emotions",
    "stamps": "real captions of single things; no emotions: all are 'something else'",
}
OF_EMOTIONS = ("emotion_kl", "accuracy_strong", "alignment")
OF_WORDS = ("cider_d", "rouge_l")


def prepared(name: str, arguments: argparse.Namespace) -> Path:
    """The shard set of a dataset, with the encoder's patches; built where it is not there yet."""
    data, shards = arguments.out / "data" / name, arguments.out / "data" / f"{name}-shards"
    if name == "synthetic":
        synthesize(SynthesizeConfig(out=data, layout="artemis", images=arguments.images))
        reader: Any = {"kind": "artemis"}
    elif name == "wikiart":
        data = unpacked(arguments.archives / "wikiart_emotions.tar.gz", data, "annotations.csv")
        reader = {"kind": "wikiart_emotions", "templates": 10}
    else:
        data, reader = stamps(arguments.archives / "stamps.tar.gz", data), STAMPS
    print(build(BuildConfig(root=data, out=shards, reader=reader, workers=0)).summary, flush=True)
    write_patches(PatchesConfig(shards=shards, encoder=arguments.encoder, batch_size=16))
    return shards


STAMPS = {
    "kind": "table",
    "dataset": "stamps",
    "table": "answers.csv",
    "columns": {"path": "path", "captions": [{"text": "caption", "emotion": "emotion"}]},
}


def stamps(archive: Path, folder: Path) -> Path:
    """The archive unpacked, with an emotion beside every caption: none was asked for, so "something else"."""
    root = unpacked(archive, folder, "captions.csv")
    with (root / "captions.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    with (root / "answers.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "caption", "emotion"])
        table.writerows([line["path"], line["caption"], "something else"] for line in lines)
    return root


def unpacked(archive: Path, folder: Path, table: str) -> Path:
    """Where the archive's table lies once it is unpacked."""
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return next(folder.rglob(table)).parent


def train(name: str, model: str, seed: int, shards: Path, arguments: argparse.Namespace) -> None:
    """One cell, if it is not finished."""
    out = cell_of(arguments.out, name, model, seed)
    if (out / "cell.json").exists():
        return
    before, started = cpu_seconds(), time.monotonic()
    if model == "head":
        save_predictions(out / "predictions" / "emotion-test.safetensors", head(shards, SPACES[name], seed))
    else:
        finetune_art(cell_config(name, model, seed, shards, arguments))
    spent = {"cpu_seconds": round(cpu_seconds() - before, 1), "seconds": round(time.monotonic() - started, 1)}
    write_json(out / "cell.json", spent)
    print(name, model, seed, spent, flush=True)


def cell_config(name: str, model: str, seed: int, shards: Path, arguments: argparse.Namespace) -> ArtConfig:
    path, out = CONFIGS / "finetune" / f"art_{name}.yaml", cell_of(arguments.out, name, model, seed)
    given = [f"out={out}", f"data.shards={shards}", f"encoder={arguments.encoder}", f"training.seed={seed}"]
    given += ["training.device=cpu", *arguments.set]
    lexicon = f"model.vad.lexicon.path={arguments.lexicon}"
    config = load_config(ArtConfig, path, [*given, lexicon])
    if model == "nlx_gpt":
        epochs = f"training.epochs={2 * config.training.epochs}"
        config = load_config(ArtConfig, path, [*given, "model.vad=null", "model.contrastive=null", epochs])
    return config


def cell_of(out: Path, name: str, model: str, seed: int) -> Path:
    return out / "cells" / name / model / f"seed-{seed}"


def head(shards: Path, space: str, seed: int) -> Predictions:
    """A distribution over emotions from the mean patch, fitted to people's shares; no words anywhere."""
    parts = {}
    for split in ("train", "val", "test"):
        records = list(people(shards, split, space, ("patches",)))
        features = np.stack([record["patches"].astype(np.float32).mean(0) for record, _ in records])
        parts[split] = records, torch.from_numpy(features), shares_of(records, space)
    groups = torch.arange(len(parts["train"][0]))
    found = linear_probe(
        *parts["train"][1:], groups, parts["test"][1], LinearConfig(), parts["val"][1:], seed, "distribution"
    )
    records = [record for record, _ in parts["test"][0]]
    ids, of = tuple(record["id"] for record in records), tuple(group_of(record) for record in records)
    return Predictions(
        "distribution", space, label_space(space).names, ids, of, found.outputs, parts["test"][2]
    )


def people(
    shards: Path, split: str, space: str, sidecars: tuple[str, ...] = ()
) -> Iterator[tuple[Any, list[tuple[int, str]]]]:
    """(record, people's answers) of every image that has any."""
    held, emotions = ShardSet(shards, sidecars=sidecars), label_space(space).names
    for place in range(held.count(split)):
        record = held.record(split, place)
        if answers := answers_of(record, emotions):
            yield record, answers


def shares_of(records: list[tuple[Any, list[tuple[int, str]]]], space: str) -> Tensor:
    found = torch.zeros(len(records), len(label_space(space)))
    for row, (_, answers) in enumerate(records):
        for emotion, _ in answers:
            found[row, emotion] += 1 / len(answers)
    return found


class Scores:
    """What can be computed of any subset of a dataset's test images: score → statistic of one cell."""

    def __init__(self, name: str, shards: Path) -> None:
        space = SPACES[name]
        self.test = list(people(shards, "test", space))
        self.shares = shares_of(self.test, space).double()
        self.strong = self.shares.max(1).values > 0.5
        self.groups = torch.tensor([hash_of(group_of(record)) for record, _ in self.test])
        train = list(people(shards, "train", space))
        taught = [answer for _, answers in train for answer in answers]
        self.commonest = shares_of(train, space).double().mean(0)
        self.felt = name != "stamps"
        self.reader = None
        if self.felt:
            classes = len(label_space(space))
            self.reader = learn_emotions([text for _, text in taught], [e for e, _ in taught], classes)

    def without_looking(self) -> dict[str, float]:
        """What saying the train split's mean distribution of every image reaches."""
        entropy = torch.where(self.shares > 0, self.shares * self.shares.clamp(min=1e-12).log(), 0)
        far = (entropy - self.shares * self.commonest.clamp(min=1e-12).log()).sum(1).mean()
        right = (self.shares.argmax(1) == self.commonest.argmax())[self.strong].double().mean()
        return {"emotion_kl": float(far), "accuracy_strong": float(right)}

    def of(self, cell: Path) -> dict[str, tuple[Tensor, Tensor]]:
        """score → (value of each image, whether it counts), each [N]."""
        said = load_predictions(cell / "predictions" / "emotion-test.safetensors")
        assert list(said.ids) == [record["id"] for record, _ in self.test]
        every, found = torch.ones(len(self.test), dtype=torch.bool), {}
        top = self.shares.argmax(1)
        if self.felt:
            log_p = said.outputs.double().log_softmax(1)
            entropy = torch.where(self.shares > 0, self.shares * self.shares.clamp(min=1e-12).log(), 0)
            found["emotion_kl"] = ((entropy - self.shares * log_p).sum(1), every)
            found["accuracy_strong"] = ((log_p.argmax(1) == top).double(), self.strong)
        told = cell / "explanations.jsonl"
        if told.exists():
            lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
            texts = [line["explanation"] for line in lines]
            sentences = [words(text) for text in texts]
            references = [[words(text) for _, text in answers] for _, answers in self.test]
            found["cider_d"] = (torch.tensor(cider_d(sentences, references), dtype=torch.float64), every)
            found["rouge_l"] = (torch.tensor(rouge_l(sentences, references), dtype=torch.float64), every)
            if self.reader is not None:
                found["alignment"] = ((self.reader(texts).argmax(1) == top).double(), self.strong)
        return found


def hash_of(group: str) -> int:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:7])


def mean_over(cells: list[tuple[Tensor, Tensor]]) -> Callable[[Tensor], float]:
    """The mean over seeds of the mean over the images that count, of a subset of images."""
    values, counts = torch.stack([value for value, _ in cells]).mean(0), cells[0][1].double()

    def statistic(rows: Tensor) -> float:
        return float((values[rows] * counts[rows]).sum() / counts[rows].sum().clamp(min=1))

    return statistic


def report(name: str, shards: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The table of a dataset: of each model what its seeds reached, and SEVLM less the others."""
    scores, found = Scores(name, shards), {}
    cells: dict[str, list[dict[str, tuple[Tensor, Tensor]]]] = {}
    for model in ("sevlm", "nlx_gpt", "head"):
        folders = [cell_of(arguments.out, name, model, seed) for seed in arguments.seeds]
        there = [folder for folder in folders if (folder / "cell.json").exists()]
        if not there:
            reason = "no emotions to predict" if name == "stamps" and model == "head" else "not trained yet"
            found[model] = {"absent": reason}
            continue
        cells[model] = [scores.of(folder) for folder in there]
        found[model] = {"seeds": [int(folder.name.partition("-")[2]) for folder in there]}
        found[model]["cpu_seconds"] = [
            json.loads((f / "cell.json").read_text())["cpu_seconds"] for f in there
        ]
        for score in cells[model][0]:
            each = [cell[score] for cell in cells[model]]
            inside = interval_of(mean_over(each), len(scores.test), scores.groups)
            alone = [mean_over([one])(torch.arange(len(scores.test))) for one in each]
            found[model][score] = {
                "mean": inside.value, "low": inside.low, "high": inside.high, "each": alone,
                "deviation": statistics.stdev(alone) if len(alone) > 1 else None,
            }  # fmt: skip
        reports = [folder / "report.json" for folder in there if (folder / "report.json").exists()]
        told = [json.loads(path.read_text())["scores"]["art"] for path in reports]
        for score in ("bleu_1", "bleu_4", "unique", "words", "alignment_people"):
            each = [one[score] for one in told if score in one]
            found[model] |= {score: {"mean": statistics.fmean(each), "each": each}} if each else {}
        if name != "stamps" and model == "head":
            said = load_predictions(there[0] / "predictions" / "emotion-test.safetensors")
            found[model]["distribution"] = flat_scores(said)
        elif told and scores.felt:
            names = [score for score in told[0] if score.startswith("emotion_")]
            found[model]["distribution"] = {
                score.removeprefix("emotion_"): statistics.fmean(one[score] for one in told)
                for score in names
            }
    differences = {}
    for other in ("nlx_gpt", "head"):
        if "sevlm" not in cells or other not in cells:
            continue
        common = [
            score
            for score in (*OF_EMOTIONS, *OF_WORDS)
            if score in cells["sevlm"][0].keys() & cells[other][0]
        ]
        for score in common:
            first, second = (mean_over([cell[score] for cell in cells[m]]) for m in ("sevlm", other))
            gap = difference_of(first, second, len(scores.test), scores.groups)
            differences[f"sevlm - {other}: {score}"] = {
                "value": gap.value, "low": gap.low, "high": gap.high, "p": gap.p
            }  # fmt: skip
    counts = {split: ShardSet(shards).count(split) for split in ("train", "val", "test")}
    return {
        "says": SAYS[name],
        "images": counts,
        "strong": int(scores.strong.sum()) if scores.felt else None,
        "without_looking": scores.without_looking() if scores.felt else None,
        "models": found,
        "differences": differences,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True, metavar="SPEC")
    parser.add_argument("--weights", metavar="FILE", help="safetensors of a timm encoder")
    parser.add_argument("--lexicon", required=True, type=Path, metavar="FILE")
    parser.add_argument("--archives", type=Path, default=Path("shared/data"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/art"))
    parser.add_argument("--datasets", nargs="+", default=list(SPACES), choices=list(SPACES))
    parser.add_argument("--models", nargs="+", default=["head", "sevlm", "nlx_gpt"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--images", type=int, default=1500, help="drawn paintings")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of every trained cell")
    parser.add_argument("--report-only", action="store_true", help="train nothing more")
    arguments = parser.parse_args()
    if arguments.weights is not None:
        arguments.encoder = f"{arguments.encoder}@{arguments.weights}"
    torch.set_num_threads(1)
    found = {}
    for name in arguments.datasets:
        shards = prepared(name, arguments)
        for seed in arguments.seeds:
            for model in arguments.models:
                if not arguments.report_only and not (name == "stamps" and model == "head"):
                    train(name, model, seed, shards, arguments)
        found[name] = report(name, shards, arguments)
    print(write_result("art", {"claim": __doc__.splitlines()[0], "datasets": found, "set": arguments.set}))


if __name__ == "__main__":
    main()
