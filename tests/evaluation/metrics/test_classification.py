import json
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import f1_score, precision_recall_fscore_support

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.calibration import expected_calibration_error
from emofuse.evaluation.metrics.class_sums import metrics_from_confusions
from emofuse.evaluation.metrics.classification import classification_report

CLASSES = ["anger", "joy", "neutral", "fear"]


def slow_metrics(true, predicted, c):
    """Every metric from its definition, by counting pairs."""
    n = len(true)
    recalls, f1s, weighted = {}, {}, 0.0
    for label in range(c):
        tp = sum(t == label and p == label for t, p in zip(true, predicted, strict=True))
        fp = sum(t != label and p == label for t, p in zip(true, predicted, strict=True))
        fn = sum(t == label and p != label for t, p in zip(true, predicted, strict=True))
        if tp + fn:
            recalls[label] = tp / (tp + fn)
        if tp + fp + fn:
            f1s[label] = 2 * tp / (2 * tp + fp + fn)
            weighted += (tp + fn) / n * f1s[label]
    return {
        "accuracy": sum(t == p for t, p in zip(true, predicted, strict=True)) / n,
        "uar": sum(recalls.values()) / len(recalls),
        "weighted_f1": weighted,
        "macro_f1": sum(f1s.values()) / len(f1s),
    }


pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_metrics_equal_their_definitions(rows):
    true, predicted = map(list, zip(*rows, strict=True))
    report = classification_report(true, predicted, CLASSES, bootstrap=0)
    assert report.metrics == pytest.approx(slow_metrics(true, predicted, 4))


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_metrics_of_many_confusions_equal_those_of_the_library_and_of_the_report(rows):
    true, predicted = map(list, zip(*rows, strict=True))
    report = classification_report(true, predicted, CLASSES, bootstrap=0)
    many = metrics_from_confusions(np.stack([report.confusion, 3 * report.confusion]))
    for name, value in report.metrics.items():
        np.testing.assert_allclose(many[name], value)
    library = precision_recall_fscore_support(true, predicted, labels=range(4), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "support"), library, strict=True):
        np.testing.assert_allclose([getattr(report.per_class[label], name) for label in CLASSES], values)
        if name != "support":
            np.testing.assert_allclose(many[name], [values, values])
    averages = f1_score(true, predicted, average="weighted"), f1_score(true, predicted, average="macro")
    np.testing.assert_allclose((report.weighted_f1, report.macro_f1), averages)


def test_a_case_by_hand():
    true = ["anger", "anger", "anger", "joy", "joy", "neutral"]
    predicted = ["anger", "anger", "joy", "joy", "anger", "joy"]
    report = classification_report(true, predicted, CLASSES, bootstrap=0)
    assert report.n == 6
    assert report.accuracy == pytest.approx(3 / 6)
    assert report.uar == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert report.weighted_f1 == pytest.approx(3 / 6 * 2 / 3 + 2 / 6 * 2 / 5)
    assert report.macro_f1 == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)
    assert report.confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    anger = report.per_class["anger"]
    assert (anger.precision, anger.recall, anger.f1, anger.support) == pytest.approx((2 / 3, 2 / 3, 2 / 3, 3))
    assert anger.f1_within_class == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))
    joy = report.per_class["joy"]
    assert (joy.precision, joy.recall, joy.f1, joy.support) == pytest.approx((1 / 3, 1 / 2, 2 / 5, 2))


def test_f1_within_class_is_the_f1_over_one_true_class_at_a_time():
    # As the paper's tables have it: among the rows of one true class no other row can be a false alarm.
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    report = classification_report(true, predicted, CLASSES, bootstrap=0)
    for i, label in enumerate(CLASSES):
        within = predicted[true == i]
        tp, fn, fp = (within == i).sum(), (within != i).sum(), 0
        assert report.per_class[label].f1_within_class == pytest.approx(2 * tp / (2 * tp + fp + fn))
        assert report.per_class[label].f1_within_class > report.per_class[label].f1


def test_absent_classes_are_undefined_and_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = classification_report(["anger", "anger"], ["anger", "joy"], CLASSES, bootstrap=50)
    assert np.isnan(report.per_class["fear"].f1)
    assert np.isnan(report.per_class["joy"].recall)
    assert report.per_class["joy"].precision == 0
    assert report.per_class["joy"].f1 == 0
    assert np.isnan(report.per_class["neutral"].precision)
    assert report.uar == pytest.approx(0.5)
    assert report.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(report.per_class["fear"].f1_interval.low)


def test_one_class_and_one_utterance():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = classification_report(["joy"], ["joy"], ["joy"], probabilities=[[1.0]])
    assert report.metrics == {"accuracy": 1, "uar": 1, "weighted_f1": 1, "macro_f1": 1, "ece": 0}
    assert np.isnan(report.intervals["accuracy"]).all()
    assert json.loads(json.dumps(report.to_dict()))["intervals"]["accuracy"] == [None, None]


def test_the_order_of_labels_only_orders_the_confusion():
    rng = np.random.default_rng(1)
    true, predicted = (rng.choice(CLASSES, 100) for _ in range(2))
    one = classification_report(true, predicted, CLASSES, bootstrap=0)
    other = classification_report(true, predicted, CLASSES[::-1], bootstrap=0)
    assert one.metrics == pytest.approx(other.metrics)
    np.testing.assert_array_equal(one.confusion, other.confusion[::-1, ::-1])


def slow_bootstrap(true, predicted, groups, c, resamples):
    """Draw groups and count every metric anew."""
    rng = np.random.default_rng(9)
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn.append(slow_metrics(true[rows].tolist(), predicted[rows].tolist(), c))
    return {name: np.quantile([row[name] for row in drawn], [0.025, 0.975]) for name in drawn[0]}


def test_intervals_agree_with_a_slow_bootstrap_by_group():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(25), 8)
    skill = rng.random(25)[groups]
    true = rng.integers(0, 3, 200)
    predicted = np.where(rng.random(200) < skill, true, rng.integers(0, 3, 200))
    report = classification_report(true, predicted, CLASSES[:3], groups=groups, bootstrap=4000)
    slow = slow_bootstrap(true, predicted, groups, 3, 500)
    assert report.groups == 25
    for name, interval in report.intervals.items():
        np.testing.assert_allclose(interval, slow[name], atol=0.025)
        assert interval.low < report.metrics[name] < interval.high
    alone = classification_report(true, predicted, CLASSES[:3], bootstrap=4000)
    wide, narrow = report.intervals["accuracy"], alone.intervals["accuracy"]
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_per_class_intervals_hold_the_figure():
    rng = np.random.default_rng(4)
    true = rng.integers(0, 4, 300)
    predicted = np.where(rng.random(300) < 0.6, true, rng.integers(0, 4, 300))
    report = classification_report(true, predicted, CLASSES)
    for figures in report.per_class.values():
        assert figures.f1_interval.low < figures.f1 < figures.f1_interval.high
        assert figures.recall_interval.low < figures.recall < figures.recall_interval.high
    assert set(report.intervals) == {"accuracy", "uar", "weighted_f1", "macro_f1"}


def test_calibration_error_comes_with_probabilities():
    rng = np.random.default_rng(5)
    probabilities, true = softmax(rng.normal(size=(300, 4)), axis=1), rng.integers(0, 4, 300)
    report = classification_report(true, probabilities.argmax(axis=1), CLASSES, probabilities=probabilities)
    assert report.ece == pytest.approx(expected_calibration_error(probabilities, true))
    low, high = report.intervals["ece"]
    assert 0 <= low < high <= 1
    assert abs((low + high) / 2 - report.ece) < 0.1


def test_a_thousand_resamples_of_a_corpus_take_less_than_two_seconds():
    rng = np.random.default_rng(6)
    true, predicted, groups = (
        rng.integers(0, 7, 13_000),
        rng.integers(0, 7, 13_000),
        rng.integers(0, 1400, 13_000),
    )
    labels = [f"class {i}" for i in range(7)]
    probabilities = softmax(rng.normal(size=(13_000, 7)), axis=1)
    began = time.process_time()
    classification_report(true, predicted, labels, probabilities=probabilities, groups=groups)
    assert time.process_time() - began < 2


def test_the_same_seed_gives_the_same_report():
    rng = np.random.default_rng(7)
    true, predicted = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    first, again, other = (classification_report(true, predicted, CLASSES, seed=s) for s in (1, 1, 2))
    assert first.to_dict() == again.to_dict()
    assert first.intervals != other.intervals


def test_the_majority_baseline():
    true = ["joy"] * 3 + ["anger"] * 1
    own = classification_report(true, true, CLASSES, bootstrap=0).majority
    assert (own.label, own.accuracy) == ("joy", 0.75)
    assert own.weighted_f1 == pytest.approx(0.75 * (2 * 3 / (2 * 3 + 1)))
    given = classification_report(true, true, CLASSES, bootstrap=0, majority="anger").majority
    assert (given.label, given.accuracy) == ("anger", 0.25)
    assert given.weighted_f1 == pytest.approx(0.25 * (2 * 1 / (2 * 1 + 3)))


def test_a_report_survives_json():
    rng = np.random.default_rng(8)
    true = rng.integers(0, 3, 30)
    probabilities = softmax(rng.normal(size=(30, 4)), axis=1)
    report = classification_report(true, probabilities.argmax(axis=1), CLASSES, probabilities=probabilities)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["accuracy"] == report.accuracy
    assert plain["confusion"] == report.confusion.tolist()
    assert plain["per_class"]["fear"]["recall"] is None
    assert plain["intervals"]["uar"] == list(report.intervals["uar"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y_true": [], "y_pred": []}, "nothing to evaluate"),
        ({"y_pred": ["joy"]}, "y_true has 2, y_pred has 1"),
        ({"y_pred": ["joy", "Freude"]}, "y_pred, row 2: 'Freude'"),
        ({"labels": []}, "at least one"),
        ({"labels": ["joy", "joy"]}, "twice"),
        ({"probabilities": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}, "3 columns for 2 labels"),
        ({"probabilities": [[1.0, 0.0]]}, "shape"),
        ({"groups": ["d1"]}, "1 group for 2"),
        ({"bootstrap": -5}, "bootstrap=-5"),
        ({"majority": "fear"}, "majority, row 1"),
    ],
)
def test_unfit_input_is_one_clear_line(change, said):
    given = {"y_true": ["joy", "anger"], "y_pred": ["joy", "joy"], "labels": ["anger", "joy"]} | change
    with pytest.raises(EmofuseError, match=said) as caught:
        classification_report(**given)
    assert "\n" not in str(caught.value)
