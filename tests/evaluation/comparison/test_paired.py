import json
from math import comb

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.paired import compare_predictions, mcnemar

CLASSES = ["anger", "joy", "neutral"]


def runs(seed, skill_a, skill_b, n=300):
    rng = np.random.default_rng(seed)
    true = rng.choice(CLASSES, n)
    guess_a, guess_b = rng.choice(CLASSES, n), rng.choice(CLASSES, n)
    a = np.where(rng.random(n) < skill_a, true, guess_a)
    b = np.where(rng.random(n) < skill_b, true, guess_b)
    return a, b, true


def test_the_metrics_are_those_of_the_library():
    a, b, true = runs(0, 0.4, 0.6)
    found = compare_predictions(a, b, true)
    for paired, score in (
        (found.accuracy, accuracy_score),
        (found.weighted_f1, lambda t, p: f1_score(t, p, average="weighted")),
    ):
        assert (paired.a, paired.b) == pytest.approx((score(true, a), score(true, b)))
        assert paired.difference == pytest.approx(paired.b - paired.a)
        assert paired.interval.low < paired.difference < paired.interval.high


def test_the_interval_agrees_with_a_slow_paired_bootstrap_by_group():
    a, b, true = runs(1, 0.4, 0.5)
    groups = np.repeat(np.arange(30), 10)
    found = compare_predictions(a, b, true, groups=groups.tolist(), bootstrap=4000)
    rng, drawn = np.random.default_rng(5), []
    for _ in range(400):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 30, 30)])
        score = [f1_score(true[rows], run[rows], average="weighted") for run in (a, b)]
        drawn.append(score[1] - score[0])
    assert found.groups == 30
    np.testing.assert_allclose(found.weighted_f1.interval, np.quantile(drawn, [0.025, 0.975]), atol=0.02)


def test_swapping_the_runs_turns_the_sign_and_keeps_the_p_value():
    a, b, true = runs(2, 0.4, 0.5)
    there, back = compare_predictions(a, b, true), compare_predictions(b, a, true)
    assert there.weighted_f1.difference == pytest.approx(-back.weighted_f1.difference)
    assert there.weighted_f1.interval == pytest.approx(tuple(-x for x in back.weighted_f1.interval[::-1]))
    assert there.weighted_f1.p_value == back.weighted_f1.p_value
    assert there.mcnemar.p_value == pytest.approx(back.mcnemar.p_value)


def test_a_run_against_itself_does_not_differ():
    a, _, true = runs(3, 0.5, 0.5)
    found = compare_predictions(a, a, true)
    for paired in (found.accuracy, found.weighted_f1):
        assert paired.difference == 0
        assert paired.interval == (0, 0)
        assert paired.p_value == 1
    assert found.mcnemar == (found.mcnemar.__class__)(0, 0, 1.0)


def test_a_clear_difference_is_significant_and_none_is_rarely():
    clear = compare_predictions(*runs(4, 0.2, 0.8))
    assert clear.accuracy.p_value < 0.01
    assert clear.weighted_f1.p_value < 0.01
    assert clear.mcnemar.p_value < 0.01
    # Equally good runs: 5 % false alarms are expected, 9 of 60 would have a chance below 0.2 %.
    alarms = [
        compare_predictions(*runs(s, 0.5, 0.5), bootstrap=500).accuracy.p_value < 0.05 for s in range(60)
    ]
    assert sum(alarms) < 9


def test_p_value_and_interval_say_the_same():
    for seed in range(10):
        found = compare_predictions(*runs(seed, 0.45, 0.55), bootstrap=1999).accuracy
        if abs(found.p_value - 0.05) > 0.01:
            assert (found.p_value < 0.05) == (found.interval.low > 0 or found.interval.high < 0)


def test_indices_and_names_are_the_same():
    a, b, true = runs(5, 0.4, 0.5)
    number = {label: i for i, label in enumerate(CLASSES)}
    as_numbers = [np.array([number[x] for x in column]) for column in (a, b, true)]
    assert compare_predictions(*as_numbers, labels=CLASSES) == compare_predictions(a, b, true, labels=CLASSES)


def slow_mcnemar(only_a, only_b):
    n = only_a + only_b
    tail = sum(comb(n, i) for i in range(min(only_a, only_b) + 1)) / 2**n
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(("only_a", "only_b"), [(1, 0), (0, 5), (3, 9), (10, 10), (12, 30), (0, 0)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    right_a = np.array([True] * only_a + [False] * only_b + [True] * 4 + [False] * 3)
    right_b = np.array([False] * only_a + [True] * only_b + [True] * 4 + [False] * 3)
    found = mcnemar(right_a, right_b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p_value == pytest.approx(slow_mcnemar(only_a, only_b))


def test_one_dialogue_cannot_tell_and_says_so():
    a, b, true = runs(6, 0.3, 0.7, n=20)
    found = compare_predictions(a, b, true, groups=["d"] * 20)
    assert np.isnan(found.accuracy.p_value)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["accuracy"]["interval"] is None
    assert plain["accuracy"]["difference"] == pytest.approx(found.accuracy.difference)
    assert plain["mcnemar"]["p_value"] == found.mcnemar.p_value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": ["joy"], "b": ["joy", "joy"], "y_true": ["joy", "joy"]}, "a has 1, b has 2"),
        ({"a": [], "b": [], "y_true": []}, "nothing to evaluate"),
        ({"a": [0], "b": [1], "y_true": [1]}, "name the classes"),
        ({"a": ["joy"], "b": ["sad"], "y_true": ["joy"], "labels": ["joy"]}, "b, row 1: 'sad'"),
        ({"a": ["joy"], "b": ["joy"], "y_true": ["joy"], "bootstrap": 0}, "needs resamples"),
        ({"a": ["joy"], "b": ["joy"], "y_true": ["joy"], "bootstrap": -1}, "bootstrap=-1"),
    ],
)
def test_unfit_input_is_one_clear_line(given, said):
    with pytest.raises(EmofuseError, match=said):
        compare_predictions(**given)
