"""From a head's config to what it asks of a record."""

from ...datasets.taxonomy import label_space
from ...evaluation.metrics import polarities
from ...evaluation.targets import AxisTarget, ClassTarget, HierarchicalTarget, SetTarget, ShareTarget, Targets
from ...foundation.errors import UserError
from .config import DistributionConfig, HeadConfig, HierarchicalConfig, MultilabelConfig, VadConfig


def build_targets(name: str, config: HeadConfig) -> Targets:
    """The targets of the head `name`. Raises UserError for a name that is no plain word."""
    if not name.isidentifier():
        raise UserError(f"heads.{name}: a head's name is letters, digits and _, and starts with no digit")
    if isinstance(config, VadConfig):
        return AxisTarget(name, config.axes)
    if isinstance(config, MultilabelConfig):
        return SetTarget(name, config.space)
    if isinstance(config, DistributionConfig):
        return ShareTarget(name, config.space, with_classes=False)
    soft = config.labels == "soft"
    target = ShareTarget(name, config.space, True) if soft else ClassTarget(name, config.space)
    if isinstance(config, HierarchicalConfig):
        return HierarchicalTarget(target, tuple(polarities(label_space(config.space)).tolist()))
    return target
