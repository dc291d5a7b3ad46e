"""Configs: frozen pydantic models, kept next to the class they configure, filled from YAML and `key=value`.

```
config = load_config(PretrainConfig, "configs/pretrain/tiny.yaml", ["optim.lr=5e-4", "objective.kind=clip"])
```
A file may say `extends: other.yaml`: sections are merged key by key, lists and scalars replaced. On the
command line `section.key=value` sets one key and `section={...}` replaces the section; values are YAML, an
empty one is null. Where a section's `kind` changes, what was said for the old kind is dropped.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .config_errors import Layer, Problem, explain, report
from .strict_yaml import parse_yaml, read_with_parents

COMMAND_LINE = "the command line"


class Config(BaseModel):
    """Base of every config section: unknown keys are errors, values cannot change after validation.

    Scalars are read leniently ("1e-3" in quotes is a number all the same).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


AnyConfig = TypeVar("AnyConfig", bound=Config)


def load_config(schema: type[AnyConfig], path: str | Path | None, overrides: Iterable[str] = ()) -> AnyConfig:
    """A validated `schema` from the YAML file at `path` (None: defaults only) and `key=value` overrides.

    Raises UserError with all mistakes at once, each with where it was made.
    """
    layers = [Layer(name, tree) for name, tree in (read_with_parents(Path(path)) if path is not None else [])]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.tree)
    settings, problems = _parse_overrides(overrides)
    given: dict[str, Any] = {}
    for keys, value in settings:
        _set(merged, keys, value)
        _set(given, keys, value)
    layers.append(Layer(COMMAND_LINE, given))
    try:
        config = schema.model_validate(merged)
    except ValidationError as error:
        problems += explain(schema, merged, layers, error)
        config = None
    if config is None or problems:
        raise report(str(path) if path is not None else COMMAND_LINE, problems)
    return config


def config_schema(schema: type[Config]) -> dict[str, Any]:
    """The JSON schema of a config, `extends` included, for editors to complete and check the YAML by."""
    described = schema.model_json_schema()
    extends = {"type": "string", "description": "another YAML file, relative to this one, to start from"}
    described.setdefault("properties", {})["extends"] = extends
    # A file may leave to its parent or to the command line what the whole config must have.
    described.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def dump_config(config: Config) -> str:
    """The resolved config, defaults included, as YAML that `load_config` reads back to an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, section by section; a section of another `kind` takes nothing from the old."""
    if "kind" in base and "kind" in over and base["kind"] != over["kind"]:
        return over
    merged = dict(base)
    for key, value in over.items():
        old = base.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _parse_overrides(overrides: Iterable[str]) -> tuple[list[tuple[list[str], Any]], list[Problem]]:
    """(dotted keys, value) of each override in the order to apply them, and those that are not key=value.

    Parents come before children and `kind` before its siblings: make hands overrides over in any order.
    """
    settings, problems = [], []
    for override in overrides:
        name, equals, text = override.partition("=")
        keys = name.strip().split(".")
        if not equals or not all(keys):
            problems.append(Problem(f"{override!r} is not key=value", COMMAND_LINE))
            continue
        try:
            value = parse_yaml(text)
        except yaml.YAMLError:
            value = text  # "@file", "[1," and the like: text, unless the schema says otherwise
        settings.append((keys, value))
    settings.sort(key=lambda setting: (len(setting[0]), setting[0][-1] != "kind"))
    return settings, problems


def _set(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a dotted key in place; what stands in the way of a section is replaced by one."""
    *parents, last = keys
    for key in parents:
        section = tree.get(key)
        # A copy, because sections are shared with the layers that mistakes are traced to.
        tree[key] = dict(section) if isinstance(section, dict) else {}
        tree = tree[key]
    if last == "kind" and tree.get("kind") != value:
        tree.clear()
    tree[last] = value
