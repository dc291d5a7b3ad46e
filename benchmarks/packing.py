"""What packing costs beyond the decode check and the tar it cannot do without.

    .venv/bin/python benchmarks/packing.py PHOTOS [--rounds 9]

PHOTOS is a folder or an archive of JPEGs. Candidates, in one process, in alternation, CPU time:
  packing  a whole `build`: listing, plan, both sha256, records, index, leak check, manifest, fsyncs
  floor    reads the same files, decodes each in the same way and appends it to a bare tar
  decode   the floor without the tar
The claim under test: packing / floor is at most 1.3.
"""

import argparse
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from common import measure, write_result
from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.shards.images import codec, probe_image
from vemo.datasets.shards.tar import BLOCK, member_header

LIMIT = 1.3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("photos", type=Path, help="a folder of JPEGs, or a tar of them")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--copies", type=int, default=5, help="how often each photo is packed in a round")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, out = Path(scratch) / "source", Path(scratch) / "out"
        files = lay_out(given.photos, root, given.copies)
        config = BuildConfig.model_validate(
            {
                "root": root,
                "out": out,
                "workers": 0,
                "reader": {"kind": "image_folder", "space": "polarity2"},
                "splits": {"train": 1.0},
            }
        )

        def packing() -> None:
            shutil.rmtree(out, ignore_errors=True)
            assert build(config).packed == len(files)

        def floor() -> None:
            with (Path(scratch) / "bare.tar").open("wb", buffering=2**20) as tar:
                for file in files:
                    data = file.read_bytes()
                    probe_image(data)
                    tar.write(member_header(file.name, len(data)))
                    tar.write(data)
                    tar.write(bytes(-len(data) % BLOCK))
                tar.flush()
                os.fsync(tar.fileno())

        def decode() -> None:
            for file in files:
                probe_image(file.read_bytes())

        seconds = measure({"packing": packing, "floor": floor, "decode": decode}, given.rounds)
        size = sum(file.stat().st_size for file in files)
    milliseconds = {
        name: {key: round(1000 * value / len(files), 4) for key, value in figures.items() if key != "rounds"}
        for name, figures in seconds.items()
    }
    ratio = seconds["packing"]["median"] / seconds["floor"]["median"]
    claim = (
        "packing with both hashes and a full decode check costs at most {} times that check and a bare tar"
    )
    payload = {
        "claim": claim.format(LIMIT),
        "data": {"name": given.photos.name, "images": len(files), "mean_bytes": round(size / len(files))},
        "codec": codec(reencoding=True),
        "cpu_ms_per_image": milliseconds,
        "ratio": round(ratio, 3),
        "holds": ratio <= LIMIT,
    }
    print(write_result("packing", payload))


def lay_out(photos: Path, root: Path, copies: int) -> list[Path]:
    """A class folder of the photos, each under several names; returns the files."""
    folder = root / "positive"
    folder.mkdir(parents=True)
    if photos.is_dir():
        found = {path.name: path.read_bytes() for path in sorted(photos.iterdir()) if path.is_file()}
    else:
        with tarfile.open(photos) as archive:
            members = (member for member in archive if member.isfile())
            found = {Path(member.name).name: archive.extractfile(member).read() for member in members}
    for name, data in found.items():
        for copy in range(copies):
            (folder / f"{copy}-{name}").write_bytes(data)
    return sorted(folder.iterdir())


if __name__ == "__main__":
    main()
