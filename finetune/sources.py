"""What each source of a mixture has to teach each head: a table of counts beside the run."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..datasets.stream import Mixture
from ..evaluation.targets import Targets
from ..foundation.files import write_atomically


def write_counts(folder: Path, mixture: Mixture, heads: Mapping[str, Targets]) -> None:
    """`counts-HEAD.csv` for each head: a row for each source, then for all of them together.

    Columns: source, dataset, split, share (of an epoch), samples (that may be drawn), labelled (of them, with
    a target), then every class (shares of votes add up; of axes: where known). Reads every record once.
    """
    tables = {name: [_row(targets)] for name, targets in heads.items()}
    for part in mixture.parts:
        sums = {name: np.zeros(len(targets.classes)) for name, targets in heads.items()}
        labelled = dict.fromkeys(heads, 0)
        numbers = part.numbers.tolist()
        for number in numbers:
            record = part.shards.record(part.split, number)
            for name, targets in heads.items():
                if (row := targets.count(record)) is not None:
                    sums[name] += row
                    labelled[name] += 1
        source = [part.name, part.shards.manifest.get("dataset"), part.split, f"{float(part.share):.4f}"]
        for name in heads:
            tables[name].append([*source, len(numbers), labelled[name], *sums[name].round(2).tolist()])
    for name, rows in tables.items():
        columns = list(zip(*(row[4:] for row in rows[1:])))
        total = ["all", "", "", f"{float(sum(part.share for part in mixture.parts)):.4f}", *map(sum, columns)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, total])
        with write_atomically(folder / f"counts-{name}.csv") as stream:
            stream.write(text.getvalue().encode())


def _row(targets: Targets) -> list:
    return ["source", "dataset", "split", "share", "samples", "labelled", *targets.classes]
