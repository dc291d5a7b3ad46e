"""The audit of a model: does it serve some people, or some pictures, worse than others?

Lives here: groups by attributes that the user names, gaps between them with intervals and tests, calibration
and abstention by group, corrupted images, what the audit itself is worth (`self_test`), and the page. Not
here: audits of a dataset (`evaluation.audit`), loading a model (handed in, from `finetune`), and any use of
an attribute but this one: nothing is trained, sampled or chosen by it.
"""

from .audit import audit
from .config import ModelAuditConfig
from .self_test import self_test

__all__ = ["ModelAuditConfig", "audit", "self_test"]
