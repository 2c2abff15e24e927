"""Friedman's and Nemenyi's tests against a worked example in print."""

import numpy as np
import pytest
from scipy.stats import studentized_range

from emofuse.evaluation.comparison.ranks import compare_ranks, critical_difference
from emofuse.evaluation.reporting.figures import draw_critical_differences

# Demšar 2006, Table 6: areas under the curve of C4.5 and three variants on fourteen data sets.
DEMSAR = {
    "C4.5": [
        *(0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661),
        *(0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957),
    ],
    "C4.5+m": [
        *(0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668),
        *(0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978),
    ],
    "C4.5+cf": [
        *(0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609),
        *(0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946),
    ],
    "C4.5+m+cf": [
        *(0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685),
        *(0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970),
    ],
}


def test_the_worked_example_comes_out() -> None:
    found = compare_ranks(DEMSAR)
    assert found.ranks["C4.5"] == pytest.approx(3.143, abs=5e-4)
    assert found.ranks["C4.5+m"] == pytest.approx(2.0, abs=5e-4)
    assert found.ranks["C4.5+cf"] == pytest.approx(2.893, abs=5e-4)
    assert found.ranks["C4.5+m+cf"] == pytest.approx(1.964, abs=5e-4)
    assert next(iter(found.ranks)) == "C4.5+m+cf"
    # The paper's 9.28 leaves ties uncorrected; the correction divides by 1 − Σ(t³ − t) / (N (k³ − k)).
    ties = 1 - (3 * 6 + 60) / (14 * 60)
    assert found.statistic == pytest.approx(9.28 / ties, abs=0.02)
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=2e-3)


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_quantiles_are_those_of_the_table(methods: int, q: float) -> None:
    # Demšar 2006, Table 5a, at 0.05.
    found = critical_difference(methods, 1) / np.sqrt(methods * (methods + 1) / 6)
    assert found == pytest.approx(q, abs=1.5e-3)
    assert studentized_range.cdf(found * np.sqrt(2), methods, np.inf) == pytest.approx(0.95)


def test_of_an_error_the_least_is_first_and_ties_share() -> None:
    found = compare_ranks({"a": [3.0, 1.0], "b": [1.0, 1.0], "c": [2.0, 5.0]}, less_is_better=True)
    assert found.ranks == {"b": 1.25, "a": 2.25, "c": 2.5}


def test_methods_alike_are_joined_and_no_smaller_group_is_told_twice() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=200)
    scores = {
        "best": base + 5 + rng.normal(size=200),
        "also": base + 5 + rng.normal(size=200),
        "worse": base + rng.normal(size=200),
    }
    found = compare_ranks(scores)
    assert found.p_value < 1e-10
    assert [set(clique) for clique in found.cliques] == [{"best", "also"}]
    drawn = draw_critical_differences(found)
    bars = [line for line in drawn.axes[0].lines if str(line.get_gid()).startswith("alike")]
    assert sorted(bars[0].get_xdata()) == sorted([found.ranks["best"], found.ranks["also"]])  # type: ignore[type-var]
    ruler = next(line for line in drawn.axes[0].lines if line.get_gid() == "ruler")
    assert np.ptp(np.asarray(ruler.get_xdata(), dtype=float)) == pytest.approx(found.critical_difference)


def test_too_few_give_ranks_and_no_test() -> None:
    found = compare_ranks({"a": [1.0, 2.0], "b": [0.0, 3.0]})
    assert found.ranks == {"a": 1.5, "b": 1.5}
    assert np.isnan([found.statistic, found.p_value, found.critical_difference]).all()
    assert found.cliques == []
    assert found.to_dict()["p_value"] is None
    with pytest.raises(ValueError, match="three methods"):
        draw_critical_differences(found)
    alike = compare_ranks({"a": [1.0, 1.0], "b": [1.0, 1.0], "c": [1.0, 1.0]})
    assert np.isnan(alike.p_value)
