import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from emofuse.evaluation.protocols.folds import (
    GroupedSampler,
    fold_numbers,
    strata_of,
)
from emofuse.evaluation.protocols.quick_folds import QuickStratifiedGroupKFold

SEEDS = st.integers(0, 2**32 - 1)


def rows_of(labels, valences):
    return pd.DataFrame({"label": labels, "valence": np.array(valences, dtype=float)})


def test_labels_are_strata_and_valence_takes_their_place_by_sign_and_size():
    rows = rows_of(
        ["joy", "joy", None, None, None, None, None, None],
        [np.nan, 2.0, -0.5, -1.0, -3.0, 0.0, 1.0, 2.5],
    )
    strata = strata_of(rows)
    assert strata[0] == strata[1]  # a label goes before a valence
    assert strata[2] == strata[3] != strata[4]
    assert len(set(strata[[0, 2, 4, 5, 6, 7]])) == 6


@settings(max_examples=60, deadline=None)
@given(st.data(), SEEDS)
def test_every_fold_is_filled_and_no_group_is_divided(data, seed):
    groups = np.array(data.draw(st.lists(st.integers(0, 12), min_size=4, max_size=80)))
    strata = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups))))
    count = len(np.unique(groups))
    if count < 2:
        return
    k = data.draw(st.integers(2, count))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = fold_numbers(strata, groups, k, seed)
    assert set(folds) == set(range(k))
    assert all(len(set(folds[groups == group])) == 1 for group in groups)


def test_labels_are_spread_evenly():
    rng = np.random.default_rng(0)
    strata = rng.choice(4, size=800, p=[0.6, 0.25, 0.1, 0.05])
    for groups in (np.arange(800), np.repeat(np.arange(100), 8)):
        folds = fold_numbers(strata, groups, 5, seed=1)
        for label in range(4):
            share = [(strata[folds == fold] == label).mean() for fold in range(5)]
            assert max(share) - min(share) < 0.05


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.1, 100), (0.15, 150), (0.3, 300), (0.5, 500), (0.003, 10)]
)
def test_the_share_asked_for_is_carved(fraction, expected):
    rows = rows_of(["a", "b"] * 500, [np.nan] * 1000)
    train, val = GroupedSampler(rows, 0, fraction).draw_part(np.arange(1000), [np.arange(1000)])
    assert len(val) == expected
    assert sorted([*train, *val]) == list(range(1000))


def test_the_first_grouping_that_divides_is_taken():
    rows = rows_of(["a"] * 12, [np.nan] * 12)
    coarse, fine, alone = np.zeros(12, int), np.repeat(np.arange(3), 4), np.arange(12)
    _, val = GroupedSampler(rows, 0, 0.1).draw_part(np.arange(12), [coarse, fine, alone])
    assert len(val) == 4
    assert len(set(fine[val])) == 1
    train, val = GroupedSampler(rows, 0, 0.1).draw_part(np.array([5]), [coarse, fine, alone])
    assert (train.tolist(), val.tolist()) == ([5], [])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.integers(2, 8), st.integers(20, 300), SEEDS)
def test_quick_folds_are_the_librarys(k, classes, n, seed):
    rng = np.random.default_rng(seed)
    strata, groups = rng.integers(0, classes, n), rng.integers(0, max(k, n // 4), n)
    told = []
    for folder in (StratifiedGroupKFold, QuickStratifiedGroupKFold):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                found = folder(k, shuffle=True, random_state=seed).split(strata, strata, groups)
                told.append([test.tolist() for _, test in found])
            except ValueError as error:
                told.append(str(error))
    assert told[0] == told[1]
