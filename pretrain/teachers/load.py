"""From a teacher's spec to the teacher."""

from pathlib import Path

from ...datasets.stream import ShardSet
from ...foundation.errors import UserError
from ...training import World, join_world
from ..sentences import SentenceBuilder, SentenceConfig
from .open_clip import load_open_clip
from .options import TeacherOptions
from .pair import load_pair
from .reading import Sentence
from .stand_in import load_stand_in
from .teacher import Teacher

KINDS = "open_clip:<model>/<tag or file>, stand-in, pair:<image encoder>+<text encoder>"


def load_teacher(
    spec: str,
    options: TeacherOptions | None = None,
    shards: ShardSet | None = None,
    cache: Path | str = "runs/teachers",
    sentence: Sentence | None = None,
    world: World | None = None,
) -> Teacher:
    """The frozen teacher that `spec` names, on the CPU; `teacher.to(device)` moves it.

    Args:
        spec: `open_clip:<model>/<tag or file>`; `stand-in`; `pair:<image encoder>+<text encoder>`.
        options: normalisation, precision, and the settings of the two stand-ins.
        shards: what the stand-ins are fitted on (their train split only); a CLIP needs none.
        cache: where fitted stand-ins and downloads are kept; a rerun with the same shards, sentences and
            options loads what is there, and an interrupted fit goes on.
        sentence: record → sentence, the one the student's texts come from; by default the builder's.
        world: the processes that train together (fits use them all); by default torchrun's.
    Raises:
        UserError: an unknown spec, weights that cannot be had, a stand-in without shards.
    """
    options = options or TeacherOptions()
    sentence = sentence or SentenceBuilder(SentenceConfig())
    world = world or join_world()
    cache = Path(cache)
    kind, _, source = spec.partition(":")
    if kind == "open_clip" and source:
        return load_open_clip(source, options, cache)
    if spec == "stand-in":
        return load_stand_in(options, shards, cache, sentence, world)
    if kind == "pair" and source:
        return load_pair(source, options, shards, cache, sentence, world)
    raise UserError(f"teacher {spec!r}: unknown; there are {KINDS}")
