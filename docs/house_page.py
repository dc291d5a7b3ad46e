"""Write docs/house.md: what each room is for, and each file in a line, taken from the docstrings.

python docs/house_page.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ["cli", "annotation", "finetune", "pretrain", "evaluation", "zoo", "training", "datasets", "foundation"]
OPENING = """# The house

The repository root is the package `vemo`: a folder at the top is a subpackage, one room with one job.
Imports run downwards only, and a test says so:

    cli → annotation → finetune → pretrain → evaluation → zoo → training → datasets → foundation

`training` and `datasets` know nothing of each other.
Data flows one way: native files → reader → sample → shard → stream → task → checkpoint → prediction →
curation → overlay.

| folder | what lives there |
|---|---|
| `configs/` | YAML by stage: datasets, pretrain, finetune, evaluation, annotation |
| `tests/` | mirrors the folders |
| `benchmarks/` | one script a figure; writes `docs/results/*.json` |
| `docs/` | guides, results, decisions (`adr/`) |
"""


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def first_sentence(path: Path) -> str:
    return " ".join(docstring(path).split("\n\n")[0].split()).replace("|", "\\|")


def page() -> str:
    parts = [OPENING]
    for room in ROOMS:
        for folder in [ROOT / room, *sorted(path.parent for path in (ROOT / room).rglob("*/__init__.py"))]:
            name = folder.relative_to(ROOT)
            parts.append(f"## {name}\n\n{docstring(folder / '__init__.py')}\n")
            files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
            rows = [f"| `{path.name}` | {first_sentence(path)} |" for path in files]
            parts.append("\n".join(["| file | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs/house.md").write_text(page(), encoding="utf-8")
