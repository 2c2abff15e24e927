"""Which steps of a padded sequence are real.

Published arrays are as long as their longest sequence, and zeros fill the rest, in front or behind. What is
known decides, in this order: the attention mask of the words, the stated length, the zeros themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def span(real: NDArray[np.bool_]) -> slice:
    """From the first to the last real step; empty if none is.

    Args:
        real: (T,) which steps are.
    """
    at = np.flatnonzero(real)
    return slice(0, 0) if len(at) == 0 else slice(int(at[0]), int(at[-1]) + 1)


def filled(sequence: NDArray[Any]) -> NDArray[np.bool_]:
    """(T,) which steps of a (T, dim) sequence hold anything but zeros."""
    return (sequence != 0).any(axis=-1)


def stated_span(sequence: NDArray[Any], length: int) -> slice:
    """The steps of a sequence whose length is stated, but not whether they stand in front or behind.

    Args:
        sequence: (T, dim).
        length: of the real part; beyond T it means T.
    """
    steps = len(sequence)
    length = max(0, min(length, steps))
    behind = slice(steps - length, steps)
    in_front_is_only_padding = length < steps and not filled(sequence[: steps - length]).any()
    if in_front_is_only_padding and filled(sequence[length:]).any():
        return behind
    return slice(0, length)
