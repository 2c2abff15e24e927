"""Which of several runs is better on the same utterances: paired tests, intervals, disagreements."""

from emofuse.evaluation.comparison.paired import Comparison, compare_predictions

__all__ = ["Comparison", "compare_predictions"]
