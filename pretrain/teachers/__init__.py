"""The frozen teachers whose space the student is pulled towards.

Here: `Teacher`, its three kinds (`open_clip:…`, `stand-in`, `pair:…+…`) and what fits the latter two, and
`CachedTeacher`, which reads what one of them said before.
Not here: the student and its losses, the sentences' wording (`pretrain/sentences.py`), probes.
"""

from .cached import CachedTeacher, open_cached
from .load import load_teacher
from .options import PairOptions, StandInOptions, TeacherOptions
from .teacher import Teacher

AnyTeacher = Teacher | CachedTeacher

__all__ = [
    "AnyTeacher",
    "CachedTeacher",
    "PairOptions",
    "StandInOptions",
    "Teacher",
    "TeacherOptions",
    "load_teacher",
    "open_cached",
]
