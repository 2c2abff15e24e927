import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.sentiment import METRICS, sentiment_report


def slow_weighted_f1(true, predicted):
    total = 0.0
    for side in (False, True):
        tp = sum(t == side and p == side for t, p in zip(true, predicted, strict=True))
        fp = sum(t != side and p == side for t, p in zip(true, predicted, strict=True))
        fn = sum(t == side and p != side for t, p in zip(true, predicted, strict=True))
        if tp:
            total += (tp + fn) / len(true) * 2 * tp / (2 * tp + fp + fn)
    return total


def half_to_even(value):
    below = math.floor(value)
    if value - below != 0.5:
        return below if value - below < 0.5 else below + 1
    return below if below % 2 == 0 else below + 1


def slow_steps(true, predicted, limit):
    def step(value):
        return half_to_even(min(max(value, -limit), limit))

    return sum(step(t) == step(p) for t, p in zip(true, predicted, strict=True)) / len(true)


def slow_pearson(x, y):
    mx, my = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    return xy / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


def slow_classes(true, predicted, ends):
    """Share of equal classes; a class ends at, and with, each of the ends."""

    def place(value):
        return sum(value > end for end in ends)

    return sum(place(t) == place(p) for t, p in zip(true, predicted, strict=True)) / len(true)


def slow_unit_metrics(true, predicted):
    return {
        "acc2_nonpositive": slow_classes(true, predicted, [0]),
        "f1_nonpositive": slow_weighted_f1([t > 0 for t in true], [p > 0 for p in predicted]),
        "acc3_sims": slow_classes(true, predicted, [-0.1, 0.1]),
        "acc5_sims": slow_classes(true, predicted, [-0.7, -0.1, 0.1, 0.7]),
    }


def slow_metrics(true, predicted):
    both = list(zip(true, predicted, strict=True))
    signed = [(t > 0, p > 0) for t, p in both if t != 0]
    return {
        "mae": sum(abs(t - p) for t, p in both) / len(both),
        "corr": slow_pearson(true, predicted),
        "acc2_nonnegative": sum((t >= 0) == (p >= 0) for t, p in both) / len(both),
        "f1_nonnegative": slow_weighted_f1([t >= 0 for t in true], [p >= 0 for p in predicted]),
        "acc2_positive": sum(t == p for t, p in signed) / len(signed),
        "f1_positive": slow_weighted_f1([t for t, _ in signed], [p for _, p in signed]),
        "acc5": slow_steps(true, predicted, 2),
        "acc7": slow_steps(true, predicted, 3),
    }


# Sixths (some exact zeros and halves) and free numbers, beyond the scale too.
scores = st.one_of(st.integers(-21, 21).map(lambda i: i / 6), st.floats(-4, 4).map(lambda x: round(x, 3)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(scores, scores), min_size=2, max_size=40))
def test_metrics_equal_their_definitions(rows):
    # A score of each sign and two different predictions, so that every metric is defined.
    true, predicted = map(list, zip(*rows, (1.0, -0.5), (-1.0, 0.25), strict=True))
    report = sentiment_report(true, predicted, bootstrap=0)
    on_unit_scale = all(abs(t) <= 1 for t in true)
    expected = slow_metrics(true, predicted) | (slow_unit_metrics(true, predicted) if on_unit_scale else {})
    assert report.metrics == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-10, 10), st.integers(-14, 14)), min_size=2, max_size=40))
def test_metrics_of_ch_sims_equal_their_definitions(rows):
    true, predicted = ([value / 10 for value in column] for column in zip(*rows, strict=True))
    report = sentiment_report(true, predicted, bootstrap=0)
    assert report.unit_scale == pytest.approx(slow_unit_metrics(true, predicted), abs=1e-9)


def test_ch_sims_by_hand():
    # Its scores are in float32, where 0.1 is a little more than 0.1 of a float64: still no strong one.
    true = np.array([-1.0, -0.6, 0.0, 0.1, 0.8], dtype=np.float32)
    report = sentiment_report(true, [-0.7, -0.1, 0.05, 0.0, 0.2])
    assert report.unit_scale["acc2_nonpositive"] == pytest.approx(3 / 5)  # 0 goes with the negative ones
    assert report.unit_scale["acc3_sims"] == 1
    assert report.unit_scale["acc5_sims"] == pytest.approx(4 / 5)
    assert set(report.unit_scale) <= set(report.intervals)
    assert report.intervals["acc3_sims"] == (1, 1)
    assert sentiment_report([1.2, -1.0], [1.0, 1.0], bootstrap=0).unit_scale == {}


def test_a_case_by_hand():
    true = [-2.4, -0.2, 0.0, 0.0, 1.8, 3.0]
    predicted = [-1.6, 0.4, -0.1, 0.3, 2.2, 3.9]
    report = sentiment_report(true, predicted, bootstrap=0)
    assert report.mae == pytest.approx((0.8 + 0.6 + 0.1 + 0.3 + 0.4 + 0.9) / 6)
    # ≥ 0: truth − − + + + +, prediction − + − + + +
    assert report.acc2_nonnegative == pytest.approx(4 / 6)
    assert report.f1_nonnegative == pytest.approx(2 / 6 * (2 / 4) + 4 / 6 * (6 / 8))
    # without the two zeros: truth − − + +, prediction − + + +
    assert report.n_nonzero == 4
    assert report.acc2_positive == pytest.approx(3 / 4)
    assert report.f1_positive == pytest.approx(0.5 * (2 / 3) + 0.5 * (4 / 5))
    # −2|−2, −0|0, 0|−0, 0|0, 2|2, 3|3 after clipping: all equal
    assert report.acc7 == 1
    assert report.acc5 == 1


def test_halves_round_to_the_even_number_and_ends_are_clipped():
    true, predicted = [0.5, 1.5, 2.5, -0.5, 5.0, -2.6], [0.0, 2.0, 2.0, 0.0, 3.0, -2.0]
    report = sentiment_report(true, predicted, bootstrap=0)
    assert report.acc7 == pytest.approx(5 / 6)  # only −2.6 → −3 is another step than −2
    assert report.acc5 == 1


def test_a_predicted_zero_is_non_negative_and_not_positive():
    report = sentiment_report([1.0, -1.0], [0.0, 0.0], bootstrap=0)
    assert report.acc2_nonnegative == 0.5
    assert report.acc2_positive == 0.5
    assert report.f1_nonnegative == pytest.approx(0.5 * 2 / 3)


def test_what_is_not_defined_is_nan_and_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = sentiment_report([1.0, -1.0, 0.5], [0.1, 0.1, 0.1])
        neutral = sentiment_report([0.0, 0.0], [0.5, -0.5])
        single = sentiment_report([1.0], [2.0])
    assert np.isnan(constant.corr)
    assert np.isnan(constant.intervals["corr"]).all()
    assert np.isnan([neutral.acc2_positive, neutral.f1_positive]).all()
    assert np.isnan(neutral.intervals["acc2_positive"]).all()
    assert np.isnan(single.corr)
    assert single.mae == 1
    plain = json.loads(json.dumps(neutral.to_dict(), allow_nan=False))
    assert plain["acc2_positive"] is None
    assert plain["intervals"]["acc2_positive"] == [None, None]


def test_intervals_agree_with_a_slow_bootstrap_by_group():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 5)
    true = np.round(rng.normal(0.3, 1.5, 150).clip(-3, 3), 1)
    predicted = true + rng.normal(size=30)[groups] + 0.5 * rng.normal(size=150)
    report = sentiment_report(true, predicted, groups=groups.tolist(), bootstrap=4000)
    drawn = []
    for _ in range(500):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 30, 30)])
        drawn.append(slow_metrics(true[rows].tolist(), predicted[rows].tolist()))
    assert tuple(report.intervals) == METRICS
    for name, interval in report.intervals.items():
        np.testing.assert_allclose(interval, np.quantile([d[name] for d in drawn], [0.025, 0.975]), atol=0.04)
        assert interval.low < report.metrics[name] < interval.high


def test_a_shift_of_the_prediction_leaves_the_correlation():
    rng = np.random.default_rng(1)
    true = rng.normal(size=80)
    predicted = true + rng.normal(size=80)
    near, far = (sentiment_report(true, 2 * predicted + shift) for shift in (0.0, 1e4))
    assert near.corr == pytest.approx(far.corr, abs=1e-9)
    np.testing.assert_allclose(near.intervals["corr"], far.intervals["corr"], atol=1e-6)


@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        ([], [], "nothing to evaluate"),
        ([1.0], [1.0, 2.0], "y_true has 1, y_pred has 2"),
        ([1.0, np.nan], [1.0, 2.0], "y_true, row 2: the score is NaN"),
        ([1.0, 2.0], [np.inf, 2.0], "y_pred, row 1: the score is NaN or infinite"),
        ([1.0, 2.0], [[1.0], [2.0]], r"shape \(2, 1\)"),
        ([1.0, 2.0], ["1", "laut"], "scores must be numbers"),
    ],
)
def test_unfit_input_is_one_clear_line(true, predicted, said):
    with pytest.raises(EmofuseError, match=said):
        sentiment_report(true, predicted)
