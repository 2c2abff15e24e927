"""What is in a published feature file, what leaks, what made it, and how to make the like from recordings."""

from emofuse.evaluation.inspection.inspect import Inspection, inspect_features

__all__ = ["Inspection", "inspect_features"]
