"""Sets of labels that hold the true one with a promised probability (split conformal prediction).

Vovk et al. 2005; Sadinle, Lei and Wasserman 2019 (least ambiguous sets). The promise holds on average over utterances
like those that the sets were calibrated on. It does not hold for another kind of recording.
"""

from __future__ import annotations

import math

import numpy as np

from emofuse.errors import EmofuseError


def conformal_threshold(probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> float:
    """The probability that a label must reach to be in the set.

    Args:
        probabilities: (N, C) of held-out utterances.
        labels: (N,) their true classes.
        coverage: share of the sets that hold the true label, between 0 and 1.

    Returns:
        The ⌈(N + 1) · coverage⌉-th largest probability of a true label; 0 where N is too small for the promise, so that
        every label is in every set.

    Raises:
        EmofuseError: ``coverage`` is not between 0 and 1, or there is no utterance.
    """
    if not 0 < coverage < 1:
        raise EmofuseError(f"coverage {coverage:g}: give a share between 0 and 1, such as 0.9")
    if len(labels) == 0:
        raise EmofuseError("sets of labels need held-out utterances with labels, and there are none")
    true = np.sort(np.asarray(probabilities)[np.arange(len(labels)), labels])[::-1]
    rank = math.ceil((len(true) + 1) * coverage)
    return float(true[rank - 1]) if rank <= len(true) else 0.0


def label_sets(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """(N, C) bool, the labels of each row whose probability reaches the threshold; at least the most probable one.

    Args:
        probabilities: (N, C).
        threshold: one for all, or (N, 1).
    """
    values = np.asarray(probabilities)
    sets: np.ndarray = values >= threshold
    sets[np.arange(len(values)), values.argmax(axis=1)] = True
    return sets
