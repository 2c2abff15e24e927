"""The sign of a sentiment as a word."""

from __future__ import annotations

import math

SENTIMENTS = ("negative", "neutral", "positive")


def sentiment_of(score: float) -> str | None:
    """The sign of a sentiment as a label; None for one that is not a number."""
    if math.isnan(score):
        return None
    return SENTIMENTS[int(math.copysign(1, score)) + 1] if score else "neutral"
