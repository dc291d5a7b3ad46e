"""Which keys a config schema knows, and which of them somebody probably meant."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """`("optim", "betas", 0)` as `optim.betas.0`."""
    return ".".join(map(str, path))


def suggestion(schema: type[BaseModel], tree: dict[str, Any], path: Path) -> str:
    """For an unknown key at `path`: a key beside it, else a namesake elsewhere, else what keys there are."""
    *around, last = path
    models = models_at(schema, tree, tuple(around))
    siblings = list(dict.fromkeys(name for model in models for name in model.model_fields))
    close = difflib.get_close_matches(str(last), siblings, n=1)
    if close:
        return f"did you mean {dotted((*around, close[0]))}?"
    kinds = _kinds(models[0]) if len(models) == 1 else ()
    if kinds:
        return f"kind {kinds[0]} has {', '.join(name for name in siblings if name != 'kind') or 'no keys'}"
    namesakes = sorted(name for name in _all_keys(schema) if name.rpartition(".")[2] == last)
    if namesakes:
        return f"did you mean {' or '.join(namesakes[:3])}?"
    return f"the keys here are {', '.join(siblings)}"


def kinds_at(schema: type[BaseModel], tree: dict[str, Any], path: Path) -> str:
    """The values of `kind` that the section at `path` may have, as `mae, clip`."""
    return ", ".join(str(kind) for model in models_at(schema, tree, path) for kind in _kinds(model))


def models_at(schema: type[BaseModel], tree: Any, path: Path) -> list[type[BaseModel]]:
    """The config classes that the section at `path` of `tree` may be; one, where its `kind` says which."""
    models = [schema]
    for part in path:
        tree = tree[part]
        if isinstance(part, str):  # a list's index leaves us at the classes of its items
            models = [inner for model in models for inner in _models_of_field(model, part)]
        kind = tree.get("kind") if isinstance(tree, dict) else None
        models = [model for model in models if kind in _kinds(model)] or models
    return models


def _models_of_field(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    field = model.model_fields.get(name)
    return list(_classes(field.annotation)) if field else []


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _all_keys(schema: type[BaseModel], prefix: str = "", depth: int = 6) -> Iterator[str]:
    if depth == 0:  # a config class that holds itself
        return
    for name, field in schema.model_fields.items():
        yield prefix + name
        for model in _classes(field.annotation):
            yield from _all_keys(model, f"{prefix}{name}.", depth - 1)
