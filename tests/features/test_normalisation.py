import pickle

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.features.normalisation import (
    FEW,
    MEAN_WORTH,
    SPREAD_WORTH,
    NormalisedFeatures,
    TrainingStatistics,
)

RNG = np.random.default_rng(0)


def voices(counts: dict[str, int], dim: int = 3) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Features of speakers whose means and spreads differ, and who says what."""
    features, groups = {}, {}
    for number, (name, count) in enumerate(counts.items()):
        for place in range(count):
            id = f"{name}{place}"
            features[id] = (10 * number + (number + 1) * RNG.normal(size=dim)).astype(np.float32)
            groups[id] = name
    return features, groups


def test_a_training_parts_statistics_are_the_mean_of_all_and_the_spread_within_groups() -> None:
    features, groups = voices({"a": 40, "b": 60})
    found = TrainingStatistics.of(features, groups)
    rows = np.stack(list(features.values()))
    a, b = rows[:40], rows[40:]
    within = np.sqrt((40 * a.var(0) + 60 * b.var(0)) / 100)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.spread, within, rtol=1e-5)


def test_rows_without_features_count_nothing_and_none_at_all_is_refused() -> None:
    features, groups = voices({"a": 4})
    found = TrainingStatistics.of(features, groups | {"silent": "a"})
    np.testing.assert_array_equal(found.mean, TrainingStatistics.of(features, groups).mean)
    with pytest.raises(EmofuseError, match="no training row has features"):
        TrainingStatistics.of({}, groups)


def test_lone_utterances_have_the_spread_of_them_all() -> None:
    features = {str(i): RNG.normal(size=2) for i in range(30)}
    found = TrainingStatistics.of(features, {i: i for i in features})
    np.testing.assert_allclose(found.spread, np.std(list(features.values()), axis=0), rtol=1e-5)


def test_a_large_group_is_standardised_by_its_own_mean_and_spread() -> None:
    features, groups = voices({"a": 800, "b": 800})
    source = NormalisedFeatures(features, groups, TrainingStatistics.of(features, groups))
    for name in "ab":
        rows = source.matrix([i for i in groups if groups[i] == name])
        np.testing.assert_allclose(rows.mean(0), 0, atol=0.1)
        np.testing.assert_allclose(rows.std(0), 1, atol=0.1)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_small_group_is_drawn_towards_the_training_part(count: int) -> None:
    features, groups = voices({"a": count}, dim=2)
    training = TrainingStatistics(np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32))
    found = NormalisedFeatures(features, groups, training)["a0"]
    rows = np.stack(list(features.values())).astype(np.float64)
    mean = (rows.sum(0) + MEAN_WORTH * training.mean) / (count + MEAN_WORTH)
    squares = ((rows - rows.mean(0)) ** 2).sum(0) + SPREAD_WORTH * training.spread**2
    np.testing.assert_allclose(
        found, (rows[0] - mean) / np.sqrt(squares / (count - 1 + SPREAD_WORTH)), rtol=1e-4
    )


def test_an_utterance_of_no_known_group_stands_alone() -> None:
    features, groups = voices({"a": 5, "b": 1})
    training = TrainingStatistics.of(features, groups)
    del groups["b0"]
    alone = NormalisedFeatures({"b0": features["b0"]}, {}, training)["b0"]
    np.testing.assert_array_equal(NormalisedFeatures(features, groups, training)["b0"], alone)


def test_one_group_does_not_touch_another() -> None:
    features, groups = voices({"a": 6, "b": 6})
    training = TrainingStatistics.of(features, groups)
    before = NormalisedFeatures(features, groups, training).matrix([i for i in groups if groups[i] == "a"])
    changed = {i: (row * 5 + 7 if groups[i] == "b" else row) for i, row in features.items()}
    after = NormalisedFeatures(changed, groups, training).matrix([i for i in groups if groups[i] == "a"])
    np.testing.assert_array_equal(before, after)


def test_of_sequences_every_utterance_counts_alike_and_keeps_its_steps() -> None:
    features = {
        "short": RNG.normal(size=(5, 2)).astype(np.float32),
        "long": 4 + RNG.normal(size=(500, 2)).astype(np.float32),
    }
    groups = dict.fromkeys(features, "a")
    training = TrainingStatistics.of(features, groups)
    np.testing.assert_allclose(
        training.mean, (features["short"].mean(0) + features["long"].mean(0)) / 2, rtol=1e-5
    )
    assert NormalisedFeatures(features, groups, training)["long"].shape == (500, 2)


def test_a_number_that_never_varies_is_only_centred() -> None:
    features = {str(i): np.array([7.0, i], np.float32) for i in range(4)}
    groups = dict.fromkeys(features, "a")
    rows = NormalisedFeatures(features, groups, TrainingStatistics.of(features, groups)).matrix(
        list(features)
    )
    np.testing.assert_array_equal(rows[:, 0], 0)
    assert np.isfinite(rows).all()


def test_it_says_where_a_group_is_small_and_travels_to_other_processes() -> None:
    features, groups = voices({"a": FEW, "b": 2, "c": 1})
    source = NormalisedFeatures(features, groups, TrainingStatistics.of(features, groups))
    assert source.note("a0") == ""
    assert "2 utterances" in source.note("b0")
    assert "alone" in source.note("c0")
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again["b1"], source["b1"])
