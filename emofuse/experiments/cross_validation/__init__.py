"""Every fold of a protocol, and one report over all of them."""

from emofuse.experiments.cross_validation.report import write_cross_report
from emofuse.experiments.cross_validation.run import CrossValidation, cross_validate

__all__ = ["CrossValidation", "cross_validate", "write_cross_report"]
