from .fit import fit_baselines
from .scores import BaselineScore, baseline_scores, verdict

__all__ = ["BaselineScore", "baseline_scores", "fit_baselines", "verdict"]
