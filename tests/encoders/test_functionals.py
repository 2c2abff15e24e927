import numpy as np
import pytest

from emofuse.encoders.functionals import contour, distribution, modulation, rhythm, run_lengths, slope

RANDOM = np.random.default_rng(0)


def slow_distribution(course: np.ndarray, selected: np.ndarray) -> dict[str, float]:
    values = [course[i] for i in range(len(course)) if selected[i]]
    times = [i / 100 for i in range(len(course)) if selected[i]]
    changes = [course[i + 1] - course[i] for i in range(len(course) - 1) if selected[i] and selected[i + 1]]
    mean = sum(values) / len(values)
    middle = sum(times) / len(times)
    low, median, high = (np.percentile(values, q) for q in (10, 50, 90))
    mean_change = sum(changes) / len(changes)
    return {
        "mean": mean,
        "sd": (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5,
        "p10": low,
        "p50": median,
        "p90": high,
        "range": high - low,
        "slope": sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True))
        / sum((t - middle) ** 2 for t in times),
        "change": sum(abs(c) for c in changes) / len(changes),
        "change_sd": (sum((c - mean_change) ** 2 for c in changes) / len(changes)) ** 0.5,
    }


def test_distribution_is_the_definition():
    courses = {"one": RANDOM.normal(size=60), "two": RANDOM.normal(size=60).cumsum()}
    selected = RANDOM.random(60) < 0.7
    found = distribution(courses, selected)
    expected = {
        f"{name}_{functional}": value
        for name, course in courses.items()
        for functional, value in slow_distribution(course, selected).items()
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_few_or_no_frames_give_finite_numbers(count):
    selected = np.arange(10) < count
    course = np.full(10, 7.0)
    for found in (
        distribution({"x": course}, selected),
        contour("x", course, selected),
        modulation("x", course, selected),
        rhythm(selected, selected, course),
    ):
        assert np.isfinite(list(found.values())).all()
        assert list(found) == list(dict.fromkeys(found))
    assert distribution({"x": course}, selected)["x_mean"] == (7.0 if count else 0.0)


def test_slope_is_that_of_a_line_and_needs_five_points():
    times = np.arange(20) / 100
    np.testing.assert_allclose(slope(times, np.stack([3 * times + 1, -2 * times], axis=1)), [3.0, -2.0])
    np.testing.assert_array_equal(slope(times[:4], times[:4, None]), [0.0])
    assert slope(times[:5], times[:5, None])[0] == pytest.approx(1.0)


def test_contour_coefficients_are_those_of_cosines():
    """A course that is a cosine term itself has its amplitude in that coefficient, and nothing elsewhere."""
    at = (np.arange(64) + 0.5) / 64
    for number in range(1, 7):
        found = contour("x", 2.5 * np.cos(np.pi * number * at), np.ones(64, bool))
        for other in range(1, 7):
            assert found[f"x_dct{other}"] == pytest.approx(2.5 if other == number else 0.0, abs=1e-9)


@pytest.mark.parametrize("frames", [64, 200, 1000])
def test_contour_does_not_depend_on_tempo_or_level(frames):
    at = np.linspace(0, 1, frames)
    shape = np.sin(3 * at) + 0.3 * np.cos(11 * at)
    found = contour("x", shape, np.ones(frames, bool))
    dense = np.linspace(0, 1, 64)
    reference = contour("x", 5 + np.sin(3 * dense) + 0.3 * np.cos(11 * dense), np.ones(64, bool))
    assert found == pytest.approx(reference, abs=0.02)


def test_contour_bridges_gaps_and_ignores_what_is_outside():
    course = np.linspace(0, 10, 101)
    known = np.ones(101, bool)
    known[30:60] = False
    spoilt = np.where(known, course, 999.0)
    assert contour("x", spoilt, known) == pytest.approx(contour("x", course, np.ones(101, bool)), abs=1e-9)
    padded = np.concatenate([np.full(20, -50.0), course, np.full(20, -50.0)])
    inside = np.concatenate([np.zeros(20, bool), np.ones(101, bool), np.zeros(20, bool)])
    assert contour("x", padded, inside) == pytest.approx(contour("x", course, np.ones(101, bool)), abs=1e-9)


def test_contour_tells_rise_from_fall_and_where_the_peak_is():
    line = np.linspace(0, 6, 100)
    rise, fall = contour("x", line, np.ones(100, bool)), contour("x", -line, np.ones(100, bool))
    assert rise["x_rise_first"] == pytest.approx(3.0, rel=0.05)
    assert fall["x_rise_second"] == pytest.approx(-3.0, rel=0.05)
    assert (rise["x_peak_at"], rise["x_trough_at"]) == (1.0, 0.0)
    assert rise["x_ending"] > 2.0 > -2.0 > fall["x_ending"]
    arch = contour("x", -((np.linspace(-1, 1, 101)) ** 2), np.ones(101, bool))
    assert arch["x_peak_at"] == pytest.approx(0.5, abs=0.02)
    assert arch["x_rise_first"] > 0.9
    assert arch["x_rise_second"] < -0.9


@pytest.mark.parametrize(
    ("hertz", "band"), [(2, "1_3hz"), (4, "3_5hz"), (6.3, "5_8hz"), (10, "8_12hz"), (14, "12_16hz")]
)
def test_modulation_is_the_strength_of_the_trembling(hertz, band):
    time = np.arange(400) / 100
    found = modulation("x", 1.5 * np.sin(2 * np.pi * hertz * time) + 20 * time + 7, np.ones(400, bool))
    assert found[f"x_modulation_{band}"] == pytest.approx(1.5 / np.sqrt(2), rel=0.1)
    assert all(value < 0.2 for name, value in found.items() if not name.endswith(band))


def test_rhythm_counts_segments_pauses_and_peaks():
    """Two seconds: eight bursts of 0.15 s with 0.1 s between, in the middle of silence."""
    active = np.zeros(300, bool)
    energy = np.full(300, -60.0)
    for burst in range(8):
        active[50 + 25 * burst : 65 + 25 * burst] = True
        energy[50 + 25 * burst : 65 + 25 * burst] = -20.0 + 3 * np.hanning(15)
    found = rhythm(active, active, energy)
    span = 1.90
    assert found["rhythm_log_duration"] == pytest.approx(np.log(3.0))
    assert found["rhythm_voiced_share"] == pytest.approx(1.2 / 3.0)
    assert found["rhythm_pause_share"] == pytest.approx(0.7 / span)
    assert found["rhythm_voiced_segments_per_second"] == pytest.approx(8 / span)
    assert found["rhythm_energy_peaks_per_second"] == pytest.approx(8 / span)
    assert found["rhythm_voiced_segment_mean"] == pytest.approx(0.15)
    assert found["rhythm_voiced_segment_sd"] == pytest.approx(0.0, abs=1e-12)
    assert found["rhythm_pauses_per_second"] == pytest.approx(7 / span)
    assert found["rhythm_pause_mean"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("flags", "lengths"),
    [([], []), ([0, 0], []), ([1, 1], [2]), ([1, 0, 1, 1, 0], [1, 2]), ([0, 1, 0, 1], [1, 1])],
)
def test_run_lengths(flags, lengths):
    assert run_lengths(np.array(flags, bool)).tolist() == lengths
