"""The linear models that stand beside every run: fitted on its features and its split, scored as it is."""

from emofuse.inference.baselines.fit import fit_baselines
from emofuse.inference.baselines.scores import BaselineScore, baseline_scores, verdict

__all__ = ["BaselineScore", "baseline_scores", "fit_baselines", "verdict"]
