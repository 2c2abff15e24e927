import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.calibration import (
    TEMPERATURE_BOUNDS,
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_table,
)


def slow_ece(probabilities, labels, bins):
    """Guo et al. 2017, Eq. 3, bin by bin and row by row."""
    total = 0.0
    for m in range(1, bins + 1):
        low, high = (m - 1) / bins, m / bins
        confidences, hits = [], []
        for row, label in zip(probabilities, labels, strict=True):
            best = max(range(len(row)), key=lambda c: row[c])
            if low < row[best] <= high:
                confidences.append(row[best])
                hits.append(best == label)
        if hits:
            gap = abs(sum(hits) / len(hits) - sum(confidences) / len(confidences))
            total += len(hits) / len(labels) * gap
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(2, 6), st.sampled_from([1, 5, 15]), st.integers(0, 2**32 - 1))
def test_ece_equals_the_slow_formula(n, c, bins, seed):
    rng = np.random.default_rng(seed)
    probabilities, labels = softmax(3 * rng.normal(size=(n, c)), axis=1), rng.integers(0, c, n)
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(
        slow_ece(probabilities, labels, bins), abs=1e-12
    )


def test_ece_by_hand():
    # Bin (0.5, 0.6]: two at 0.6, one right: |0.5 − 0.6|. Bin (0.8, 0.9]: one at 0.9, right: |1 − 0.9|.
    probabilities = [[0.6, 0.4], [0.4, 0.6], [0.9, 0.1]]
    assert expected_calibration_error(probabilities, [0, 0, 0], 10) == pytest.approx(
        2 / 3 * 0.1 + 1 / 3 * 0.1
    )


def test_an_edge_belongs_to_the_bin_below_it():
    table = reliability_table([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], [0, 0, 1], bins=4)
    assert [each.count for each in table] == [0, 1, 1, 1]
    assert [(each.low, each.high) for each in table] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert np.isnan(table[0].accuracy)
    assert np.isnan(table[0].confidence)
    assert [each.accuracy for each in table[1:]] == [1, 1, 0]
    assert [each.confidence for each in table[1:]] == [0.5, 0.75, 1]


def test_the_table_adds_up_to_the_error():
    rng = np.random.default_rng(0)
    probabilities, labels = softmax(2 * rng.normal(size=(500, 5)), axis=1), rng.integers(0, 5, 500)
    table = reliability_table(probabilities, labels)
    assert sum(each.count for each in table) == 500
    total = sum(each.count / 500 * abs(each.accuracy - each.confidence) for each in table if each.count)
    assert total == pytest.approx(expected_calibration_error(probabilities, labels))


def test_probabilities_that_sum_to_a_little_more_than_one_are_counted():
    table = reliability_table([[1.0000001, 0.0]], [0])
    assert table[-1].count == 1


def sampled(temperature, n=4000, c=4, seed=0):
    """Logits whose true probabilities are softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(n, c))
    truth = softmax(logits / temperature, axis=1)
    labels = (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(max=c - 1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    logits, labels = sampled(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.08)


def test_the_fitted_temperature_has_the_lowest_likelihood_of_a_fine_grid():
    logits, labels = sampled(1.7, n=200)

    def nll(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(200), labels].mean()

    found = fit_temperature(logits, labels)
    assert nll(found) <= min(nll(t) for t in np.geomspace(0.05, 20, 2000)) + 1e-10


def test_scaling_mends_an_overconfident_model_on_other_data():
    logits, labels = sampled(3.0)
    temperature = fit_temperature(logits, labels)
    logits, labels = sampled(3.0, seed=1)
    before = expected_calibration_error(apply_temperature(logits, 1.0), labels)
    scaled = apply_temperature(logits, temperature)
    assert expected_calibration_error(scaled, labels) < 0.25 * before
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_without_errors_or_without_information_the_temperature_stays_bounded():
    low, high = TEMPERATURE_BOUNDS
    assert low <= fit_temperature([[5.0, 0.0], [0.0, 5.0]], [0, 1]) < 0.5
    assert fit_temperature([[5.0, 0.0], [0.0, 5.0]], [1, 0]) == pytest.approx(high, rel=1e-3)
    assert fit_temperature([[2.0, 2.0]] * 4, [0, 1, 0, 0]) == 1.0


@pytest.mark.parametrize(
    ("probabilities", "labels", "said"),
    [
        ([[0.5, 0.5], [np.nan, 1.0]], [0, 1], "row 2: a value is NaN"),
        ([[0.5, 0.5], [2.0, -1.0]], [0, 1], "row 2: not a distribution"),
        ([[3.0, 1.0]], [0], "row 1: not a distribution"),
        ([[0.5, 0.5]], [2], "from 0 to 1"),
        ([[0.5, 0.5]], [-1], "from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "from 0 to 1"),
        ([[0.5, 0.5]], [0, 1], "shape"),
        ([0.5, 0.5], [0, 1], "shape"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one row"),
    ],
)
def test_unfit_input_is_one_clear_line(probabilities, labels, said):
    with pytest.raises(EmofuseError, match=said):
        expected_calibration_error(probabilities, labels)


def test_a_temperature_must_be_positive_and_logits_finite():
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(EmofuseError, match="positive"):
            apply_temperature([[1.0, 2.0]], temperature)
    with pytest.raises(EmofuseError, match="row 1"):
        fit_temperature([[np.inf, 0.0]], [0])
