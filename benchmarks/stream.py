"""Batches of 224-pixel training crops: what an image costs here, against the EmoSet reference way.

    .venv/bin/python benchmarks/stream.py PHOTOS [--rounds 21]

PHOTOS is a folder or an archive of JPEGs. One process, one thread, CPU time, candidates in alternation,
everything up to a collated batch:
  reference        DataLoader over loose files: PIL, torchvision v1 RandomResizedCrop (bicubic), flip,
                   ToTensor, Normalize
  default, fast    our stream on a shard set, uint8 batches, normalising left to the device: torchvision and
                   antialiased, or simplejpeg and OpenCV
  … normalised     the same, and float32 and normalising done here, on the batch
  … decoding only  reading and decoding, no crop, no batch: the ceiling of what any transform could reach
  entropy          simplejpeg at 1/8, grey: no pixels at all, the ceiling of any libjpeg
Two tiers of shards, built by `vemo.datasets.shards`: `original` copies the files, `s256` re-encodes them to a
shorter side of 256 at quality 90. `--enlarge` resamples the photos first, to show what their size does.
"""

import argparse
import statistics
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from common import measure, write_result
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import ShardSet, TrainStream
from vemo.datasets.stream.decode import decode
from vemo.datasets.stream.order import generator
from vemo.datasets.stream.transforms import horizontal_flip, load_random_resized_crop

SIZE, SCALE, RATIO = 224, (0.2, 1.0), (3 / 4, 4 / 3)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
REQUIRED = {"default original": 2.2, "fast original": 3.5, "default s256": 8.0, "fast s256": 13.0}


class Reference(Dataset[Any]):
    """Loose files as the public EmoSet code reads them; the annotation file it also opens is left out."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(SIZE, SCALE, RATIO, transforms.InterpolationMode.BICUBIC),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index]) as image:
            return self.transform(image.convert("RGB")), index


class View:
    """The same crop and flip, uint8."""

    def __call__(self, image_loader: Any, record: dict[str, Any], seed: int) -> dict[str, Any]:
        draws = generator(seed)
        image = load_random_resized_crop(image_loader, SIZE, SCALE, RATIO, draws)
        return {"image": horizontal_flip(image, draws, fast=image_loader.fast)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("photos", type=Path, help="a folder of JPEGs, or a tar of them")
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--batch", type=int, default=55)
    arguments.add_argument(
        "--enlarge", type=float, default=1.0, help="resample the photos' sides by this first"
    )
    arguments.add_argument("--quality", type=int, default=90, help="JPEG quality of resampled photos")
    arguments.add_argument("--name", default="stream", help="of the file in docs/results")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        files = lay_out(given.photos, Path(scratch) / "source")
        if given.enlarge != 1:
            resample(files, given.enlarge, given.quality)
        sets = {
            "original": build_shards(Path(scratch), "original", None),
            "s256": build_shards(Path(scratch), "s256", 256),
        }
        count = len(files) // given.batch * given.batch
        candidates = make_candidates(files[:count], sets, given.batch)
        seconds = measure(candidates, given.rounds)
        report(given.name, given.photos.name, files, sets, seconds, count)


def entropy(data: bytes) -> Any:
    return simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, min_height=1, min_width=1)


def make_candidates(
    files: list[Path], sets: dict[str, ShardSet], batch: int
) -> dict[str, Callable[[], None]]:
    reference = DataLoader(Reference(files), batch, shuffle=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))

    def read_reference() -> None:
        for images, _ in reference:
            assert images.shape[1:] == (3, SIZE, SIZE)

    def read(stream: TrainStream, normalise: bool) -> Callable[[], None]:
        def run() -> None:
            for made in islice(stream.batches(0), len(files) // batch):
                images = made["image"]
                assert images.dtype == torch.uint8 and images.shape[1:] == (3, SIZE, SIZE)
                if normalise:
                    images = images.float().sub_(mean).div_(std)

        return run

    def only(shards: ShardSet, decoder: Callable[[bytes], Any]) -> Callable[[], None]:
        def run() -> None:
            for index in range(len(files)):
                decoder(shards.read("train", index)[1])

        return run

    candidates = {"reference": read_reference}
    for tier, shards in sets.items():
        for path in ("default", "fast"):
            stream = TrainStream(shards, "train", View(), batch, seed=0, fast=path == "fast")
            candidates[f"{path} {tier}"] = read(stream, normalise=False)
            candidates[f"{path} {tier} normalised"] = read(stream, normalise=True)
            candidates[f"{path} {tier} decoding only"] = only(shards, partial(decode, fast=path == "fast"))
        candidates[f"entropy {tier}"] = only(shards, entropy)
    return candidates


def report(
    result: str, name: str, files: list[Path], sets: dict[str, ShardSet], seconds: Any, count: int
) -> None:
    reference = seconds["reference"]["rounds"]
    rows = {}
    for candidate, figures in seconds.items():
        # A ratio a round: both sides of it saw the machine in the same state.
        ratios = sorted(r / mine for r, mine in zip(reference, figures["rounds"]))
        rows[candidate] = {
            "cpu_ms_per_image": round(1000 * figures["median"] / count, 3),
            "images_per_second_per_core": round(count / figures["median"]),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_quartiles": [round(float(q), 2) for q in np.percentile(ratios, (25, 75))],
        }
    for candidate, required in REQUIRED.items():
        ratio = rows[candidate]["ratio"]
        rows[candidate] |= {"required": required, "holds": ratio >= required}
    pixels = [Image.open(file).size for file in files]
    payload = {
        "claim": "ratio = CPU time of the reference / that of the candidate, median of the rounds' ratios",
        "data": {
            "name": name,
            "images": len(files),
            "mean_megapixels": round(float(np.mean([w * h for w, h in pixels])) / 1e6, 3),
            "mean_bytes": {tier: mean_bytes(shards) for tier, shards in sets.items()},
        },
        "rounds": len(reference),
        "candidates": rows,
    }
    print(write_result(result, payload))


def mean_bytes(shards: ShardSet) -> int:
    return round(float(np.mean([len(shards.read("train", i)[1]) for i in range(shards.count("train"))])))


def build_shards(scratch: Path, name: str, short_side: int | None) -> ShardSet:
    config = {
        "root": scratch / "source",
        "out": scratch / name,
        "workers": 0,
        "short_side": short_side,
        "reader": {"kind": "image_folder", "space": "polarity2"},
        "splits": {"train": 1.0},
    }
    build(BuildConfig.model_validate(config))
    return ShardSet(scratch / name)


def resample(files: list[Path], factor: float, quality: int) -> None:
    """Other originals, in place: what the ratios are where photos have more pixels and fewer bits a pixel."""
    for file in files:
        with Image.open(file) as image:
            size = (round(image.width * factor), round(image.height * factor))
            larger = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        larger.save(file, "JPEG", quality=quality)


def lay_out(photos: Path, root: Path) -> list[Path]:
    """The photos as an image folder of one class; returns the files."""
    folder = root / "positive"
    folder.mkdir(parents=True)
    if photos.is_dir():
        found = {path.name: path.read_bytes() for path in sorted(photos.iterdir()) if path.is_file()}
    else:
        with tarfile.open(photos) as archive:
            members = (member for member in archive if member.isfile())
            found = {Path(member.name).name: archive.extractfile(member).read() for member in members}
    for name, data in found.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


if __name__ == "__main__":
    main()
