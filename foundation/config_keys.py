"""Which keys a config schema knows, and which of them somebody probably meant."""

import difflib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag

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
    others = {name for name in _all_keys(schema) if name.rpartition(".")[2] == last}
    namesakes = sorted(others - {dotted(path)})
    if namesakes:
        return f"did you mean {' or '.join(namesakes[:3])}?"
    return f"the keys here are {', '.join(siblings)}"


def kinds_at(schema: type[BaseModel], tree: dict[str, Any], path: Path) -> str:
    """The values of `kind` that the section at `path` may have, as `mae, clip`."""
    return ", ".join(str(kind) for model in models_at(schema, tree, path) for kind in _kinds(model))


def models_at(schema: type[BaseModel], tree: Any, path: Path) -> list[type[BaseModel]]:
    """The config classes that the section at `path` of `tree` may be; one, where its `kind` or the form it
    is written in says which."""
    places: list[Any] = [schema]
    for part in path:
        tree = tree[part]
        places = [inner for place in places for inner in _inside(place, part, tree)]
        kind = tree.get("kind") if isinstance(tree, dict) else None
        places = [place for place in places if kind in _kinds(place)] or places
    return [place for place in places if _is_model(place)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _inside(place: Any, part: str | int, value: Any) -> Iterator[Any]:
    """What `value`, at `part` of a section, a mapping or a list, may be."""
    if _is_model(place):
        field = place.model_fields.get(part)
        if field is not None:
            yield from _members(field.annotation, field.metadata, value)
    elif isinstance(part, int) or get_origin(place) is dict:
        for argument in get_args(place)[isinstance(part, str) :]:  # a mapping's keys are no section
            yield from _members(argument, (), value)


def _members(annotation: Any, notes: Iterable[Any], value: Any) -> Iterator[Any]:
    """A union's members, or those of the form that `value` has, if a note tells; anything else itself."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _members(arguments[0], arguments[1:], value)
    elif origin in (Union, UnionType):
        tellers = [note.discriminator for note in notes if isinstance(note, Discriminator)]
        tags = [Tag(str(tell(value))) for tell in tellers if callable(tell)]
        chosen = [member for member in arguments if any(tag in get_args(member) for tag in tags)]
        for member in chosen or arguments:
            yield from _members(member, (), value)
    else:
        yield annotation


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


def _kinds(place: Any) -> tuple[Any, ...]:
    field = place.model_fields.get("kind") if _is_model(place) else None
    return get_args(field.annotation) if field else ()


def _all_keys(schema: type[BaseModel], prefix: str = "", depth: int = 6) -> Iterator[str]:
    if depth == 0:  # a config class that holds itself
        return
    for name, field in schema.model_fields.items():
        yield prefix + name
        inner = f"{prefix}{name}.NAME." if get_origin(field.annotation) is dict else f"{prefix}{name}."
        for model in _classes(field.annotation):
            yield from _all_keys(model, inner, depth - 1)
