"""Sentiment metrics as the field computes them for CMU-MOSI and CMU-MOSEI (−3..3), and for CH-SIMS (−1..1).

The published formulas leave gaps; the numbers in the papers come from a few lines that everybody shares
(those of MulT and of the MMSA toolkit). What they do, and what is done here:

* **MAE** is mean |y − ŷ|, **Corr** is Pearson's, both on the scores as they are, unclipped.
* **Acc-7** clips truth and prediction to [−3, 3], rounds both to the nearest whole number (halves to the even
  one, as numpy does: 0.5 → 0, 1.5 → 2, 2.5 → 2), and counts equal ones; **Acc-5** does so with [−2, 2].
  Both mean nothing on a scale other than −3..3.
* **Acc-2, F1 negative/non-negative** compares y ≥ 0 with ŷ ≥ 0 on all utterances.
* **Acc-2, F1 negative/positive** leaves out the utterances whose *true* score is exactly 0, and compares
  y > 0 with ŷ > 0 on the others; a predicted 0 counts as negative.
* **F1** is the F1 of both classes averaged by their true support. Some published code passes prediction and
  truth in the wrong order, which weights by the predicted counts; that slip is not repeated.

Where no true score lies beyond −1..1, the metrics of CH-SIMS stand beside them, on all utterances. All
intervals are closed at their upper end:

* **Acc-2, F1 non-positive/positive** compares y > 0 with ŷ > 0; a true 0 counts with the negative ones.
* **Acc-3 (CH-SIMS)** has the classes up to −0.1, up to 0.1, and above.
* **Acc-5 (CH-SIMS)** has the classes up to −0.7, up to −0.1, up to 0.1, up to 0.7, and above.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.class_sums import metrics_from_confusions
from emofuse.evaluation.metrics.classification import json_interval, json_number
from emofuse.evaluation.metrics.intervals import Interval, bootstrap_intervals, group_indices, group_sums
from emofuse.evaluation.metrics.labels import check_same_length

METRICS = (
    "mae",
    "corr",
    "acc2_nonnegative",
    "f1_nonnegative",
    "acc2_positive",
    "f1_positive",
    "acc5",
    "acc7",
)
UNIT_METRICS = ("acc2_nonpositive", "f1_nonpositive", "acc3_sims", "acc5_sims")
"""Those of CH-SIMS, for scores from −1 to 1."""
NOT_SHARES = ("mae", "corr")
"""Metrics that are no part of one, and are not shown in percent."""
_THREE, _FIVE = (-0.1, 0.1), (-0.7, -0.1, 0.1, 0.7)


@dataclass(frozen=True)
class SentimentReport:
    """All sentiment metrics of one set of predictions; the module's docstring says exactly how.

    Attributes:
        n: utterances.
        n_nonzero: utterances whose true score is not 0, those of the negative/positive metrics.
        groups: independent units resampled for the intervals.
        mae: mean absolute error, in units of the score.
        corr: Pearson correlation; NaN where truth or prediction is constant.
        acc2_nonnegative: accuracy of negative against non-negative.
        f1_nonnegative: its weighted F1.
        acc2_positive: accuracy of negative against positive; NaN where every true score is 0.
        f1_positive: its weighted F1.
        acc5: accuracy of the rounded score in −2..2.
        acc7: accuracy of the rounded score in −3..3.
        intervals: metric → 95 % bootstrap interval; empty when not asked for.
        unit_scale: the metrics of CH-SIMS; empty where a true score lies beyond −1..1.
    """

    n: int
    n_nonzero: int
    groups: int
    mae: float
    corr: float
    acc2_nonnegative: float
    f1_nonnegative: float
    acc2_positive: float
    f1_positive: float
    acc5: float
    acc7: float
    intervals: dict[str, Interval]
    unit_scale: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The figures by name."""
        return {name: getattr(self, name) for name in METRICS} | self.unit_scale

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; undefined figures are None."""
        return {
            "n": self.n,
            "n_nonzero": self.n_nonzero,
            "groups": self.groups,
            **{name: json_number(value) for name, value in self.metrics.items()},
            "intervals": {name: json_interval(interval) for name, interval in self.intervals.items()},
        }


def sentiment_report(
    y_true: Sequence[float] | np.ndarray,
    y_pred: Sequence[float] | np.ndarray,
    groups: Sequence[Hashable] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> SentimentReport:
    """Every sentiment metric of one set of predictions.

    Args:
        y_true: N true scores.
        y_pred: N predicted scores.
        groups: N group names (videos or dialogues): intervals then resample whole groups.
        bootstrap: resamples for the 95 % intervals; 0 leaves them out.
        seed: of the resampling.

    Raises:
        EmofuseError: nothing to evaluate, lengths that differ, a score that is NaN, infinite or no number.
    """
    from sklearn.metrics import accuracy_score, mean_absolute_error

    n = check_same_length(y_true=y_true, y_pred=y_pred)
    true, predicted = _scores(y_true, "y_true"), _scores(y_pred, "y_pred")
    group = group_indices(groups, n)
    nonzero = true != 0
    return SentimentReport(
        n=n,
        n_nonzero=int(nonzero.sum()),
        groups=int(group.max()) + 1,
        mae=float(mean_absolute_error(true, predicted)),
        corr=_pearson(true, predicted),
        acc2_nonnegative=float(accuracy_score(true >= 0, predicted >= 0)),
        f1_nonnegative=_weighted_f1(true >= 0, predicted >= 0),
        acc2_positive=float(accuracy_score(true[nonzero] > 0, predicted[nonzero] > 0))
        if nonzero.any()
        else np.nan,
        f1_positive=_weighted_f1(true[nonzero] > 0, predicted[nonzero] > 0),
        acc5=float(_same_step(true, predicted, 2).mean()),
        acc7=float(_same_step(true, predicted, 3).mean()),
        intervals=bootstrap_intervals(
            group_sums(sentiment_statistics(true, predicted), group), sentiment_metrics, bootstrap, seed
        ),
        unit_scale=_unit_scale_metrics(true, predicted) if _is_unit_scale(true) else {},
    )


def _scores(values: Sequence[float] | np.ndarray, what: str) -> np.ndarray:
    try:
        scores = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EmofuseError(f"{what}: scores must be numbers ({error})") from error
    if scores.ndim != 1:
        raise EmofuseError(f"{what}: give one score per utterance, not an array of shape {scores.shape}")
    unfit = np.flatnonzero(~np.isfinite(scores))
    if len(unfit):
        raise EmofuseError(f"{what}, row {unfit[0] + 1}: the score is NaN or infinite")
    return scores


def _pearson(true: np.ndarray, predicted: np.ndarray) -> float:
    from scipy.stats import pearsonr

    if len(true) < 2 or np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    return float(pearsonr(true, predicted).statistic)


def _weighted_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(true, predicted, average="weighted")) if len(true) else float("nan")


def _is_unit_scale(true: np.ndarray) -> bool:
    return bool(np.abs(true).max() <= 1)


def _unit_scale_metrics(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import accuracy_score

    values = (
        accuracy_score(true > 0, predicted > 0),
        _weighted_f1(true > 0, predicted > 0),
        _same_class(true, predicted, _THREE).mean(),
        _same_class(true, predicted, _FIVE).mean(),
    )
    return dict(zip(UNIT_METRICS, map(float, values), strict=True))


def _same_class(true: np.ndarray, predicted: np.ndarray, ends: Sequence[float]) -> np.ndarray:
    # In float32, as the files have them: 0.1 from a file is not above 0.1.
    classes = [
        np.digitize(x.astype(np.float32), np.asarray(ends, np.float32), right=True) for x in (true, predicted)
    ]
    return np.equal(*classes)


def _same_step(true: np.ndarray, predicted: np.ndarray, limit: int) -> np.ndarray:
    return np.equal(np.round(np.clip(true, -limit, limit)), np.round(np.clip(predicted, -limit, limit)))


def sentiment_statistics(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What each utterance adds to the metrics, (N, 17); (N, 23) where no true score lies beyond −1..1."""
    # Centring does not change a correlation, and keeps its sums of squares exact.
    x, y = true - true.mean(), predicted - predicted.mean()
    columns = [np.ones_like(x), np.abs(true - predicted), x, y, x * x, y * y, x * y]
    columns += [_same_step(true, predicted, 2), _same_step(true, predicted, 3)]
    rows, nonzero = np.arange(len(x)), true != 0
    cells = np.zeros((len(x), 8))
    cells[rows, 2 * (true >= 0) + (predicted >= 0)] = 1.0
    cells[rows[nonzero], 4 + (2 * (true > 0) + (predicted > 0))[nonzero]] = 1.0
    if not _is_unit_scale(true):
        return np.hstack([np.column_stack(columns), cells])
    same = [_same_class(true, predicted, ends) for ends in (_THREE, _FIVE)]
    signs = np.zeros((len(x), 4))
    signs[rows, 2 * (true > 0) + (predicted > 0)] = 1.0
    return np.hstack([np.column_stack(columns), cells, np.column_stack(same), signs])


def sentiment_metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Metric → (B,) from (B, 17 or 23) sums of :func:`sentiment_statistics`."""
    n, error, x, y, xx, yy, xy, five, seven = sums[:, :9].T
    with np.errstate(invalid="ignore", divide="ignore"):  # no non-zero score in a resample: NaN, left out
        nonnegative = metrics_from_confusions(sums[:, 9:13].reshape(-1, 2, 2))
        positive = metrics_from_confusions(sums[:, 13:17].reshape(-1, 2, 2))
    found = {
        "mae": error / n,
        "corr": _pearson_from_sums(n, x, y, xx, yy, xy),
        "acc2_nonnegative": nonnegative["accuracy"],
        "f1_nonnegative": nonnegative["weighted_f1"],
        "acc2_positive": positive["accuracy"],
        "f1_positive": positive["weighted_f1"],
        "acc5": five / n,
        "acc7": seven / n,
    }
    if sums.shape[1] > 17:
        signs = metrics_from_confusions(sums[:, 19:23].reshape(-1, 2, 2))
        values = (signs["accuracy"], signs["weighted_f1"], sums[:, 17] / n, sums[:, 18] / n)
        found |= dict(zip(UNIT_METRICS, values, strict=True))
    return found


def _pearson_from_sums(
    n: np.ndarray, x: np.ndarray, y: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray
) -> np.ndarray:
    var_x, var_y = xx - x * x / n, yy - y * y / n
    varies = (var_x > 1e-12 * np.maximum(xx, 1e-300)) & (var_y > 1e-12 * np.maximum(yy, 1e-300))
    out = np.full(len(n), np.nan)
    np.divide(xy - x * y / n, np.sqrt(np.abs(var_x * var_y)), out=out, where=varies)
    return np.clip(out, -1.0, 1.0)
