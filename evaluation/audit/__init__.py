"""The audit of a shard set: what is wrong with a dataset, before anything is trained on it.

Lives here: duplicates and leaks, placeholders, class balance, what attributes give away, label doubts,
raters' disagreement, annotated against measured light; and the page that shows them. Not here: audits of
models (fairness, robustness), and any change to the data: findings become an overlay or another build.
"""

from .audit import AuditConfig, audit

__all__ = ["AuditConfig", "audit"]
