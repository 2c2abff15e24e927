import json

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.aggregation import aggregate, mean_sd
from emofuse.evaluation.metrics.classification import classification_report
from emofuse.evaluation.metrics.sentiment import METRICS, sentiment_report

CLASSES = ["anger", "joy"]


def test_mean_and_sample_sd_by_hand():
    assert mean_sd([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.sqrt((16 + 1 + 25) / 9 / 2), 3))
    assert mean_sd([1.0, float("nan"), 3.0]) == pytest.approx((2.0, np.sqrt(2), 2))
    one = mean_sd([0.5])
    assert (one.mean, one.runs) == (0.5, 1)
    assert np.isnan(one.sd)
    assert np.isnan(mean_sd([]).mean)
    assert str(mean_sd([0.5, 0.7])) == "0.6000 ± 0.1414"


def test_folds_are_averaged_and_their_confusions_added():
    folds = [
        classification_report(["anger", "joy"], ["anger", "anger"], CLASSES, bootstrap=0),
        classification_report(["joy", "joy", "joy", "anger"], ["joy"] * 4, CLASSES, bootstrap=0),
    ]
    found = aggregate(folds)
    assert (found.runs, found.n) == (2, 6)
    assert found.metrics["accuracy"] == pytest.approx((0.625, np.sqrt(2) * 0.125, 2))
    assert found.confusion.tolist() == [[1, 1], [1, 3]]
    assert found.per_class_f1["anger"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert "ece" not in found.metrics


def test_a_class_or_metric_that_a_fold_lacks_is_averaged_over_the_others():
    folds = [
        classification_report(["joy"], ["joy"], CLASSES, bootstrap=0),
        classification_report(["anger"], ["anger"], CLASSES, [[0.75, 0.25]], bootstrap=0),
    ]
    found = aggregate(folds)
    assert found.per_class_f1["anger"].runs == 1
    assert found.metrics["ece"].mean == pytest.approx(0.25)
    assert found.metrics["ece"].runs == 1
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["metrics"]["ece"] == {"mean": pytest.approx(0.25), "sd": None, "runs": 1}
    assert plain["labels"] == CLASSES


def test_sentiment_reports_are_averaged():
    found = aggregate([sentiment_report([1.5, -1.0], [p, -1.0], bootstrap=0) for p in (1.5, 2.5)])
    assert tuple(found.metrics) == METRICS
    assert found.metrics["mae"].mean == pytest.approx(0.25)
    assert found.confusion is None
    assert set(found.to_dict()) == {"runs", "n", "metrics"}


def test_what_cannot_be_averaged_is_refused():
    emotion = classification_report(["joy"], ["joy"], CLASSES, bootstrap=0)
    with pytest.raises(EmofuseError, match="no reports"):
        aggregate([])
    with pytest.raises(EmofuseError, match="cannot be averaged together"):
        aggregate([emotion, sentiment_report([1.0], [1.0])])
    with pytest.raises(EmofuseError, match="different labels"):
        aggregate([emotion, classification_report(["joy"], ["joy"], CLASSES[::-1], bootstrap=0)])
