from .paired import Comparison, compare_predictions

__all__ = ["Comparison", "compare_predictions"]
