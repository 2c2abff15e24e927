import numpy as np
import pytest
import torch

from emofuse.encoders import pitch
from emofuse.encoders.courses import running_median
from emofuse.encoders.functionals import run_lengths
from emofuse.encoders.pitch import track_pitch

TIME = np.arange(16000) / 16000


def tone(hertz: float, partials: tuple[int, ...] = (1,)) -> np.ndarray:
    wave = sum(np.sin(2 * np.pi * hertz * k * TIME + k) / k for k in partials if hertz * k < 7500)
    return (0.3 * wave).astype(np.float32)


def slow_normalised_difference(frame: np.ndarray, integration: int, longest: int) -> np.ndarray:
    """Equations 6 and 8 of the paper, term by term."""
    x = frame.astype(np.float64)
    difference = np.array(
        [sum((x[j] - x[j + lag]) ** 2 for j in range(integration)) for lag in range(longest + 1)]
    )
    normalised = np.ones(longest + 1)
    for lag in range(1, longest + 1):
        normalised[lag] = difference[lag] / (difference[1 : lag + 1].sum() / lag)
    return normalised


def test_difference_function_is_the_equation():
    frames = torch.tensor(0.1 * np.random.default_rng(0).normal(size=(3, pitch._FRAME)), dtype=torch.float32)
    difference, power = pitch._difference(frames)
    lags = np.arange(1, difference.shape[1])
    ours = difference[:, 1:] * lags / np.cumsum(difference[:, 1:], axis=1)
    for row, frame in enumerate(frames.numpy()):
        slow = slow_normalised_difference(frame, pitch._INTEGRATION, difference.shape[1] - 1)
        np.testing.assert_allclose(ours[row], slow[1:], rtol=1e-4)
        assert power[row] == pytest.approx(np.mean(frame.astype(np.float64) ** 2), rel=1e-5)


PARTIALS = {"sine": (1,), "harmonics": tuple(range(1, 12)), "odd": (1, 3, 5), "no-fundamental": (2, 3, 4, 5)}


@pytest.mark.parametrize("hertz", [65, 80, 100, 133.3, 180, 220, 277.18, 330, 400])
@pytest.mark.parametrize("partials", PARTIALS.values(), ids=PARTIALS)
def test_tones_are_found_within_two_percent(hertz, partials):
    found = track_pitch(tone(hertz, partials))
    inside = slice(4, -4)
    assert found.voiced[inside].all()
    np.testing.assert_allclose(found.f0[inside], hertz, rtol=0.02)
    assert (found.periodicity[inside] > 0.9).all()


def test_a_glide_is_followed():
    frequency = np.linspace(100, 300, 16000)
    wave = sum(np.sin(2 * np.pi * k * np.cumsum(frequency) / 16000) / k for k in range(1, 8))
    found = track_pitch((0.2 * wave).astype(np.float32))
    centres = np.arange(len(found.f0)) * 160 + 200
    inside = slice(5, -5)
    np.testing.assert_allclose(found.f0[inside], frequency[centres[inside]], rtol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_unvoiced(seed):
    found = track_pitch((0.2 * np.random.default_rng(seed).normal(size=32000)).astype(np.float32))
    assert not found.voiced.any()
    assert not found.f0.any()
    assert found.periodicity.max() < 0.65


def test_voiced_and_unvoiced_stretches_are_told_apart():
    sound = tone(150, tuple(range(1, 10)))
    sound[8000:] = 0.05 * np.random.default_rng(0).normal(size=8000)
    found = track_pitch(sound)
    assert found.voiced[3:45].all()
    assert not found.voiced[53:].any()


def test_frames_at_the_edges_of_a_sound_are_not_taken_for_another_pitch():
    burst = tone(150, tuple(range(1, 12)))[:2400]
    found = track_pitch(np.concatenate([np.zeros(6400, np.float32), burst, np.zeros(6400, np.float32)] * 4))
    assert len(run_lengths(found.voiced)) == 4
    np.testing.assert_allclose(found.f0[found.voiced], 150, rtol=0.02)


def test_a_tone_in_noise_is_still_found():
    sound = tone(200, tuple(range(1, 10))) + 0.03 * np.random.default_rng(0).normal(size=16000)
    found = track_pitch(sound.astype(np.float32))
    assert found.voiced.mean() > 0.95
    np.testing.assert_allclose(np.median(found.f0[found.voiced]), 200, rtol=0.005)


@pytest.mark.parametrize("level", [0.9, 0.01])
def test_loudness_does_not_change_the_pitch(level):
    found = track_pitch(level * tone(120, (1, 2, 3)) / 0.5)
    np.testing.assert_allclose(found.f0[4:-4], 120, rtol=0.01)


def test_silence_below_the_threshold_is_unvoiced_even_when_periodic():
    assert not track_pitch(tone(150) * 1e-4).voiced.any()


@pytest.mark.parametrize("samples", [0, 1, 100, 400, 561])
def test_short_sound_gives_as_many_frames_as_the_spectrum(samples):
    found = track_pitch(tone(150)[:samples])
    assert len(found.f0) == len(found.voiced) == len(found.periodicity) == max(1, 1 + (samples - 400) // 160)
    assert np.isfinite(found.f0).all()


def test_blocks_change_nothing(monkeypatch):
    sound = tone(210, (1, 2, 3))
    whole = track_pitch(sound)
    monkeypatch.setattr(pitch, "_BLOCK_FRAMES", 9)
    np.testing.assert_allclose(track_pitch(sound).f0, whole.f0, rtol=1e-4)
    np.testing.assert_allclose(track_pitch(sound + np.float32(0.25), 0.25).f0, whole.f0, rtol=1e-4)


def test_octave_slips_do_not_count_as_voiced():
    raw = np.full(100, 120.0) * 2 ** (np.arange(100) / 1200)
    raw[10:14] = 0.0
    slipped = raw.copy()
    slipped[[20, 21, 22]] *= 2
    slipped[[60, 61]] /= 2
    cleaned = pitch._without_slips(slipped)
    assert not cleaned[[20, 21, 22, 60, 61]].any()
    kept = np.setdiff1d(np.arange(100), [20, 21, 22, 60, 61])
    np.testing.assert_array_equal(cleaned[kept], raw[kept])


def test_smoothing_leaves_unvoiced_frames_alone():
    raw = np.array([0, 100, 101, 110, 102, 103, 0, 104, 105, 106.0])
    smooth = pitch._smoothed(raw, raw > 0)
    np.testing.assert_array_equal(smooth, [0, 100, 101, 102, 103, 104, 0, 104, 105, 106])


@pytest.mark.parametrize("width", [5, 31])
@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_running_median_is_the_definition(width, count):
    values = np.random.default_rng(0).normal(size=count)
    half = width // 2
    slow = [
        np.median([values[min(max(at + step, 0), count - 1)] for step in range(-half, half + 1)])
        for at in range(count)
    ]
    np.testing.assert_allclose(running_median(values, width), slow)
