"""Split conformal sets: the promise holds on average, and small parts get sets of all labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.conformal import conformal_threshold, label_sets


def drawn(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too sure of themselves, and labels that follow softer ones."""
    logits = rng.normal(0, 1, (rows, 5))
    soft = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (soft.cumsum(1) > rng.random((rows, 1))).argmax(1)
    sharp = soft**3 / (soft**3).sum(1, keepdims=True)
    return sharp, labels


def test_the_sets_cover_what_was_promised_on_new_rows_of_the_same_kind() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        threshold = conformal_threshold(*drawn(rng, 50), 0.9)
        probabilities, labels = drawn(rng, 200)
        covered.append(label_sets(probabilities, threshold)[np.arange(200), labels].mean())
    # The exact expectation is ceil(51 * 0.9) / 51 = 46 / 51.
    assert np.mean(covered) == pytest.approx(46 / 51, abs=0.01)


def test_too_few_rows_for_the_promise_give_all_labels() -> None:
    probabilities, labels = drawn(np.random.default_rng(1), 8)
    assert conformal_threshold(probabilities, labels, 0.9) == 0
    assert label_sets(probabilities, 0.0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.floats(0.05, 0.95), st.integers(0, 100))
def test_a_set_is_never_empty_and_grows_with_the_promise(rows: int, coverage: float, seed: int) -> None:
    probabilities, labels = drawn(np.random.default_rng(seed), rows)
    small, large = (
        label_sets(probabilities, conformal_threshold(probabilities, labels, c))
        for c in (coverage, min(0.99, coverage + 0.04))
    )
    assert small.any(axis=1).all()
    assert (large | ~small).all()


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_none_is_refused(coverage: float) -> None:
    with pytest.raises(EmofuseError, match="between 0 and 1"):
        conformal_threshold(np.ones((1, 2)), np.zeros(1, int), coverage)
