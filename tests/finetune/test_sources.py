"""The table of what each source of a mixture has to teach."""

import csv

from vemo.datasets.shards import BuildConfig, build
from vemo.datasets.stream import MixtureConfig, open_mixture
from vemo.finetune.emotion import build_targets
from vemo.finetune.emotion.config import SingleConfig
from vemo.finetune.sources import write_counts


def test_a_row_for_each_source_and_their_sum(shards, tmp_path):
    build(BuildConfig(root=shards, out=tmp_path / "copy", reader={"kind": "shards"}, workers=0))
    half = {"space": "mikels8", "fraction": 0.5}
    sets = {
        "first": {"shards": shards, "cap": 10},
        "second": {"shards": tmp_path / "copy", "split": "val", "select": half},
    }
    mixture = open_mixture(MixtureConfig(mixture=sets, temperature=2.0))
    heads = {"emotion": SingleConfig(space="mikels8"), "tone": SingleConfig(space="polarity2")}
    write_counts(tmp_path, mixture, {name: build_targets(name, head) for name, head in heads.items()})
    with (tmp_path / "counts-emotion.csv").open() as stream:
        first, second, total = csv.DictReader(stream)
    assert (first["source"], first["split"], first["samples"], first["labelled"]) == (
        "first",
        "train",
        "40",
        "40",
    )
    assert {name: float(first[name]) for name in ("awe", "fear", "sadness")} == {
        "awe": 10,
        "fear": 10,
        "sadness": 0,
    }
    assert (second["samples"], float(second["anger"])) == ("8", 2)
    assert (total["source"], total["samples"], float(total["awe"])) == ("all", "48", 12)
    assert float(first["share"]) + float(second["share"]) == 1
    assert abs(float(first["share"]) - 10**0.5 / (10**0.5 + 8**0.5)) < 1e-4
    with (tmp_path / "counts-tone.csv").open() as stream:
        assert [row["labelled"] for row in csv.DictReader(stream)] == ["0", "0", "0"]
