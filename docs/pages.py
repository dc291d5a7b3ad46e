"""Write the pages that say what the code says: the house, the datasets, the decisions.

python docs/pages.py
"""

import ast
import json
import sys
from pathlib import Path

import yaml
from vemo.datasets.readers import READERS, describe_readers

sys.path.insert(0, str(Path(__file__).parent))

from house_picture import house as house_picture

ROOT = Path(__file__).parent.parent
ROOMS = [
    "cli",
    "annotation",
    "finetune",
    "pretrain",
    "evaluation",
    "zoo",
    "training",
    "datasets",
    "foundation",
]
OPENING = """# The house

The repository root is the package `vemo`: a folder at the top is a subpackage, one room with one job.
Imports run downwards only, `training` and `datasets` know nothing of each other, data flows one way; a test
says so of the imports.

![The rooms by floor, and the way of the data](pictures/house.svg)

| folder | what lives there |
|---|---|
| `configs/` | YAML by stage: datasets, pretrain, finetune, evaluation, annotation |
| `tests/` | mirrors the folders |
| `benchmarks/` | one script a figure; writes `docs/results/*.json` |
| `docs/` | guides, results, decisions (`adr/`) |
"""
DATASETS = """# Datasets

What vemo reads, each in the form its authors distribute it. `vemo datasets list KIND` prints the same;
`vemo shards build configs/datasets/NAME.yaml root=DIR out=DIR` makes [shards](shards.md) of it. Images and
labels are never part of vemo: a licence here is the dataset's own, as its authors state it, and stays with
its shards.
"""
TITLES = {
    "scenes": "Scenes and photographs",
    "faces": "Faces",
    "art": "Art",
    "generic": "Your own, and other formats",
}
RESULTS = """# Every file of results

Beside [what was concluded](index.md): each file of `docs/results/`, with numbers, spreads and versions, and
the command that writes it anew. Speeds are ratios within one run, because the machines are shared.
"""
DECISIONS = """# Decisions

What a later reader would question, and why it is so. Ten lines each.
"""


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def first_sentence(path: Path) -> str:
    return " ".join(docstring(path).split("\n\n")[0].split()).replace("|", "\\|")


def house() -> str:
    """What each room is for, and each file in a line, taken from the docstrings."""
    parts = [OPENING]
    for room in ROOMS:
        for folder in [ROOT / room, *sorted(path.parent for path in (ROOT / room).rglob("*/__init__.py"))]:
            name = folder.relative_to(ROOT)
            parts.append(f"## {name}\n\n{docstring(folder / '__init__.py')}\n")
            files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
            rows = [f"| `{path.name}` | {first_sentence(path)} |" for path in files]
            parts.append("\n".join(["| file | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def datasets() -> str:
    """Every reader: what it reads, in which label space, under which licence, and how to get the data."""
    configs: dict[str, list[str]] = {}
    for path in sorted((ROOT / "configs/datasets").glob("*.yaml")):
        kind = str((yaml.safe_load(path.read_text(encoding="utf-8")).get("reader") or {}).get("kind"))
        configs.setdefault(kind, []).append(f"`{path.name}`")
    parts = [DATASETS]
    described = {each["kind"]: each for each in describe_readers()}
    for room, title in TITLES.items():
        kinds = [kind for kind, reader in READERS.items() if reader.__module__.split(".")[-2] == room]
        rows = [
            f"| [`{kind}`](#{kind}) | {described[kind]['summary']} "
            f"| {', '.join(described[kind]['spaces'])} | {described[kind]['licence']} |"
            for kind in kinds
        ]
        parts.append(
            "\n".join(
                [f"## {title}\n", "| kind | what | label spaces | licence |", "|---|---|---|---|", *rows, ""]
            )
        )
        for kind in kinds:
            each = described[kind]
            counts = ", ".join(f"{split} {count:,}" for split, count in each["samples"].items())
            lines = [f"### {kind}\n", f"{_sentence(each['summary'])} {each['how_to_get']}\n"]
            lines += [f"- published counts: {counts}"] if counts else []
            lines += [f"- name in a record: `{each['dataset']}`"]
            lines += [f"- config: {', '.join(configs[kind])}"] if kind in configs else []
            parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def decisions() -> str:
    """The decision records, one line each."""
    rows = []
    for path in sorted((ROOT / "docs/adr").glob("0*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        number, _, text = title.partition(" · ")
        rows.append(f"| {number} | [{text}]({path.name}) |")
    return "\n".join([DECISIONS, "| | decision |", "|---|---|", *rows, ""])


def results() -> str:
    """Every file of results: what it shows, and the command that writes it anew."""
    rows = []
    for path in sorted((ROOT / "docs/results").glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        said = found.get("claim") or found["title"]
        versions, machine = found.get("versions", {}), found.get("machine", {})
        where = ", ".join(
            f"{text} {value}"
            for text, value in (("torch", versions.get("torch")), ("cores:", machine.get("cores")))
            if value
        )
        rows.append(
            f"| `{path.name}` | {_sentence(said)} | `{found['command']}` | {found['date']} | {where} |"
        )
    return "\n".join(
        [RESULTS, "| file | what it shows | command | date | on |", "|---|---|---|---|---|", *rows, ""]
    )


PAGES = {
    "house.md": house,
    "pictures/house.svg": house_picture,
    "datasets.md": datasets,
    "results/files.md": results,
    "adr/index.md": decisions,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
