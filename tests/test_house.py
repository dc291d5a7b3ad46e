"""The house rules that a machine can hold: import order of the floors, file sizes, what is tracked."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Top floor first. A room may import from rooms further down this list, never from one above.
FLOORS = [
    "cli", "annotation", "finetune", "pretrain", "evaluation", "zoo", "training", "datasets", "foundation",
]  # fmt: skip
STRANGERS = {("training", "datasets"), ("datasets", "training")}  # these know nothing of each other
SOURCES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] in FLOORS)


def imported_rooms(path: Path) -> set[str]:
    """The floors that a file imports, by relative or absolute import, at any depth of the file."""
    package = ["vemo", *path.relative_to(ROOT).parts[:-1]]
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            modules += [f"{stem}.{alias.name}" for alias in node.names]
    rooms = {module.split(".")[1] for module in modules if module.startswith("vemo.")}
    return rooms & set(FLOORS)


def test_floors_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} >= {"cli", "datasets", "foundation"}
    assert imported_rooms(ROOT / "cli/__init__.py") >= {"foundation"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for other in imported_rooms(path):
        assert FLOORS.index(other) >= FLOORS.index(room), f"{room} is below {other} and must not import it"
        assert (room, other) not in STRANGERS, f"{room} and {other} know nothing of each other"


def test_files_stay_small() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {str(path): n for path, n in lengths.items() if n > 500}
    assert sorted(lengths.values())[len(lengths) // 2] <= 150


def test_every_folder_of_code_is_packaged() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for path in SOURCES:
        package = ".".join(["vemo", *path.relative_to(ROOT).parts[:-1]])
        assert f'"{package}"' in text, f"{package} is missing from [tool.setuptools] packages"


def test_nothing_heavy_is_tracked() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    sizes = {
        name: (ROOT / name).stat().st_size
        for name in listing.stdout.decode().split("\0")
        if name and (ROOT / name).exists()
    }
    assert sum(sizes.values()) < 32 * 2**20
    assert not {name: size for name, size in sizes.items() if size > 8 * 2**20}


def test_our_datasets_folder_shadows_nobody(tmp_path: Path) -> None:
    """Other packages `import datasets`; ours is only ever `vemo.datasets`."""
    program = "import importlib.util as u, vemo.datasets; s = u.find_spec('datasets'); print(s and s.origin)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert str(ROOT / "datasets") not in found


MADE = ["house.md", "pictures/house.svg", "datasets.md", "results/files.md", "adr/index.md"]


@pytest.mark.parametrize("name", MADE)
def test_pages_made_from_code_are_current(name: str) -> None:
    pages = runpy.run_path(str(ROOT / "docs/pages.py"))["PAGES"]
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == pages[name](), "run: python docs/pages.py"
    assert set(pages) == set(MADE)
