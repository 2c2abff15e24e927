import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, make_method, on_same_utterances
from emofuse.evaluation.comparison.paired import compare_predictions, holm
from emofuse.evaluation.metrics.classification import classification_report
from emofuse.evaluation.metrics.sentiment import sentiment_report
from tests.evaluation.comparison.judged import LABELS, judged, method


@pytest.fixture(scope="module")
def three():
    return [
        method("weak", judged("weak", 0.3, 1)),
        method("strong", judged("strong", 2.5, 2)),
        method("seeds", *(judged(f"s{s}", 1.5, 10 + s, run_seed=s) for s in range(3))),
    ]


@pytest.fixture(scope="module")
def compared(three):
    methods, left_out = on_same_utterances(three)
    return compare_methods(methods, left_out=left_out, bootstrap=500)


def test_one_run_is_scored_as_its_report_scores_it(three, compared):
    table = three[1].rounds[0]
    report = classification_report(
        table["truth"].tolist(),
        table["predicted"].tolist(),
        LABELS,
        probabilities=table[[f"p_{label}" for label in LABELS]].to_numpy(),
        groups=table["dialogue"].tolist(),
        bootstrap=500,
    )
    strong = compared.methods[1]
    for name, value in report.metrics.items():
        assert strong.metrics[name].value == pytest.approx(value), name
        low, high = report.intervals[name]
        assert (strong.metrics[name].low, strong.metrics[name].high) == pytest.approx((low, high)), name
    for label in LABELS:
        assert strong.class_f1[label].value == pytest.approx(report.per_class[label].f1)
    shares = report.confusion / report.confusion.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(strong.confusion, shares)


def test_several_seeds_are_a_mean_with_its_standard_deviation(three, compared):
    values = [f1_score(t["truth"], t["predicted"], average="weighted") for t in three[2].rounds]
    found = compared.methods[2].metrics["weighted_f1"]
    assert found.value == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert found.low < found.value < found.high
    assert compared.methods[2].mcnemar is None
    assert compared.methods[1].metrics["weighted_f1"].sd is None


def test_tests_against_the_first_are_those_of_the_paired_comparison(three, compared):
    weak, strong = three[0].rounds[0], three[1].rounds[0]
    pair = compare_predictions(
        weak["predicted"].tolist(),
        strong["predicted"].tolist(),
        weak["truth"].tolist(),
        labels=LABELS,
        groups=weak["dialogue"].tolist(),
        bootstrap=500,
    )
    versus = compared.methods[1].versus
    for name, expected in (("accuracy", pair.accuracy), ("weighted_f1", pair.weighted_f1)):
        assert versus[name].paired.difference == pytest.approx(expected.difference)
        assert versus[name].paired.interval == pytest.approx(expected.interval)
        assert versus[name].paired.p_value == pytest.approx(expected.p_value)
    assert compared.methods[1].mcnemar == pair.mcnemar
    assert compared.methods[0].versus == {}


def test_a_slow_bootstrap_over_dialogues_and_seeds_says_the_same(three, compared):
    rng = np.random.default_rng(5)
    weak = three[0].rounds[0]
    rows = {d: np.flatnonzero(weak["dialogue"] == d) for d in weak["dialogue"].unique()}
    numbers = {label: number for number, label in enumerate(sorted(weak["truth"].unique()))}
    weak, *seeds = (
        tuple(table[column].map(numbers).to_numpy() for column in ("truth", "predicted"))
        for table in (weak, *three[2].rounds)
    )

    def uar(table, chosen):
        truth, predicted = table[0][chosen], table[1][chosen]
        return np.mean([(predicted[truth == label] == label).mean() for label in np.unique(truth)])

    differences = []
    for _ in range(400):
        drawn = np.concatenate([rows[d] for d in rng.choice(list(rows), len(rows))])
        differences.append(np.mean([uar(table, drawn) for table in seeds]) - uar(weak, drawn))
    found = compared.methods[2].versus["uar"].paired
    assert found.interval == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=0.03)


def test_p_values_are_corrected_for_the_number_of_methods(compared):
    for name in ("accuracy", "weighted_f1"):
        plain = [m.versus[name].paired.p_value for m in compared.methods[1:]]
        assert [m.versus[name].corrected for m in compared.methods[1:]] == pytest.approx(holm(plain))
        assert min(plain) * 2 == pytest.approx(min(m.versus[name].corrected for m in compared.methods[1:]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    corrected = holm([0.02, float("nan"), 0.01])
    assert corrected[0] == pytest.approx(0.02)
    assert corrected[2] == pytest.approx(0.02)
    assert np.isnan(corrected[1])
    assert holm([]) == []


def test_a_method_against_itself_differs_in_nothing(three):
    twin = method("twin", judged("twin", 0.3, 1))
    found = compare_methods(on_same_utterances([three[0], twin])[0], bootstrap=200).methods[1]
    assert found.versus["accuracy"].paired.difference == 0
    assert found.versus["accuracy"].paired.p_value == 1
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (0, 0)


def test_equal_methods_are_rarely_called_different():
    clear = 0
    for trial in range(40):
        pair = [method("a", judged("a", 1, 100 + trial)), method("b", judged("b", 1, 900 + trial))]
        clear += (
            compare_methods(on_same_utterances(pair)[0], bootstrap=300)
            .methods[1]
            .versus["accuracy"]
            .corrected
            < 0.05
        )
    assert clear <= 6  # 5 % of 40 is 2


def test_one_dialogue_has_no_interval_and_no_p_value(three):
    only = [method(m.name, JudgedRun(m.name, 0, m.rounds[0].iloc[:8], LABELS)) for m in three[:2]]
    found = compare_methods(on_same_utterances(only)[0], bootstrap=200)
    assert found.groups == 1
    assert found.methods[1].metrics["accuracy"].low is None
    assert np.isnan(found.methods[1].versus["accuracy"].paired.p_value)
    json.dumps(found.to_dict(), allow_nan=False)


def test_everything_is_plain_json(compared):
    plain = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert [m["name"] for m in plain["methods"]] == ["weak", "strong", "seeds"]
    assert plain["methods"][2]["rounds"] == 3
    assert plain["methods"][1]["versus_first"]["accuracy"]["p_value_holm"] is not None


def test_scores_of_sentiment_are_compared_too():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=60) * 1.5

    def run(name, noise):
        table = pd.DataFrame(
            {
                "id": [f"u{i:02d}" for i in range(60)],
                "dialogue": [f"v{i // 6}" for i in range(60)],
                "truth": truth,
                "predicted": truth + noise * rng.normal(size=60),
            }
        )
        return make_method(name, [JudgedRun(name, 0, table, ())], Facts(model="cm-msf"))

    good, bad = run("good", 0.2), run("bad", 2.0)
    found = compare_methods(on_same_utterances([bad, good])[0], bootstrap=300)
    table = good.rounds[0]
    report = sentiment_report(
        table["truth"], table["predicted"], groups=table["dialogue"].tolist(), bootstrap=300
    )
    assert found.labels == ()
    assert found.methods[1].metrics["mae"].value == pytest.approx(report.mae)
    assert found.methods[1].metrics["corr"].low == pytest.approx(report.intervals["corr"].low)
    assert found.methods[1].versus["mae"].paired.difference < 0
    assert found.methods[1].versus["mae"].paired.p_value < 0.05
    assert found.methods[1].confusion is None
    assert found.methods[1].mcnemar is None


def test_mistakes_are_named(three):
    with pytest.raises(EmofuseError, match="the same name: weak, weak"):
        compare_methods([three[0], three[0]])
    with pytest.raises(EmofuseError, match="needs resamples"):
        compare_methods(three, bootstrap=0)
