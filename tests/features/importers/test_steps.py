"""Padding is told from what is real."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofuse.features.importers.steps import filled, span, stated_span


def literal_span(real: list[bool]) -> list[int]:
    """From the first to the last, in a loop."""
    kept: list[int] = []
    for step in range(len(real)):
        before = any(real[: step + 1])
        after = any(real[step:])
        if before and after:
            kept.append(step)
    return kept


@given(st.lists(st.booleans(), max_size=12))
def test_span(real: list[bool]) -> None:
    steps = span(np.array(real, bool))
    assert list(range(len(real)))[steps] == literal_span(real)


def test_filled() -> None:
    sequence = np.array([[0, 0], [0, np.nan], [-1, 0], [0, -np.inf], [0, 0]])
    assert filled(sequence).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "length", "kept"),
    [
        ([1, 2, 0, 0], 2, [1, 2]),
        ([0, 0, 1, 2], 2, [1, 2]),  # padded in front
        ([1, 0, 2, 0], 3, [1, 0, 2]),  # a silent step within
        ([0, 1, 0, 0], 2, [0, 1]),  # begins with a silent step
        ([0, 0, 0, 0], 2, [0, 0]),
        ([1, 2, 3, 4], 2, [1, 2]),
        ([1, 2], 9, [1, 2]),
        ([1, 2], 0, []),
        ([1, 2], -3, []),
    ],
)
def test_stated_span(values: list[int], length: int, kept: list[int]) -> None:
    sequence = np.array(values, float)[:, None]
    assert sequence[stated_span(sequence, length)][:, 0].tolist() == kept
