"""Bootstrap intervals that respect which utterances belong together.

Utterances of one dialogue are not independent: resampling them one by one gives intervals that are too
narrow. Here whole groups (dialogues) are drawn with replacement. Every metric of this package is a
function of sums over utterances (a confusion matrix is a sum of one-hot matrices), so a resample is a
weighted sum of per-group sums and never touches an utterance again: B resamples of G groups cost one
(B, G) × (G, K) product.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

_CHUNK_CELLS = 8_000_000  # weights of one chunk of resamples: 64 MB of float64


class Interval(NamedTuple):
    """A percentile interval; both ends are NaN where it cannot be estimated."""

    low: float
    high: float


def check_resamples(bootstrap: int) -> None:
    """Refuse a number of resamples that is not a whole number from 0 up.

    Raises:
        EmofuseError: it is negative.
    """
    if bootstrap < 0:
        raise EmofuseError(f"bootstrap={bootstrap}: give the number of resamples, or 0 for no intervals")


def group_indices(groups: Sequence[Hashable] | None, n: int) -> np.ndarray:
    """Number the groups: (n,) integers from 0 up; without groups every utterance is its own.

    An utterance whose group is ``None`` or NaN is its own too.

    Raises:
        EmofuseError: there are not n groups.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise EmofuseError(
            f"{counted(len(groups), 'group')} for {counted(n, 'utterance')}: give one (its dialogue) for each"
        )
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(_group_key(i, group), len(seen)) for i, group in enumerate(groups)])


def _group_key(row: int, group: Any) -> Hashable:
    absent = group is None or group != group  # NaN is the one value that differs from itself
    return ("row", row) if absent else ("group", group)


def group_sums(statistics: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum the rows of each group.

    Args:
        statistics: (n, K) one row per utterance.
        groups: (n,) group numbers from :func:`group_indices`.

    Returns:
        (G, K) float64.
    """
    sums = np.zeros((int(groups.max()) + 1, statistics.shape[1]))
    np.add.at(sums, groups, statistics)
    return sums


def resample(sums: np.ndarray, bootstrap: int, seed: int) -> np.ndarray:
    """Draw G groups with replacement, ``bootstrap`` times, and add up their sums.

    Args:
        sums: (G, K) per-group sums.
        bootstrap: number of resamples B.
        seed: of the draw.

    Returns:
        (B, K) sums over each resample.
    """
    rng = np.random.default_rng(seed)
    count = len(sums)
    rows = max(1, _CHUNK_CELLS // count)
    drawn = np.empty((bootstrap, sums.shape[1]))
    for start in range(0, bootstrap, rows):
        size = min(rows, bootstrap - start)
        picks = rng.integers(0, count, size=(size, count)) + np.arange(size)[:, None] * count
        weights = np.bincount(picks.ravel(), minlength=size * count).reshape(size, count)
        drawn[start : start + size] = weights.astype(np.float64) @ sums
    return drawn


def percentile_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """The middle ``level`` of the values; resamples in which a metric is undefined (NaN) do not count."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(np.nan, np.nan)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, (tail, 1.0 - tail))
    return Interval(float(low), float(high))


def interval_words(interval: tuple[float, float], scale: float = 1.0, digits: int = 3) -> str:
    """``95 % 61.2 to 70.3``, or why there is no interval.

    Args:
        interval: low and high end; NaN where there is none.
        scale: both are multiplied by it, 100 for percent.
        digits: after the point.
    """
    low, high = (scale * end for end in interval)
    if not (np.isfinite(low) and np.isfinite(high)):
        return "no interval: that takes utterances of two dialogues"
    return f"95 % {low:.{digits}f} to {high:.{digits}f}"


def bootstrap_intervals(
    sums: np.ndarray,
    metrics: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of metrics that are functions of sums.

    Args:
        sums: (G, K) per-group sums from :func:`group_sums`.
        metrics: maps (B, K) sums to metric name → (B,) values.
        bootstrap: number of resamples B.
        seed: of the draw.
        level: coverage.

    Returns:
        Metric name → interval. With fewer than two groups there is nothing to resample and the ends are NaN;
        with ``bootstrap=0`` the dictionary is empty.

    Raises:
        EmofuseError: ``bootstrap`` is negative.
    """
    check_resamples(bootstrap)
    if bootstrap == 0:
        return {}
    if len(sums) < 2:
        return dict.fromkeys(metrics(sums), Interval(np.nan, np.nan))
    values = metrics(resample(sums, bootstrap, seed))
    return {name: percentile_interval(column, level) for name, column in values.items()}
