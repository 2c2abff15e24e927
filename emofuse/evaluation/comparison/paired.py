"""Is one run better than another on the same utterances? Paired bootstrap and McNemar's test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.intervals import (
    Interval,
    check_resamples,
    group_indices,
    group_sums,
    percentile_interval,
    resample,
)
from emofuse.evaluation.metrics.labels import Labels, check_classes, check_same_length, class_indices


@dataclass(frozen=True)
class PairedDifference:
    """One metric of two runs on the same utterances.

    Attributes:
        a: the metric of run a.
        b: that of run b.
        difference: b − a; above 0, b is better.
        interval: 95 % bootstrap interval of the difference, NaN with fewer than two groups.
        p_value: two-sided, from the same resamples: twice the share of them in which the sign is not that of
            the difference; NaN with fewer than two groups.
    """

    a: float
    b: float
    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class McNemar:
    """Exact McNemar test on the utterances that only one of two runs has right.

    Attributes:
        only_a: right in a, wrong in b.
        only_b: right in b, wrong in a.
        p_value: two-sided binomial; 1 where there are none.
    """

    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same utterances.

    Attributes:
        n: utterances.
        groups: independent units that were resampled.
        accuracy: the paired difference of the accuracy.
        weighted_f1: that of the weighted F1.
        mcnemar: the test on the accuracy that takes utterances as independent of each other; within dialogues
            they are not, so where groups were given trust the bootstrap.
    """

    n: int
    groups: int
    accuracy: PairedDifference
    weighted_f1: PairedDifference
    mcnemar: McNemar

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "n": self.n,
            "groups": self.groups,
            "accuracy": _difference_dict(self.accuracy),
            "weighted_f1": _difference_dict(self.weighted_f1),
            "mcnemar": {
                "only_a": self.mcnemar.only_a,
                "only_b": self.mcnemar.only_b,
                "p_value": self.mcnemar.p_value,
            },
        }


def _difference_dict(paired: PairedDifference) -> dict[str, Any]:
    known = not np.isnan(paired.p_value)
    return {
        "a": paired.a,
        "b": paired.b,
        "difference": paired.difference,
        "interval": list(paired.interval) if known else None,
        "p_value": paired.p_value if known else None,
    }


def compare_predictions(
    a: Labels,
    b: Labels,
    y_true: Labels,
    labels: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    bootstrap: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two runs' predictions of the same utterances.

    Args:
        a: N predicted labels of the first run, as names or as indices into ``labels``.
        b: N predicted labels of the second run, in the same order of utterances.
        y_true: N true labels.
        labels: the classes; by default the distinct names that appear (indices need them named).
        groups: N group names (dialogues): whole groups are resampled.
        bootstrap: resamples.
        seed: of the resampling.

    Returns:
        The differences b − a of accuracy and weighted F1 with intervals and p-values, and McNemar's test.

    Raises:
        EmofuseError: nothing to compare, lengths that differ, an unknown label, no resamples.
    """
    check_resamples(bootstrap)
    if bootstrap == 0:
        raise EmofuseError("bootstrap=0: a comparison needs resamples, 1000 or more")
    n = check_same_length(a=a, b=b, y_true=y_true)
    classes = check_classes(_names(a, b, y_true) if labels is None else labels)
    true = class_indices(y_true, classes, "y_true")
    first, second = class_indices(a, classes, "a"), class_indices(b, classes, "b")
    group = group_indices(groups, n)
    sums = group_sums(_statistics(true, first, second, len(classes)), group)
    accuracy, weighted_f1 = _paired(sums, bootstrap, seed)
    return Comparison(n, len(sums), accuracy, weighted_f1, mcnemar(first == true, second == true))


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> McNemar:
    """Exact McNemar test: under the null hypothesis a discordant utterance is either run's by a fair coin.

    Args:
        right_a: (N,) bool, which utterances run a has right.
        right_b: (N,) bool, which run b has right.
    """
    from scipy.special import bdtr

    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    discordant = only_a + only_b
    # The exact test; scipy's own function for it comes with all of its statistics, a second of start-up.
    p_value = min(1.0, 2.0 * float(bdtr(min(discordant - only_b, only_b), discordant, 0.5)))
    return McNemar(only_a, only_b, p_value)


def _names(*columns: Labels) -> list[str]:
    names = {value for column in columns for value in column}
    if not all(isinstance(name, str) for name in names):
        raise EmofuseError("labels: name the classes when the predictions are class indices")
    return sorted(str(name) for name in names)


def _statistics(true: np.ndarray, a: np.ndarray, b: np.ndarray, c: int) -> np.ndarray:
    # Accuracy and F1 need no whole confusion matrix: per class support, and per run hits and predictions.
    one_hot = np.eye(c)
    support = one_hot[true]
    blocks = [support]
    for predicted in (a, b):
        blocks += [support * (predicted == true)[:, None], one_hot[predicted]]
    return np.hstack(blocks)


def _metrics(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, B) accuracies and weighted F1s of both runs from (B, 5·C) sums."""
    support, *runs = np.split(sums, 5, axis=1)
    total = support.sum(axis=1)
    accuracy, weighted_f1 = [], []
    for hits, predicted in (runs[:2], runs[2:]):
        f1 = np.divide(2 * hits, support + predicted, out=np.zeros_like(hits), where=support + predicted > 0)
        accuracy.append(hits.sum(axis=1) / total)
        weighted_f1.append((f1 * support).sum(axis=1) / total)
    return np.array(accuracy), np.array(weighted_f1)


def _paired(sums: np.ndarray, bootstrap: int, seed: int) -> list[PairedDifference]:
    observed = _metrics(sums.sum(axis=0, keepdims=True))
    drawn = _metrics(resample(sums, bootstrap, seed)) if len(sums) > 1 else [None] * len(observed)
    return [
        paired_difference(float(a), float(b), None if both is None else both[1] - both[0])
        for ((a,), (b,)), both in zip(observed, drawn, strict=True)
    ]


def paired_difference(a: float, b: float, resampled: np.ndarray | None) -> PairedDifference:
    """A difference of two runs with what the resamples say about it.

    Args:
        a: the metric of the first run.
        b: that of the second.
        resampled: (B,) second minus first in each resample; None where there was nothing to resample.
    """
    if resampled is None or np.isnan(resampled).all():
        return PairedDifference(a, b, b - a, Interval(np.nan, np.nan), float("nan"))
    resampled = resampled[~np.isnan(resampled)]
    return PairedDifference(a, b, b - a, percentile_interval(resampled), _p_value(resampled))


def _p_value(differences: np.ndarray) -> float:
    # The added one keeps the value above 0: B resamples cannot show less than 1 / (B + 1).
    differences = np.round(differences, 12)  # a tie must not be broken by rounding
    tails = [1 + int((differences <= 0).sum()), 1 + int((differences >= 0).sum())]
    return min(1.0, 2 * min(tails) / (len(differences) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several p-values, in their order (Holm 1979).

    The k-th smallest of m is multiplied by m − k + 1, and none falls below the one before it. A NaN stays,
    and is no comparison.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    corrected, least = [float("nan")] * len(p_values), 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[i] = least
    return corrected
