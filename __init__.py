"""vemo: what an image makes a person feel, and what a face or a painting expresses.

The repository root is this package; each folder beside this file is one room of the
house (`vemo.datasets`, `vemo.training`, ...). `tests/test_house.py` says who may import whom.
"""

__version__ = "0.1.0"
