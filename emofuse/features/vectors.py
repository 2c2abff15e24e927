"""Features of an utterance as one vector, whatever they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_vector(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """A vector (d,) as it is; the mean (d,) of the T ≥ 1 steps of a sequence (T, d)."""
    wide = features.astype(np.float64)
    return wide if wide.ndim == 1 else wide.mean(axis=0)


def as_vector(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """A vector as it is; a sequence as the mean and the standard deviation of its steps.

    Args:
        features: (d,), or (T, d).

    Returns:
        (d,), or (2d,); zeros of a sequence without steps.
    """
    if features.ndim == 1:
        return features.astype(np.float32)
    if not len(features):
        return np.zeros(2 * features.shape[1], np.float32)
    steps = features.astype(np.float64)
    return np.concatenate([steps.mean(axis=0), steps.std(axis=0)]).astype(np.float32)
