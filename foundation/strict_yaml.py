"""YAML as people mean it: no doubled keys, no surprises in scalars, files that extend others.

PyYAML speaks YAML 1.1, where `on` is true, `1:30` is 90, `2024-01-01` is a date and `1e-3` is text; ours
reads the scalars of YAML 1.2 (true/false, null, numbers), all else is text.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from .errors import UserError


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                reason = f"key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, reason, key_node.start_mark)
            seen.add(key)
        # Deep, so that a mapping holding itself is refused here and cannot send anybody round in circles.
        return super().construct_mapping(node, deep=True)


_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", "-+.0123456789"),
    "merge": (r"<<", "<"),
}
for _tag, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))  # "010" is ten, not eight


def parse_yaml(text: str) -> Any:
    """The value that `text` stands for. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file ({} for an empty one); UserError names the file and the line at fault."""
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}{_line_and_reason(error)}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: must hold `key: value` lines, holds {type(tree).__name__}")
    return tree


def read_with_parents(path: Path, children: tuple[Path, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    """`path` and the files it `extends` (relative to itself), furthest ancestor first, as (name, tree)."""
    path = Path(os.path.normpath(path))
    chain = (*children, path)
    if path in children:
        raise UserError(f"{chain[0]}: extends itself: {' -> '.join(map(str, chain))}")
    if children and not path.exists():
        raise UserError(f"{children[-1]}: extends {path}, which does not exist")
    tree = read_yaml(path)
    parent = tree.pop("extends", None)
    if parent is None:
        return [(str(path), tree)]
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends must name one YAML file, got {parent!r}")
    return [*read_with_parents(path.parent / parent, chain), (str(path), tree)]


def _line_and_reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f", line {error.problem_mark.line + 1}: {error.problem or error.context}"
    return f": {error}"
