"""The tasks, suites and published figures of the repository: what they ask, readers and label maps give."""

from pathlib import Path

import pytest
from vemo.datasets.readers import READERS
from vemo.datasets.shards import BuildConfig
from vemo.datasets.taxonomy import label_map_names, label_space_names
from vemo.evaluation.scoring import SCORES_OF
from vemo.evaluation.suite.config import FinetuneProtocol, SuiteConfig, TaskConfig
from vemo.evaluation.suite.published import published
from vemo.finetune.config import FinetuneConfig
from vemo.foundation.config import load_config
from vemo.foundation.errors import UserError

ROOT = Path(__file__).parents[3]
EVALUATION = ROOT / "configs/evaluation"
TASKS = sorted((EVALUATION / "tasks").glob("*.yaml"))


def wrong_with(path: Path) -> list[str]:
    """What a task asks that its build does not give."""
    task = load_config(TaskConfig, path)
    asked = task.space or "vad"
    found = [] if asked in label_space_names() else [f"no label space {asked}"]
    if not (ROOT / task.build).is_file():
        return [*found, f"no file {task.build}"]
    kind = load_config(BuildConfig, ROOT / task.build, ["root=/data/some", "out=/data/other"]).reader.kind
    given = set(READERS[kind].spaces)
    targets = {source: [to] if isinstance(to, str) else list(to) for source, to in task.spaces.items()}
    maps = [(source, target) for source, reached in targets.items() for target in reached]
    found += [f"{kind} does not give {source}" for source in targets if source not in given]
    found += [f"no label map {source} → {target}" for source, target in maps if (source, target) not in MAPS]
    if asked not in given.union(*targets.values()):
        found.append(f"{kind} does not give {asked}")
    return found


MAPS = label_map_names()


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_a_task_asks_for_what_its_reader_gives(path: Path) -> None:
    assert wrong_with(path) == []
    task = load_config(TaskConfig, path)
    assert path.read_text("utf-8").startswith("# "), "the first line names the split"
    assert task.note, "the split of a figure is what its reader has to know"
    assert (task.person != "none") == task.shards.name.endswith("-persons-shards")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("build: configs/datasets/gone.yaml\nspace: mikels8", "no file configs/datasets/gone.yaml"),
        ("build: configs/datasets/ferplus.yaml\nspace: mikels8", "ferplus does not give mikels8"),
        (
            "build: configs/datasets/fi.yaml\nspace: webemo25\nspaces: {mikels8: webemo25}",
            "no label map mikels8 → webemo25",
        ),
        (
            "build: configs/datasets/fi.yaml\nspace: polarity2\nspaces: {webemo25: polarity2}",
            "fi does not give webemo25",
        ),
    ],
)
def test_a_broken_task_is_found(tmp_path: Path, lines: str, problem: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(f"title: Broken\nshards: data/broken-shards\nkind: single\n{lines}\n", encoding="utf-8")
    assert problem in wrong_with(path)


@pytest.mark.parametrize("name", ["suite", "tiny"])
def test_a_suite_names_what_there_is(name: str) -> None:
    suite = load_config(SuiteConfig, EVALUATION / f"{name}.yaml")
    for task, path in suite.tasks.items():
        assert ROOT / path in TASKS and path.stem == task
    assert suite.published is not None and (ROOT / suite.published).is_file()
    for protocol in suite.protocols.values():
        if isinstance(protocol, FinetuneProtocol):
            load_config(FinetuneConfig, ROOT / protocol.config, protocol.settings)


def test_the_suite_has_every_task() -> None:
    assert sorted(load_config(SuiteConfig, EVALUATION / "suite.yaml").tasks) == [path.stem for path in TASKS]


def test_published_figures_belong_to_tasks() -> None:
    entries = published(EVALUATION / "published.yaml")
    for entry in entries:
        kind = load_config(TaskConfig, EVALUATION / f"tasks/{entry['task']}.yaml").kind
        assert entry["score"] in SCORES_OF[kind]
    assert len({(entry["task"], entry["model"], entry["score"]) for entry in entries}) == len(entries)
    of_uniemox = [entry for entry in entries if entry["model"] == "UniEmoX"]
    assert len(of_uniemox) == 6 and {entry["value"] for entry in of_uniemox} == {None}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("task: fii, model: M, score: accuracy, value: 0.7, source: s", "M: no task 'fii'; there are "),
        ("task: fi, model: M, score: kl, value: 0.7, source: s", "M: fi has no score 'kl'; it has macro_f1"),
        ("task: fi, model: M, score: accuracy, value: 73.9, source: s", "M: accuracy is at most 1, got 73.9"),
        ("task: fi, model: M, score: accuracy, value: .nan, source: s", "entries.0.value: must be"),
        ("task: fi, model: M, score: accuracy, source: s", "missing key entries.0.value"),
    ],
)
def test_a_mistake_in_published_figures_is_named(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "published.yaml").write_text(f"entries:\n  - {{{entry}}}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        published(tmp_path / "published.yaml", {path.stem: path for path in TASKS})
    assert str(caught.value).startswith(f"{tmp_path / 'published.yaml'}: 1 problem\n")
    assert message in str(caught.value)


def test_a_suite_of_ones_own_has_figures_of_its_own(tmp_path: Path) -> None:
    lines = "entries:\n  - {task: mine, model: M, score: kl, value: 1.5, source: s}\n"
    (tmp_path / "figures.yaml").write_text(lines, encoding="utf-8")
    own = {"mine": EVALUATION / "tasks/flickr_ldl.yaml"}
    assert published(tmp_path / "figures.yaml", own) == [
        {"task": "mine", "model": "M", "score": "kl", "value": 1.5, "source": "s"}
    ]
    with pytest.raises(UserError, match="no task 'mine'; there are none"):
        published(tmp_path / "figures.yaml")
