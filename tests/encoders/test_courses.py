"""Courses over time, against scipy, which is not imported where a clip is predicted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.signal import find_peaks, firwin, medfilt, upfirdn

from emofuse.encoders.courses import cosine_terms, count_peaks, running_median
from emofuse.encoders.pitch import _decimated, _low_pass

COURSES = st.lists(st.integers(-4, 4), min_size=0, max_size=60).map(lambda xs: np.array(xs, float))


@settings(max_examples=300, deadline=None)
@given(COURSES, st.floats(0, 6))
def test_peaks_are_those_that_scipy_finds_by_prominence(course: np.ndarray, prominence: float) -> None:
    expected = len(find_peaks(course, prominence=prominence)[0]) if len(course) else 0
    assert count_peaks(course, prominence) == expected


@given(COURSES, st.sampled_from([1, 3, 5, 31]))
def test_running_medians_are_scipys(course: np.ndarray, width: int) -> None:
    half = width // 2
    expected = (
        medfilt(np.pad(course, half, mode="edge"), width)[half : half + len(course)]
        if len(course)
        else course
    )
    assert np.array_equal(running_median(course, width), expected)


def test_a_long_course_is_read_in_blocks_without_a_seam() -> None:
    course = np.random.default_rng(0).standard_normal(20_000)
    assert np.array_equal(running_median(course, 5), medfilt(np.pad(course, 2, mode="edge"), 5)[2:-2])


@pytest.mark.parametrize("points", [26, 64])
def test_cosine_terms_are_the_orthonormal_transform(points: int) -> None:
    course = np.random.default_rng(points).standard_normal((3, points))
    np.testing.assert_allclose(
        course @ cosine_terms(points, 7), dct(course, type=2, norm="ortho", axis=1)[:, :7], atol=1e-13
    )


def test_the_pitch_reads_sound_low_passed_as_scipy_does_it() -> None:
    taps = firwin(63, 0.45, window="hamming").astype(np.float32)
    np.testing.assert_allclose(_low_pass(), taps, atol=1e-8)
    sound = np.random.default_rng(0).standard_normal(2 * 500 + 62).astype(np.float32)
    np.testing.assert_allclose(_decimated(sound, 500), upfirdn(taps, sound, down=2)[31:531], atol=1e-6)
