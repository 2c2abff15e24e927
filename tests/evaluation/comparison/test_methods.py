from dataclasses import replace

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.methods import on_same_utterances
from tests.evaluation.comparison.judged import judged, method


def test_folds_of_one_seed_are_pooled_and_seeds_stand_beside_each_other():
    folds = [
        judged(f"s{seed}f{fold}", 1, seed, run_seed=seed, keep=slice(48 * fold, 48 * fold + 48))
        for seed in (0, 1)
        for fold in (1, 0)
    ]
    found = method("ours", *folds)
    assert [len(table) for table in found.rounds] == [96, 96]
    assert found.folds == 2
    whole = judged("whole", 1, 0).table
    assert found.rounds[0]["id"].tolist() == whole["id"].tolist()
    assert found.rounds[0]["predicted"].tolist() == whole["predicted"].tolist()


def test_runs_of_one_seed_that_judged_the_same_are_not_pooled():
    again = method("ours", judged("a", 1, 0), judged("b", 1, 1))
    assert [len(table) for table in again.rounds] == [96, 96]


def test_an_utterance_judged_twice_by_one_run_is_refused():
    run = judged("runs/a", 1, 0)
    twice = replace(run, table=run.table.loc[[0, 0, 1]])
    with pytest.raises(EmofuseError, match="runs/a: an utterance stands twice"):
        method("ours", twice)


def test_methods_on_different_utterances_are_refused_or_cut_to_what_is_common():
    a = method("a", judged("a", 1, 0, keep=slice(0, 60)))
    b = method("b", judged("b", 1, 1, keep=slice(20, 96)))
    with pytest.raises(
        EmofuseError, match=r"a and b were judged on different utterances \(60 and 76, 40 in common\)"
    ):
        on_same_utterances([a, b])
    (first, second), left_out = on_same_utterances([a, b], common=True)
    assert left_out == 96 - 40
    assert (
        first.rounds[0]["id"].tolist()
        == second.rounds[0]["id"].tolist()
        == judged("x", 1, 0).table["id"][20:60].tolist()
    )


def test_seeds_of_one_method_on_different_utterances_are_told_as_such():
    seeds = [judged("s0", 1, 0, keep=slice(0, 50)), judged("s1", 1, 1, run_seed=1, keep=slice(10, 96))]
    with pytest.raises(EmofuseError, match="two runs of ours were judged on different utterances"):
        on_same_utterances([method("ours", *seeds)])


def test_nothing_in_common_is_one_clear_line():
    a = method("a", judged("a", 1, 0, keep=slice(0, 40)))
    b = method("b", judged("b", 1, 1, keep=slice(40, 96)))
    with pytest.raises(EmofuseError, match="no utterance in common"):
        on_same_utterances([a, b], common=True)


def test_other_labels_and_another_truth_are_refused():
    a = method("a", judged("a", 1, 0))
    fewer = method("b", judged("b", 1, 1, labels=("anger", "joy")))
    with pytest.raises(EmofuseError, match="a and b answer different questions"):
        on_same_utterances([a, fewer])
    run = judged("c", 1, 2)
    changed = run.table.assign(truth=np.where(run.table["id"] == "d03t4", "other", run.table["truth"]))
    with pytest.raises(EmofuseError, match=r"not agree on what is true of 1 utterance \(the first is d03t4"):
        on_same_utterances([a, method("c", replace(run, table=changed))])


def test_the_order_of_labels_does_not_matter():
    a, b = method("a", judged("a", 1, 0)), method("b", judged("b", 1, 1, labels=("sadness", "joy", "anger")))
    assert on_same_utterances([a, b])[1] == 0
