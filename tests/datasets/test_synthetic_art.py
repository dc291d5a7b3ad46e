"""Drawn paintings in ArtEmis' layout: read like the real one; answers need the picture and the emotion."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError
from vemo.datasets.readers.art.artemis import ArtEmis, ArtEmisConfig
from vemo.datasets.synthetic import SynthesizeConfig, synthesize
from vemo.datasets.synthetic.artemis import COLUMNS
from vemo.datasets.synthetic.cues import NEUTRAL, TABLES
from vemo.datasets.synthetic.wording import (
    AIRS,
    FACES,
    POSES,
    REASONS,
    SCENES,
    THINGS,
    agreeing,
    colour_name,
    place_name,
)
from vemo.datasets.taxonomy import label_space

SMALL = {"layout": "artemis", "images": 40, "size": 64, "seed": 3, "workers": 0}
WORDS = {"scene": SCENES, "object": THINGS, "air": AIRS, "face": FACES, "pose": POSES}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("art") / "data"
    return out, synthesize(SynthesizeConfig(out=out, **SMALL))


def lines_of(out: Path):
    with (out / "artemis_preprocessed.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def by_picture(out):
    found = defaultdict(list)
    for line in lines_of(out):
        found[f"wikiart/{line['art_style']}/{line['painting']}.jpg"].append(line)
    return found


def said(text):
    """The emotions one of whose reasons is in a text."""
    ways = {name: [agreeing(each, many) for each in reasons for many in (False, True)]
            for name, reasons in REASONS.items()}  # fmt: skip
    return {name for name, every in ways.items() if any(each in text for each in every)}


def test_every_picture_has_answers_of_several_annotators(drawn):
    out, report = drawn
    pictures = by_picture(out)
    assert len(pictures) == report.images == 40 and report.answers == 40 * 6
    assert tuple(lines_of(out)[0]) == COLUMNS
    for path, lines in pictures.items():
        assert Image.open(out / path).size[0] <= 64
        assert len({line["workerid"] for line in lines}) == len(lines) == 6
        assert len({line["split"] for line in lines}) == 1
        assert all(line["repetition"] == "6" for line in lines)
    assert sum(report.splits.values()) == 40 and report.splits["train"] > 30
    feelings = [{line["emotion"] for line in lines} for lines in pictures.values()]
    assert sum(len(each) > 1 for each in feelings) > 20, "annotators differ"
    assert set(REASONS) == set(label_space("artemis9").names)
    assert "240 answers" in report.summary


def test_it_is_read_like_artemis_and_does_not_pass_for_it(drawn):
    out, _ = drawn
    reader = ArtEmis(ArtEmisConfig(), out)
    rows = list(reader.rows())
    sample, _ = reader.read(rows[0])
    record = sample.to_record()
    assert len(rows) == 40 and len(record["captions"]) == 6 == sum(record["labels"]["artemis9"]["votes"])
    assert record["source"]["dataset"] == "vemo-built-in-art" and record["source"]["licence"] == "Apache-2.0"
    assert record["captions"][0]["annotator"].startswith("annotator-")


def test_an_explanation_names_what_is_shown_and_why_it_is_felt(drawn):
    out, _ = drawn
    truth = json.loads((out / "truth.json").read_text())["images"]
    texts = set()
    for path, lines in by_picture(out).items():
        story = truth[path]
        cues = [("scene", story["scene"]), ("air", story["air"])]
        cues += [("object", cue) for cue in story["objects"]]
        cues += [(kind, person[kind]) for person in story["people"] for kind in ("face", "pose")]
        words = [WORDS[kind][cue["value"]] for kind, cue in cues]
        nouns = [word if isinstance(word, str) else word[0] for word in words]
        for line in lines:
            assert said(line["utterance"]) == {line["emotion"]}
            assert any(noun in line["utterance"] for noun in nouns)
            texts.add(line["utterance"])
    assert len(texts) > 150


def test_all_that_can_be_drawn_has_a_name():
    for kind, table in TABLES.items():
        drawn = {value for each in table.values() for value in each} | set(NEUTRAL[kind])
        assert drawn == WORDS[kind].keys()


def test_the_same_seed_draws_the_same(drawn, tmp_path):
    out, _ = drawn
    again = SynthesizeConfig(out=tmp_path / "again", **SMALL)
    synthesize(again)
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert [path.read_bytes() for path in map(out.joinpath, files)] == [
        path.read_bytes() for path in map(again.out.joinpath, files)
    ]
    assert synthesize(again).drawn == 0, "finished: left as it is"


def test_flaws_belong_to_the_other_layout(tmp_path):
    with pytest.raises(ValidationError, match="layout=artemis has no leaks"):
        SynthesizeConfig(out=tmp_path, layout="artemis", leaks=0.1)
    # What was drawn before there were layouts is still known as finished.
    assert not {"layout", "annotators"} & SynthesizeConfig(out=tmp_path).recipe().keys()


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((220, 30, 30), "red"), ((120, 70, 20), "brown"), ((240, 220, 40), "yellow"),
        ((40, 160, 60), "green"), ((40, 80, 210), "blue"), ((140, 60, 190), "purple"),
        ((240, 110, 180), "pink"), ((20, 20, 20), "black"), ((130, 130, 130), "grey"),
        ((245, 245, 240), "white"),
    ],
)  # fmt: skip
def test_colours_have_names(rgb, name):
    image = Image.new("RGB", (40, 30), rgb)
    assert colour_name(image) == name == colour_name(image, (5, 5, 20, 20))
    image.paste((0, 0, 0), (0, 0, 20, 30))
    assert colour_name(image, (22, 2, 38, 28)) == name, "of the box alone"


def test_places_have_names():
    places = [place_name(box, 100) for box in ((0, 0, 40, 9), (40, 0, 60, 9), (70, 0, 99, 9))]
    assert places == ["on the left", "in the middle", "on the right"]
