"""What frozen features know, measured honestly: probes, baselines, intervals, reports.

Lives here: features of a split, linear and nearest-neighbour probes, zero-shot, metrics, bootstrap, folds and
the table. Does not: training of encoders or teachers (a teacher is handed in), and anything about datasets'
files.
"""

from .probe import ProbeConfig, probe
from .report import ProbeReport

__all__ = ["ProbeConfig", "ProbeReport", "probe"]
