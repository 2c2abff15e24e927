import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.intervals import (
    bootstrap_intervals,
    group_indices,
    group_sums,
    interval_words,
    percentile_interval,
    resample,
)


def mean_metric(sums):
    return {"mean": sums[:, 1] / sums[:, 0]}


def columns(values):
    return np.column_stack([np.ones(len(values)), values])


def test_groups_are_numbered_in_order_and_absent_ones_stand_alone():
    assert group_indices(["b", "a", "b", None, float("nan"), None], 6).tolist() == [0, 1, 0, 2, 3, 4]
    assert group_indices(None, 3).tolist() == [0, 1, 2]


def test_a_group_called_like_a_row_is_not_that_row():
    assert group_indices([1, None, 1], 3).tolist() == [0, 1, 0]


def test_groups_of_another_length_are_refused():
    with pytest.raises(EmofuseError, match="2 groups for 3 utterances"):
        group_indices(["a", "b"], 3)


def test_group_sums_equal_a_loop():
    rng = np.random.default_rng(0)
    statistics, groups = rng.normal(size=(50, 4)), group_indices(rng.integers(0, 7, 50).tolist(), 50)
    expected = np.zeros((groups.max() + 1, 4))
    for row, group in zip(statistics, groups, strict=True):
        expected[group] += row
    np.testing.assert_allclose(group_sums(statistics, groups), expected)


def test_a_resample_is_a_sum_of_as_many_groups_as_there_are(monkeypatch):
    # One-hot sums show which groups were drawn; small chunks must draw as many, and the same, as one big one.
    whole = resample(np.eye(6), bootstrap=50, seed=3)
    assert whole.shape == (50, 6)
    assert (whole.sum(axis=1) == 6).all()
    assert (whole == whole.astype(int)).all()
    assert len(np.unique(whole, axis=0)) > 30
    monkeypatch.setattr("emofuse.evaluation.metrics.intervals._CHUNK_CELLS", 13)
    np.testing.assert_array_equal(resample(np.eye(6), bootstrap=50, seed=3), whole)


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(1).normal(2.0, 3.0, size=400)
    found = bootstrap_intervals(columns(values), mean_metric, bootstrap=4000, seed=0)["mean"]
    error = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found.low == pytest.approx(values.mean() - error, abs=0.04)
    assert found.high == pytest.approx(values.mean() + error, abs=0.04)


def test_whole_groups_give_wider_intervals_where_their_utterances_agree():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), 20)
    values = rng.normal(size=30)[groups]
    alone = bootstrap_intervals(columns(values), mean_metric, seed=0)["mean"]
    whole = bootstrap_intervals(group_sums(columns(values), groups), mean_metric, seed=0)["mean"]
    # Twenty copies of each value: the standard error is truly √20 times as large.
    ratio = (whole.high - whole.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(20), rel=0.15)


def test_the_same_seed_gives_the_same_interval():
    values = columns(np.random.default_rng(0).normal(size=40))
    first, again, other = (bootstrap_intervals(values, mean_metric, seed=s)["mean"] for s in (5, 5, 6))
    assert first == again
    assert first != other


def test_one_group_has_no_interval_and_zero_resamples_give_none():
    found = bootstrap_intervals(np.array([[10.0, 7.0]]), mean_metric)["mean"]
    assert np.isnan(found).all()
    assert bootstrap_intervals(columns(np.arange(5.0)), mean_metric, bootstrap=0) == {}


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(EmofuseError, match="bootstrap=-1"):
        bootstrap_intervals(columns(np.arange(5.0)), mean_metric, bootstrap=-1)


def test_undefined_resamples_do_not_count():
    values = np.concatenate([np.linspace(0, 1, 101), [np.nan] * 50])
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def test_an_interval_that_there_is_not_is_said_in_words() -> None:
    assert interval_words((0.6123, 0.7049), scale=100, digits=1) == "95 % 61.2 to 70.5"
    assert interval_words((float("nan"),) * 2) == "no interval: that takes utterances of two dialogues"
