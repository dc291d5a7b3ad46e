"""The frozen teachers whose space the student is pulled towards.

Here: `Teacher`, its three kinds (`open_clip:…`, `stand-in`, `pair:…+…`) and what fits the latter two.
Not here: the student and its losses, the sentences' wording (`pretrain/sentences.py`), probes.
"""

from .load import load_teacher
from .options import PairOptions, StandInOptions, TeacherOptions
from .teacher import Teacher

__all__ = ["PairOptions", "StandInOptions", "Teacher", "TeacherOptions", "load_teacher"]
