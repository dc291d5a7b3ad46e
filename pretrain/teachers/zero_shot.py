"""A teacher for the benchmark suite's zero-shot protocol, from its config section."""

from typing import Any

from ...datasets.stream import ShardSet
from ...foundation.config import load_config
from ..config import TeacherConfig
from .load import load_teacher
from .teacher import Teacher


def zero_shot_teacher(settings: dict[str, Any]) -> Teacher:
    """The teacher that a `teacher` section names, on the CPU.

    A stand-in or a pair is fitted on `settings["shards"]`, so what it then says of those is no zero-shot.
    Raises UserError as `load_teacher`, and for settings that a teacher does not have.
    """
    given = [f"{key}={value}" for key, value in settings.items()]
    config = load_config(TeacherConfig, None, given)
    shards = ShardSet(config.shards) if config.shards else None
    return load_teacher(config.name, config.options(), shards, config.cache)
