"""The built-in dataset: pictures drawn on the spot, in EmoSet's native layout, with every label known.

Here live the drawing (canvas, styles, faces, people, objects, scenes, air), the tables that say what goes
with which emotion (`cues`), and the writing of the dataset. Nothing here reads other datasets, and nothing
here is needed to read this one: it is read like EmoSet.
"""

from .plan import SynthesizeConfig
from .report import SynthesizeReport
from .synthesize import synthesize

__all__ = ["SynthesizeConfig", "SynthesizeReport", "synthesize"]
