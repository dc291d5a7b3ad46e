"""Where classes go and how many go with them: every flag, every kind of label, people, missing maps."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from vemo.cli import main
from vemo.datasets.label_counts import report_map, space_of, two_steps
from vemo.datasets.taxonomy import KINDS, label_map, label_map_names, label_space, label_space_names
from vemo.foundation.errors import UserError

Pack = Callable[..., Path]


def of_class(*names: str, space: str = "mikels8") -> list[dict]:
    return [{"labels": {space: {"class": name}}} for name in names]


@pytest.fixture
def shard_set(pack_records: Pack) -> Path:
    """Seven labelled images in two splits, and one without a label."""
    train = [*of_class("amusement", "amusement", "awe", "anger"), {}]
    return pack_records({"train": train, "test": of_class("awe", "fear", "sadness")})


def cells(text: str, first: str) -> list[str]:
    """The cells of the table row that begins with `first`."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_class_by_class_with_counts(shard_set: Path) -> None:
    text = report_map("mikels8", "ekman6", shard_set).text
    assert text.startswith("mikels8 v1 → ekman6 v1: ")
    assert cells(text, "mikels8") == ["mikels8", "ekman6", "flag", "train", "test", "all"]
    assert cells(text, "amusement") == ["amusement", "joy", "lossy", "2", "0", "2"]
    assert cells(text, "awe") == ["awe", "surprise or joy", "ambiguous", "1", "1", "2"]
    assert cells(text, "anger") == ["anger", "anger", "exact", "1", "0", "1"]
    assert cells(text, "disgust") == ["disgust", "disgust", "exact", "0", "0", "0"]
    assert cells(text, "exact") == ["exact", "1", "2", "3", "42.9 %"]
    assert cells(text, "lossy") == ["lossy", "2", "0", "2", "28.6 %"]
    assert cells(text, "ambiguous") == ["ambiguous", "1", "1", "2", "28.6 %"]
    assert cells(text, "dropped") == ["dropped", "0", "0", "0", "0.0 %"]
    assert cells(text, "all") == ["all", "4", "3", "7", "100.0 %"]
    assert "5 of 7 labelled images keep a label (71.4 %), 2 more with ambiguous=map; 0 are lost" in text
    assert "Images without a mikels8 label: 1." in text
    assert "They arrive as anger 1, disgust 0, fear 1, joy 2, sadness 1, surprise 0." in text
    assert "Nothing becomes surprise (only if ambiguous)." in text


def test_without_shards_there_are_no_counts() -> None:
    text = report_map("mikels8", "ekman6").text
    assert cells(text, "amusement") == ["amusement", "joy", "lossy"]
    assert "train" not in text and "labelled" not in text
    assert "awe: FI's guides use surprise" in text


def test_dropped_labels_are_lost(pack_records: Pack) -> None:
    row = next(
        name for name in label_space("fer8").names if label_map("fer8", "fer7").row(name).kind == "dropped"
    )
    out = pack_records({"train": of_class(row, "anger", space="fer8")})
    text = report_map("fer8", "fer7", out).text
    assert cells(text, row) == [row, "–", "dropped", "1"]
    assert "1 of 2 labelled images keep a label (50.0 %); 1 are lost either way." in text


def test_votes_and_distributions_count_whole_labels_by_what_the_map_leaves(pack_records: Pack) -> None:
    awe = {"distribution": [0, 1.0, 0, 0, 0, 0, 0, 0]}
    tied = {"distribution": [0, 0.5, 0, 0, 0.5, 0, 0, 0]}
    mostly_awe = {"votes": [0, 3, 0, 0, 0, 0, 2, 0]}
    out = pack_records({"train": [{"labels": {"mikels8": label}} for label in (awe, tied, mostly_awe)]})
    report = report_map("mikels8", "ekman6", out)
    found = report.splits["train"]
    assert found.classes == {"awe": 2, "(no single class)": 1}
    assert (found.labelled, found.kept, found.kept_ambiguous) == (3, 2, 3)
    assert found.targets == {"anger": 1, "fear": 1}
    assert cells(report.text, "(no single class)") == ["(no single class)", "", "", "1"]
    assert "count votes and distributions for their largest entry" in report.text


def test_several_classes_count_once_for_each(pack_records: Pack) -> None:
    labels = {"wikiart20": {"classes": ["anger", "fear", "gratitude"]}}
    report = report_map("wikiart20", "ekman6", pack_records({"train": [{"labels": labels}]}))
    assert report.splits["train"].labelled == 1
    assert sum(report.splits["train"].classes.values()) == 3
    assert "count images with several classes once for each" in report.text


def test_people_are_counted_where_they_are_what_is_labelled(pack_records: Pack) -> None:
    persons = [
        {"box": [0, 0, 4, 5], "labels": {"emotic26": {"classes": ["anger", "surprise"]}}},
        {"box": [4, 0, 8, 5], "labels": {"emotic26": {"classes": ["surprise"]}}},
        {"box": [2, 0, 8, 5]},
    ]
    report = report_map("emotic", "polarity3", pack_records({"test": [{"persons": persons}, {}]}))
    assert report.unit == "people"
    found = report.splits["test"]
    assert (found.things, found.labelled, found.kept, found.kept_ambiguous) == (3, 2, 1, 2)
    assert "1 of 2 labelled people keep a label" in report.text
    assert "People without an emotic26 label: 1." in report.text


def test_a_tree_shows_the_nodes_that_occur(pack_records: Pack) -> None:
    out = pack_records({"train": of_class("love/lust", "surprise", space="parrott")})
    report = report_map("parrott", "mikels8", out)
    assert cells(report.text, "love/lust") == ["love/lust", "contentment", "lossy", "1"]
    assert cells(report.text, "surprise") == ["surprise", "–", "dropped", "1"]
    assert "| joy " not in report.text
    assert "A row speaks for every node below it" in report.text
    assert cells(report_map("parrott", "mikels8").text, "joy")[-1] == "ambiguous"


def test_points_of_a_continuous_target(shard_set: Path) -> None:
    text = report_map("mikels8", "vad", shard_set).text
    assert cells(text, "awe")[1] == "valence 0.3, arousal 0.6"
    assert "They arrive" not in text and "Nothing becomes" not in text


def test_class_labels_are_kept_exactly_as_the_flags_say(pack_records: Pack) -> None:
    names = label_space("wikiart20").names
    labels = [{"labels": {"wikiart20": {"class": name}}} for name in names]
    out = pack_records({"train": labels})
    for target in [target for source, target in label_map_names() if source == "wikiart20"]:
        report = report_map("wikiart20", target, out)
        flags = Counter(report.table.row(name).kind for name in names)
        found = report.splits["train"]
        assert found.kept == flags["exact"] + flags["lossy"]
        assert found.kept_ambiguous == found.kept + flags["ambiguous"]


def test_a_reader_means_its_first_space() -> None:
    assert space_of("emoset") == "mikels8"
    assert space_of("ekman6") == "ekman6"
    with pytest.raises(UserError, match="table has the label spaces that its config names"):
        space_of("table")
    with pytest.raises(UserError, match=r"neither a label space nor a reader; .*mikels8.*readers: emoset"):
        space_of("mikels9")


def test_without_a_map_it_says_what_can_be_reached() -> None:
    reached = ", ".join(target for source, target in label_map_names() if source == "webemo25")
    with pytest.raises(UserError) as error:
        report_map("webemo25", "mikels8")
    assert str(error.value).startswith(
        f"no label map webemo25 → mikels8; from webemo25 there are {reached}; "
    )
    assert "in two steps: webemo25 → parrott6 → mikels8 (13 exact, 3 lossy, 7 ambiguous, 2 dropped)" in str(
        error.value
    )
    with pytest.raises(UserError, match="none starts at vad; no two maps lead there either"):
        report_map("vad", "mikels8")
    with pytest.raises(UserError, match="mikels8 is mikels8"):
        report_map("emoset", "mikels8")
    with pytest.raises(UserError, match="did you mean ekman7"):
        report_map("emoset", "ekman5")


def test_two_steps_have_the_worse_of_two_flags() -> None:
    checked = 0
    for source in label_space_names():
        for target in label_space_names():
            if (source, target) in label_map_names() or source == target:
                continue
            for middle, flags in two_steps(source, target).items():
                first, second = label_map(source, middle), label_map(middle, target)
                assert sum(flags.values()) == len(first.source)
                assert list(flags) == [kind for kind in KINDS if kind in flags]
                kept = 0
                for name in first.source.names:
                    between = first.apply({"class": name})
                    kept += between is not None and second.apply(between) is not None
                assert kept == flags.get("exact", 0) + flags.get("lossy", 0), (source, middle, target)
                checked += 1
    assert checked > 10


def test_shard_sets_that_cannot_be_counted(shard_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no label in fer8; its labels are mikels8"):
        report_map("fer8", "fer7", shard_set)
    with pytest.raises(UserError, match="no finished shard set"):
        report_map("fer8", "fer7", tmp_path / "nothing")
    (shard_set / "train-00000.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"train-00000.tar: cannot be counted"):
        report_map("mikels8", "ekman6", shard_set)


def test_the_command_line(
    shard_set: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["datasets", "map", "--from", "emoset", "--to", "ekman6"]
    assert main([*command, "--shards", str(shard_set)]) == 0
    assert cells(capsys.readouterr().out, "awe")[2:] == ["ambiguous", "1", "1", "2"]
    assert main([*command[:-1], "fer7"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "mikels8 → ekman6 → fer7" in message
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(command) == 0
    drawn = capsys.readouterr().out
    assert "╭" in drawn and "\x1b[" in drawn and "| awe" not in drawn
