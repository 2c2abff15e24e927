from .inspect import Inspection, inspect_features

__all__ = ["Inspection", "inspect_features"]
