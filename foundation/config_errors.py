"""pydantic's findings as a person would tell them: which key, what is wrong, who wrote it, what was meant."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from .config_keys import Path, dotted, kinds_at, suggestion
from .errors import UserError


@dataclass(frozen=True)
class Layer:
    """One source of settings: a file or the command line, and the tree of what it says."""

    origin: str
    tree: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One mistake; `origin` is empty where nobody wrote the value (a missing key)."""

    message: str
    origin: str = ""


def report(heading: str, problems: list[Problem]) -> UserError:
    """All problems as one UserError, their origins aligned in a column."""
    width = max((len(problem.message) for problem in problems if problem.origin), default=0) + 6
    lines = [f"{heading}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"]
    for problem in problems:
        origin = f"from {problem.origin}" if problem.origin else ""
        lines.append(f"  {problem.message:<{width}}{origin}".rstrip())
    return UserError("\n".join(lines))


def explain(
    schema: type[BaseModel], tree: dict[str, Any], layers: list[Layer], error: ValidationError
) -> list[Problem]:
    """The problems in `tree`, in the order of the schema; `layers` (weakest first) tell who wrote a value."""
    found: dict[tuple[Path, bool], list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _without_union_tags(detail["loc"], tree)
        is_missing = detail["type"] in ("missing", "union_tag_not_found") and not isinstance(path[-1], int)
        messages = found.setdefault((path, is_missing), [])
        message = _message(schema, tree, path, detail)
        if message not in messages:
            messages.append(message)
    # The members of a plain union (`int | Literal["auto"]`) all complain of one path: one line for them.
    return [
        Problem(_join(messages), "" if is_missing else _origin(path, layers))
        for (path, is_missing), messages in found.items()
    ]


# What pydantic says at length, by the first word of its error type.
_REQUIREMENTS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text",
    "list": "must be a list",
    "tuple": "must be a list",
    "model": "must be a section of keys",
    "dict": "must be a section of keys",
}


def _message(schema: type[BaseModel], tree: dict[str, Any], path: Path, detail: Any) -> str:
    kind, name, context, given = detail["type"], dotted(path), detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        return f"unknown key {name} ({suggestion(schema, tree, path)})"
    if kind == "missing" and isinstance(path[-1], int):
        return f"{dotted(path[:-1])}: must have more than {path[-1]} values, got {_shown(given)}"
    if kind == "missing":
        return f"missing key {name} (set it in the file, or with {name}=... on the command line)"
    if kind == "union_tag_not_found":
        return f"missing key {name}.kind (one of {kinds_at(schema, tree, path)})"
    if kind == "union_tag_invalid":
        choices = context["expected_tags"].replace("'", "")
        return f"{name}.kind: must be one of {choices}, got {_shown(context['tag'])}"
    if kind == "value_error" and not path:  # a rule over several keys: it names them itself
        return str(context["error"])
    if kind == "value_error":
        requirement = str(context["error"])
    elif kind.endswith(("_type", "_parsing", "_from_float")) and kind.split("_")[0] in _REQUIREMENTS:
        requirement = _REQUIREMENTS[kind.split("_")[0]]
    else:
        requirement = detail["msg"].replace("Input should be", "must be").replace("Input should", "must")
    return f"{name}: {requirement}, got {_shown(given)}"


def _join(messages: list[str]) -> str:
    """`k: must be A, got X` and `k: must be B, got X` as `k: must be A or B, got X`."""
    *others, last = messages
    heads = [message.rpartition(", got ")[0] for message in others]
    name, separator, requirement = last.partition(": must be ")
    if not heads or not all(heads) or not separator:
        return "; ".join(messages)
    return f"{name}: " + " or ".join([head.partition(": ")[2] for head in heads] + [requirement])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _without_union_tags(location: Path, tree: Any) -> Path:
    """pydantic writes `objective.mae.mask_ratio`; people wrote `objective.mask_ratio`.

    Tags are told from keys by walking what was written: a tag is the section's own `kind`, or a name that is
    not in the section and not the last of the path (the name of a missing key).
    """
    path: list[str | int] = []
    tag_seen = False
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(tree, dict) and tree.get("kind") == part and not tag_seen:
            tag_seen = True
        elif isinstance(tree, dict) and (part in tree or is_last) and not str(part).startswith("["):
            path.append(part)
            tree, tag_seen = tree.get(part), False
        elif isinstance(tree, list) and isinstance(part, int):
            path.append(part)
            tree, tag_seen = tree[part] if part < len(tree) else None, False
    return tuple(path)


def _origin(path: Path, layers: list[Layer]) -> str:
    """The strongest layer that says something at `path`, or else at the section around it."""
    for length in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _contains(layer.tree, path[:length]):
                return layer.origin
    return ""


def _contains(tree: Any, path: Path) -> bool:
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
