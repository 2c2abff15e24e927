"""What is computed of a course over time before it is described: cosine terms, running medians, peaks.

scipy has all three; its module of signals alone takes half as long to import as torch, for every prediction.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

_BLOCK = 8_192


@cache
def cosine_terms(points: int, count: int) -> np.ndarray:
    """(points, count) the first terms of the orthonormal cosine transform (DCT-II); a course times it gives them."""
    moments = (np.arange(points)[:, None] + 0.5) / points
    terms = np.cos(np.pi * moments * np.arange(count)) * np.sqrt(2.0 / points)
    terms[:, 0] /= np.sqrt(2.0)
    return terms


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """(N,) the median over ``width`` values, an odd number, the first and the last repeated at the ends."""
    if len(values) == 0:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, width // 2, mode="edge"), width)
    edges = [*range(0, len(values), _BLOCK), len(values)]
    return np.concatenate([np.median(windows[begin:end], axis=1) for begin, end in pairwise(edges)])


def count_peaks(course: np.ndarray, prominence: float) -> int:
    """How many peaks of (N,) stand out from the deeper of the two valleys around them by ``prominence``, or more.

    A valley reaches to the next higher place, or to the end. A flat top is one peak; the ends are none.
    """
    if len(course) < 3:
        return 0
    levels = course[np.concatenate([[True], course[1:] != course[:-1]])]
    before, after = _lowest_before(levels), _lowest_before(levels[::-1])[::-1]
    rises = levels[1:] > levels[:-1]
    tops = 1 + np.flatnonzero(rises[:-1] & ~rises[1:])
    return int((levels[tops] - np.maximum(before[tops], after[tops]) >= prominence).sum())


def _lowest_before(levels: np.ndarray) -> np.ndarray:
    """(N,) the lowest level from each place back to the last higher one, or to the beginning."""
    lowest = np.empty_like(levels)
    higher: list[tuple[float, float]] = []  # those not yet passed by a higher one, and the lowest before each
    for place, level in enumerate(levels.tolist()):
        low = level
        while higher and higher[-1][0] <= level:
            low = min(low, higher.pop()[1])
        higher.append((level, low))
        lowest[place] = low
    return lowest
