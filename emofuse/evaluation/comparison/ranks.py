"""Many methods on many blocks: Friedman's test of their ranks, and Nemenyi's critical difference.

Demšar 2006, Statistical comparisons of classifiers over multiple data sets, Journal of Machine Learning Research 7.
There a block is a data set. Whatever it is, blocks must be independent of each other, which seeds on the same test
part are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emofuse.evaluation.metrics.classification import json_number

ALPHA = 0.05


@dataclass(frozen=True)
class RankComparison:
    """Mean ranks of methods, and what differs.

    Attributes:
        ranks: method → mean rank over the blocks, 1 the best; equal scores share their ranks. The best first.
        blocks: how many there are.
        statistic: Friedman's χ², corrected for ties; NaN with fewer than three methods or two blocks.
        p_value: that all methods are alike; NaN likewise.
        critical_difference: of two mean ranks, at 5 % over all pairs (Nemenyi); NaN likewise.
    """

    ranks: dict[str, float]
    blocks: int
    statistic: float
    p_value: float
    critical_difference: float

    @property
    def cliques(self) -> list[tuple[str, ...]]:
        """The largest groups in which no two methods differ; a method alone is none."""
        names, values = list(self.ranks), list(self.ranks.values())
        spans: list[tuple[int, int]] = []
        for first, low in enumerate(values):
            last = max(
                i for i, high in enumerate(values) if high - low < self.critical_difference or i == first
            )
            if last > first and (not spans or last > spans[-1][1]):
                spans.append((first, last))
        return [tuple(names[first : last + 1]) for first, last in spans]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "ranks": dict(self.ranks),
            "blocks": self.blocks,
            "friedman": json_number(self.statistic),
            "p_value": json_number(self.p_value),
            "critical_difference": json_number(self.critical_difference),
            "alike": [list(clique) for clique in self.cliques],
        }


def compare_ranks(scores: Mapping[str, ArrayLike], *, less_is_better: bool = False) -> RankComparison:
    """Rank methods in every block and compare their mean ranks.

    Args:
        scores: method → (N,) its score in each of N blocks.
        less_is_better: the score is an error.

    Raises:
        ValueError: no methods, or different numbers of blocks.
    """
    from scipy.stats import friedmanchisquare, rankdata

    columns = [np.asarray(values, dtype=np.float64) for values in scores.values()]
    if not columns or len({column.shape for column in columns}) > 1:
        raise ValueError("every method needs a score in every block")
    table = np.round(np.column_stack(columns), 12)  # rounding of sums must not break a tie
    blocks, methods = table.shape
    mean = rankdata(table if less_is_better else -table, axis=1).mean(axis=0)
    order = np.argsort(mean, kind="stable")
    names = list(scores)
    statistic = p_value = math.nan
    if methods > 2 and blocks > 1 and np.ptp(table, axis=1).any():
        statistic, p_value = (float(x) for x in friedmanchisquare(*table.T))
    return RankComparison(
        {names[i]: float(mean[i]) for i in order},
        blocks,
        statistic,
        p_value,
        critical_difference(methods, blocks) if methods > 2 and blocks > 1 else math.nan,
    )


def critical_difference(methods: int, blocks: int, alpha: float = ALPHA) -> float:
    """The least difference of two mean ranks that counts, q·√(k(k + 1) / 6N) (Demšar 2006, §3.2.2).

    Args:
        methods: k, two or more.
        blocks: N.
        alpha: error rate over all pairs.
    """
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - alpha, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * blocks)))
